// CodecRegistry: a list searched from the front. It holds a handful of entries, so a map would gain
// nothing.

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tideway/codec.h"

namespace tideway {
namespace {

std::string NamesOf(const std::vector<CodecEntry>& entries) {
  return absl::StrJoin(entries, ", ", [](std::string* out, const CodecEntry& entry) {
    absl::StrAppend(out, entry.name);
  });
}

}  // namespace

absl::Status CodecRegistry::Add(CodecEntry entry) {
  if (entry.name.empty() || entry.create == nullptr) {
    return absl::InvalidArgumentError("a codec needs a name and a function that creates it");
  }
  for (const CodecEntry& other : entries_) {
    if (other.name != entry.name && other.wire_id != entry.wire_id) continue;
    return absl::AlreadyExistsError(absl::StrCat(
        "codec ", entry.name, " (wire id ", entry.wire_id, ") clashes with ", other.name,
        " (wire id ", other.wire_id, "); give it a name and an id of its own"));
  }
  entries_.push_back(std::move(entry));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Codec>> CodecRegistry::Create(absl::string_view text) const {
  const absl::StatusOr<Spec> spec = Spec::Parse(text);
  if (!spec.ok()) return spec.status();
  const auto entry =
      std::find_if(entries_.begin(), entries_.end(),
                   [&](const CodecEntry& candidate) { return candidate.name == spec->name; });
  if (entry == entries_.end()) {
    return absl::NotFoundError(
        absl::StrCat("no codec is called ", spec->name, "; there are: ", NamesOf(entries_)));
  }
  return entry->create(*spec);
}

absl::StatusOr<std::unique_ptr<Codec>> CodecRegistry::CreateForWireId(uint8_t wire_id) const {
  for (const CodecEntry& entry : entries_) {
    if (entry.wire_id == wire_id) return entry.create(Spec{entry.name, {}});
  }
  return absl::NotFoundError(
      absl::StrCat("no codec has the wire id ", wire_id, "; there are: ", NamesOf(entries_)));
}

}  // namespace tideway
