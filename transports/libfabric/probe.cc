// What this host offers, for `tideway info` and for whoever chooses a transport.

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rdma/fi_domain.h"
#include "transports/libfabric/provider.h"

namespace tideway::libfabric {
namespace {

// Whether an idle thread can wait for this provider's events in the kernel. Only an open queue tells.
bool HasWaitDescriptor(fi_info* info) {
  fid_fabric* fabric = nullptr;
  fid_domain* domain = nullptr;
  fid_cq* queue = nullptr;
  bool has = false;
  if (fi_fabric(info->fabric_attr, &fabric, nullptr) != 0) return false;
  if (fi_domain(fabric, info, &domain, nullptr) == 0) {
    fi_cq_attr attributes = {};
    attributes.format = FI_CQ_FORMAT_MSG;
    attributes.wait_obj = FI_WAIT_FD;
    has = fi_cq_open(domain, &attributes, &queue, nullptr) == 0;
    if (has) fi_close(&queue->fid);
    fi_close(&domain->fid);
  }
  fi_close(&fabric->fid);
  return has;
}

ProviderInfo ProbeProvider(const Provider& provider) {
  ProviderInfo info;
  info.name = provider.scheme;
  info.scheme = provider.scheme;
  info.same_host_only = provider.same_host;
  info.one_sided = provider.one_sided;
  const absl::StatusOr<InfoPtr> found = GetInfo(provider, "");
  info.viable = found.ok();
  if (!found.ok()) {
    info.unavailable_reason = std::string(found.status().message());
    return info;
  }
  for (const fi_info* each = found->get(); each != nullptr; each = each->next) {
    const std::string name = each->domain_attr->name;
    if (std::find(info.devices.begin(), info.devices.end(), name) == info.devices.end())
      info.devices.push_back(name);
  }
  info.wait = HasWaitDescriptor(found->get())
                  ? "blocks"
                  : "sleeps 50 us to 4 ms at a time; a peer's first message wakes it";
  return info;
}

}  // namespace

TransportInfo Probe() {
  TransportInfo info;
  info.name = "libfabric";
  info.schemes = {"ofi"};
  const uint32_t version = fi_version();
  info.version = absl::StrCat(FI_MAJOR(version), ".", FI_MINOR(version));
  info.crosses_processes = true;
  info.viable = false;
  for (const Provider& provider : Providers()) {
    info.schemes.emplace_back(provider.scheme);
    info.providers.push_back(ProbeProvider(provider));
    info.viable |= info.providers.back().viable;
    info.crosses_hosts |= info.providers.back().viable && !provider.same_host;
  }
  if (!info.viable) info.unavailable_reason = "libfabric offers no provider that can be used here";
  return info;
}

}  // namespace tideway::libfabric
