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

// A codec, then at most one wrapper. No more, since bytes name only what lies directly inside.
absl::Status CheckOrder(const std::vector<const CodecEntry*>& links) {
  if (links.front()->wrap != nullptr) {
    const std::string& name = links.front()->name;
    return absl::InvalidArgumentError(absl::StrCat(
        name, " wraps another codec; write that one before it, for example int8+", name));
  }
  for (size_t i = 1; i < links.size(); ++i) {
    if (links[i]->wrap != nullptr) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        links[i]->name, " wraps no other codec, so it stands first or alone, and not after a +"));
  }
  if (links.size() > 2) {
    return absl::InvalidArgumentError(absl::StrCat(links[2]->name, " can't wrap what ",
                                                   links[1]->name,
                                                   " has wrapped already; leave one of them out"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CodecRegistry::Add(CodecEntry entry) {
  if (entry.name.empty() || (entry.create == nullptr) == (entry.wrap == nullptr)) {
    return absl::InvalidArgumentError(
        "a codec needs a name and a function that creates it, or one that wraps it around another");
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

absl::StatusOr<const CodecEntry*> CodecRegistry::Find(const std::string& name) const {
  const auto entry =
      std::find_if(entries_.begin(), entries_.end(),
                   [&](const CodecEntry& candidate) { return candidate.name == name; });
  if (entry != entries_.end()) return &*entry;
  return absl::NotFoundError(
      absl::StrCat("no codec is called ", name, "; there are: ", NamesOf(entries_)));
}

absl::StatusOr<std::unique_ptr<Codec>> CodecRegistry::Create(absl::string_view text) const {
  const absl::StatusOr<std::vector<Spec>> chain = Spec::ParseChain(text);
  if (!chain.ok()) return chain.status();
  std::vector<const CodecEntry*> links;
  for (const Spec& spec : *chain) {
    const absl::StatusOr<const CodecEntry*> found = Find(spec.name);
    if (!found.ok()) return found.status();
    links.push_back(*found);
  }
  if (absl::Status order = CheckOrder(links); !order.ok()) return order;
  absl::StatusOr<std::unique_ptr<Codec>> codec = links[0]->create(chain->front());
  if (!codec.ok() || links.size() == 1) return codec;
  return Wrap(*links[1], chain->back(), *std::move(codec));
}

// All decoders are made anew: they are small, and so nothing refers to the registry.
absl::StatusOr<std::unique_ptr<Codec>> CodecRegistry::Wrap(
    const CodecEntry& wrapper, const Spec& spec, std::shared_ptr<const Codec> inner) const {
  Wrapped wrapped{std::move(inner), {}};
  for (const CodecEntry& entry : entries_) {
    if (entry.create == nullptr) continue;
    absl::StatusOr<std::unique_ptr<Codec>> decoder = entry.create(Spec{entry.name, {}});
    if (absl::IsUnavailable(decoder.status())) continue;
    if (!decoder.ok()) return decoder.status();
    wrapped.decoders.push_back(*std::move(decoder));
  }
  if (wrapped.inner == nullptr && !wrapped.decoders.empty()) {
    wrapped.inner = wrapped.decoders.front();
  }
  if (wrapped.inner == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("there is no codec that ", wrapper.name, " could wrap; add one"));
  }
  return wrapper.wrap(spec, std::move(wrapped));
}

absl::StatusOr<std::unique_ptr<Codec>> CodecRegistry::CreateForWireId(uint8_t wire_id) const {
  for (const CodecEntry& entry : entries_) {
    if (entry.wire_id != wire_id) continue;
    const Spec spec{entry.name, {}};
    return entry.create != nullptr ? entry.create(spec) : Wrap(entry, spec, nullptr);
  }
  return absl::NotFoundError(
      absl::StrCat("no codec has the wire id ", wire_id, "; there are: ", NamesOf(entries_)));
}

}  // namespace tideway
