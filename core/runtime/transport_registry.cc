#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tideway/transport.h"

namespace tideway {
namespace {

bool Has(const TransportEntry& entry, absl::string_view scheme) {
  return std::find(entry.schemes.begin(), entry.schemes.end(), scheme) != entry.schemes.end();
}

}  // namespace

std::vector<ProviderInfo> ProvidersOf(const TransportInfo& info) {
  if (!info.providers.empty()) return info.providers;
  ProviderInfo whole;
  whole.name = info.name;
  whole.scheme = info.schemes.at(0);
  whole.viable = info.viable;
  whole.unavailable_reason = info.unavailable_reason;
  whole.same_host_only = !info.crosses_hosts;
  return {whole};
}

absl::Status TransportRegistry::Add(TransportEntry entry) {
  for (const TransportEntry& present : entries_) {
    if (present.name == entry.name) {
      return absl::AlreadyExistsError(
          absl::StrCat("there is a transport ", entry.name, " already"));
    }
    for (const std::string& scheme : entry.schemes) {
      if (!Has(present, scheme)) continue;
      return absl::AlreadyExistsError(absl::StrCat(
          "the scheme ", scheme, ":// belongs to the transport ", present.name, " already"));
    }
  }
  entries_.push_back(std::move(entry));
  return absl::OkStatus();
}

absl::StatusOr<const TransportEntry*> TransportRegistry::FindScheme(
    absl::string_view scheme) const {
  std::vector<std::string> known;
  for (const TransportEntry& entry : entries_) {
    if (Has(entry, scheme)) return &entry;
    for (const std::string& other : entry.schemes) known.push_back(absl::StrCat(other, "://"));
  }
  return absl::NotFoundError(
      absl::StrCat("no transport serves ", scheme, "://; this program has ",
                   known.empty() ? "none at all" : absl::StrJoin(known, ", ")));
}

}  // namespace tideway
