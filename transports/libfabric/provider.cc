#include "transports/libfabric/provider.h"

#include <cstdlib>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rdma/fi_domain.h"
#include "rdma/fi_endpoint.h"
#include "rdma/fi_errno.h"
#include "tideway/spec.h"
#include "transports/common/signal_handlers.h"
#include "transports/common/soft_roce.h"

namespace tideway::libfabric {
namespace {

constexpr size_t kStreamFrameBytes = 8192 + 512;
// Soft-RoCE's completion queues hold little, and real adapters need no more for what is in flight here.
constexpr size_t kVerbsQueueSize = 64;

constexpr Provider kProviders[] = {
    {"ofi+verbs", "verbs;ofi_rxm", false, true, kStreamFrameBytes, kVerbsQueueSize,
     "it needs an RDMA adapter with its kernel module (see `rdma link`) and libibverbs"},
    {"ofi+efa", "efa", false, false, kStreamFrameBytes, 0,
     "it needs an Elastic Fabric Adapter and a libfabric that was built with it"},
    // What fits into one slot of the provider's shared memory.
    {"ofi+shm", "shm", true, true, 4096, 0, "it needs /dev/shm"},
    {"ofi+net", "net", false, false, kStreamFrameBytes, 0,
     "it needs libfabric 1.16 or 1.17, or use ofi+tcp"},
    {"ofi+tcp", "tcp;ofi_rxm", false, false, kStreamFrameBytes, 0,
     "it needs a libfabric with the tcp provider"},
};

std::string Usable() {
  std::vector<std::string> usable;
  for (const Provider& provider : kProviders) {
    if (GetInfo(provider, "").ok()) usable.emplace_back(provider.scheme);
  }
  return usable.empty() ? "none is usable here" : absl::StrJoin(usable, ", ") + " can be used here";
}

// ofi_rxm makes its completion queues long enough for so many peers, and takes the number from the environment alone. For the
// 256 that it assumes, Soft-RoCE's longest queue (32,767 entries, 256 a peer) is too short, so there it is told another
// number before libfabric starts, unless the user has said one.
void LimitQueuesForSoftRoce() {
  if (HasSoftRoce()) (void)setenv("FI_UNIVERSE_SIZE", "127", 0);  // NOLINT(concurrency-mt-unsafe)
}

InfoPtr Hints(const Provider& provider) {
  InfoPtr hints(fi_allocinfo());
  if (hints == nullptr) return nullptr;
  hints->caps = FI_MSG | FI_RMA | FI_SEND | FI_RECV | FI_READ | FI_REMOTE_READ;
  hints->mode = FI_CONTEXT | FI_CONTEXT2;
  hints->ep_attr->type = FI_EP_RDM;
  hints->fabric_attr->prov_name = strdup(provider.fabric_name);
  hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
  hints->domain_attr->threading = FI_THREAD_SAFE;
  hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->resource_mgmt = FI_RM_ENABLED;
  hints->tx_attr->msg_order = FI_ORDER_SAS;
  hints->rx_attr->msg_order = FI_ORDER_SAS;
  hints->tx_attr->size = provider.queue_size;
  hints->rx_attr->size = provider.queue_size;
  return hints;
}

}  // namespace

absl::Span<const Provider> Providers() { return kProviders; }

absl::Status FabricError(absl::string_view doing, int error) {
  return absl::UnavailableError(absl::StrCat(doing, ": ", fi_strerror(-error)));
}

absl::StatusOr<InfoPtr> GetInfo(const Provider& provider, const std::string& local_ip) {
  LimitQueuesForSoftRoce();
  const InfoPtr hints = Hints(provider);
  if (hints == nullptr) return absl::ResourceExhaustedError("no memory for libfabric's hints");
  const bool bound = !provider.same_host && !local_ip.empty();
  fi_info* found = nullptr;
  const SignalHandlersKept kept;  // providers install some when they are first asked for
  const int error = fi_getinfo(FI_VERSION(1, 17), bound ? local_ip.c_str() : nullptr, nullptr,
                               bound ? FI_SOURCE | FI_NUMERICHOST : 0, hints.get(), &found);
  if (error == 0) return InfoPtr(found);
  return absl::UnavailableError(
      absl::StrCat(provider.scheme, bound ? " can't use the address " : " can't be used here",
                   bound ? local_ip : "", ": ", fi_strerror(-error), "; ", provider.remedy));
}

absl::StatusOr<const Provider*> ChooseProvider(absl::string_view scheme) {
  bool known = scheme == "ofi";
  absl::Status reason = absl::UnavailableError("no provider of libfabric can be used here");
  for (const Provider& provider : kProviders) {
    // Both ends must make the same choice, so a provider for one host only is never the best one.
    const bool meant = scheme == provider.scheme || (scheme == "ofi" && !provider.same_host);
    if (!meant) continue;
    known = true;
    const absl::StatusOr<InfoPtr> info = GetInfo(provider, "");
    if (info.ok()) return &provider;
    reason = info.status();
  }
  if (known) return absl::UnavailableError(absl::StrCat(reason.message(), "; ", Usable()));
  return absl::InvalidArgumentError(absl::StrCat(
      "'", scheme,
      "' is no scheme of libfabric; it has ofi, ofi+verbs, ofi+efa, ofi+shm, ofi+net, ofi+tcp"));
}

absl::StatusOr<Params> ParseParams(const Uri& uri) {
  const Spec spec = {.name = uri.scheme, .params = uri.params};
  SpecReader reader(spec);
  Params params;
  params.spin_us = static_cast<int>(reader.Integer("spin_us", params.spin_us, 0, 1'000'000));
  absl::Status status = reader.Finish();
  if (!status.ok()) return status;
  return params;
}

}  // namespace tideway::libfabric
