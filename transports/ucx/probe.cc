#include "transports/ucx/probe.h"

#include <ucp/api/ucp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/runtime/shared_library.h"
#include "transports/ucx/context.h"
#include "transports/ucx/process_memory.h"

namespace tideway::ucx {
namespace {

constexpr const char* kWait = "spins for spin_us (20), then blocks in epoll";

// "tcp/eth0" to "eth0" for each resource whose transport begins with one of `prefixes`.
std::vector<std::string> DevicesOf(const std::vector<std::string>& resources,
                                   const std::vector<absl::string_view>& prefixes) {
  std::set<std::string> devices;
  for (const std::string& resource : resources) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(resource, absl::MaxSplits('/', 1));
    for (const absl::string_view prefix : prefixes) {
      if (absl::StartsWith(parts.first, prefix)) devices.emplace(parts.second);
    }
  }
  return {devices.begin(), devices.end()};
}

ProviderInfo Provider(std::string name, std::string tls, std::vector<std::string> devices,
                      std::string reason_without) {
  ProviderInfo provider;
  provider.name = std::move(name);
  provider.scheme = "ucx";
  provider.params = {{"tls", std::move(tls)}};
  provider.viable = !devices.empty();
  if (!provider.viable) provider.unavailable_reason = std::move(reason_without);
  provider.devices = std::move(devices);
  provider.wait = kWait;
  return provider;
}

// The process that uses UCX; 0: none yet. As UCX's own state, it is one for all transports and is copied by fork.
std::atomic<uint32_t> claimed_by{0};

absl::Status ProbeSelf() {
  const auto cell = std::make_unique<uint64_t>(0x7469646577617921);
  return ProbeProcess(OwnPid(), reinterpret_cast<uintptr_t>(cell.get()), *cell);
}

}  // namespace

absl::Status CheckOneUcx(const std::vector<std::string>& libraries, UcxVersion running,
                         UcxVersion built) {
  std::map<std::string, std::string> seen;
  for (const std::string& path : libraries) {
    for (const char* name : {"libucp", "libuct", "libucs", "libucm"}) {
      if (!absl::StrContains(path, absl::StrCat("/", name, ".so")) &&
          !absl::StrContains(path, absl::StrCat("/", name, "-")))
        continue;
      auto [first, is_new] = seen.emplace(name, path);
      if (is_new || first->second == path) continue;
      return absl::UnavailableError(
          absl::StrCat("two UCXes are loaded in this process, ", first->second, " and ", path,
                       "; start the program with only one of them in its library path"));
    }
  }
  if (running.major == built.major && running.minor >= built.minor) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the UCX that is loaded in this process has version ", running.major, ".",
                   running.minor, ", but Tideway was built for ", built.major, ".", built.minor,
                   "; let the program find that one first, or build Tideway against the other"));
}

absl::Status CheckOneUcx() {
  UcxVersion running;
  unsigned release = 0;
  ucp_get_version(&running.major, &running.minor, &release);
  return CheckOneUcx(LoadedLibraries(), running, {UCP_API_MAJOR, UCP_API_MINOR});
}

absl::Status CheckNotForked() {
  const uint32_t owner = claimed_by.load();
  if (owner == 0 || owner == OwnPid()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "this process was forked from process ", owner,
      ", which uses UCX, and UCX does not work after that; use tcp:// here, or start a new program "
      "instead of forking (in Python: multiprocessing's spawn)"));
}

void ClaimProcess() { claimed_by.store(OwnPid()); }

std::vector<ProviderInfo> ProvidersFor(const std::vector<std::string>& resources,
                                       const absl::Status& cma) {
  std::vector<ProviderInfo> providers;
  ProviderInfo sm = Provider("ucx/sm", "posix,sysv,cma", DevicesOf(resources, {"posix", "sysv"}),
                             "UCX has no shared memory here; is /dev/shm mounted?");
  sm.same_host_only = true;
  sm.one_sided = sm.viable && cma.ok();
  providers.push_back(std::move(sm));
  ProviderInfo rc =
      Provider("ucx/rc", "rc", DevicesOf(resources, {"rc_"}), "no RDMA device on this host");
  rc.one_sided = rc.viable;
  providers.push_back(std::move(rc));
  providers.push_back(Provider("ucx/tcp", "tcp", DevicesOf(resources, {"tcp"}),
                               "UCX finds no network interface that is up"));
  return providers;
}

TransportInfo Probe() {
  TransportInfo info;
  info.name = "ucx";
  info.schemes = {"ucx"};
  info.crosses_hosts = true;
  info.crosses_processes = true;
  info.version = ucp_get_version_string();
  absl::Status status = CheckOneUcx();
  if (status.ok()) status = CheckNotForked();
  std::vector<std::string> resources;
  if (status.ok()) {
    absl::StatusOr<std::shared_ptr<Context>> context = Context::Create({}, {});
    status = context.status();
    if (status.ok()) resources = (*context)->Resources();
  }
  info.viable = status.ok();
  info.unavailable_reason = std::string(status.message());
  info.providers = ProvidersFor(resources, ProbeSelf());
  if (!info.viable) {
    for (ProviderInfo& provider : info.providers)
      provider.unavailable_reason = info.unavailable_reason;
  }
  return info;
}

}  // namespace tideway::ucx
