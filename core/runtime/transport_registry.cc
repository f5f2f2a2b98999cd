#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tideway/transport.h"
#include "tideway/transport_report.h"

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
  if (Has(entry, kAutoScheme)) {
    return absl::AlreadyExistsError(
        "auto:// stands for a choice and can't be a transport's scheme");
  }
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

absl::StatusOr<Uri> TransportRegistry::AddressFor(absl::string_view name,
                                                  absl::string_view host) const {
  Uri uri{.scheme = std::string(name), .host = std::string(host), .port = uint16_t{0}};
  if (name == kAutoScheme) return uri;
  std::vector<std::string> known = {kAutoScheme};
  for (const TransportEntry& entry : entries_) {
    const TransportInfo info = entry.probe();
    for (const ProviderInfo& provider : ProvidersOf(info)) {
      known.push_back(provider.name);
      if (provider.name != name) continue;
      if (!info.viable || !provider.viable) {
        return absl::UnavailableError(
            absl::StrCat(name, " can't work here: ",
                         info.viable ? provider.unavailable_reason : info.unavailable_reason));
      }
      uri.scheme = provider.scheme;
      uri.params = provider.params;
      return uri;
    }
    if (!Has(entry, name)) continue;
    if (info.viable) return uri;
    return absl::UnavailableError(
        absl::StrCat(name, " can't work here: ", info.unavailable_reason));
  }
  return absl::NotFoundError(
      absl::StrCat("there is no transport '", name, "'; there are ", absl::StrJoin(known, ", ")));
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
