#include "core/runtime/paths.h"

#include <utility>

#include "absl/status/status.h"

namespace tideway {

namespace {

// In a simulation the hosts are simulated, and only what runs in virtual time reaches them.
const TransportEntry* BootstrapEntry(const TransportRegistry& transports) {
  const TransportEntry* found = nullptr;
  for (const TransportEntry& entry : transports.entries()) {
    if (entry.name == "tcp") return &entry;
    const TransportInfo info = entry.probe();
    if (found == nullptr && info.viable && info.crosses_hosts) found = &entry;
  }
  return found;
}

}  // namespace

std::vector<LocalPath> LocalPaths(const TransportRegistry& transports) {
  std::vector<LocalPath> paths;
  const TransportEntry* bootstrap = BootstrapEntry(transports);
  if (bootstrap == nullptr) return paths;
  const bool real_time = bootstrap->probe().real_time;
  for (const TransportEntry& entry : transports.entries()) {
    const TransportInfo info = entry.probe();
    const bool reaches_others = info.crosses_processes || info.crosses_hosts || !info.viable;
    if (!reaches_others || info.real_time != real_time) continue;
    for (ProviderInfo& provider : ProvidersOf(info)) {
      if (!info.viable) {
        provider.viable = false;
        provider.unavailable_reason = info.unavailable_reason;
      }
      paths.push_back({info.name, std::move(provider)});
    }
  }
  return paths;
}

absl::StatusOr<std::string> BootstrapScheme(const TransportRegistry& transports) {
  const TransportEntry* entry = BootstrapEntry(transports);
  if (entry != nullptr) return ProvidersOf(entry->probe()).front().scheme;
  return absl::NotFoundError(
      "auto:// needs a transport that reaches other hosts, such as tcp; this program has none");
}

std::string ProviderNameOf(const TransportRegistry& transports, const Uri& uri) {
  const absl::StatusOr<const TransportEntry*> entry = transports.FindScheme(uri.scheme);
  if (!entry.ok()) return uri.scheme;
  std::string name = (*entry)->name;
  for (const ProviderInfo& provider : ProvidersOf((*entry)->probe())) {
    bool fits = provider.scheme == uri.scheme;
    for (const auto& [key, value] : provider.params) {
      const auto given = uri.params.find(key);
      fits &= given != uri.params.end() && given->second == value;
    }
    if (fits) return provider.name;
  }
  return name;
}

}  // namespace tideway
