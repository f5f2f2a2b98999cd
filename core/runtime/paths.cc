#include "core/runtime/paths.h"

#include <utility>

#include "absl/status/status.h"

namespace tideway {

std::vector<LocalPath> LocalPaths(const TransportRegistry& transports) {
  std::vector<LocalPath> paths;
  for (const TransportEntry& entry : transports.entries()) {
    const TransportInfo info = entry.probe();
    if (!info.crosses_processes && info.viable) continue;
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
  if (transports.FindScheme("tcp").ok()) return std::string("tcp");
  for (const TransportEntry& entry : transports.entries()) {
    const TransportInfo info = entry.probe();
    if (info.viable && info.crosses_processes) return ProvidersOf(info).front().scheme;
  }
  return absl::NotFoundError(
      "auto:// needs a transport that reaches other processes, such as tcp; this program has none");
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
