#include "core/runtime/host_identity.h"

#include <unistd.h>

#include <array>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace tideway {
namespace {

// "net:[4026531840]"; empty where /proc is not mounted.
std::string Namespace(const char* kind) {
  std::array<char, 64> target;
  const ssize_t bytes =
      readlink(absl::StrCat("/proc/self/ns/", kind).c_str(), target.data(), target.size());
  return bytes <= 0 ? "" : std::string(target.data(), static_cast<size_t>(bytes));
}

}  // namespace

std::string HostIdentity(uint64_t fallback) {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  const std::string net = Namespace("net");
  const std::string ipc = Namespace("ipc");
  const std::string pid = Namespace("pid");
  if (boot.empty() || net.empty() || ipc.empty() || pid.empty()) {
    return absl::StrCat("unknown-", absl::Hex(fallback));
  }
  return absl::StrCat(boot, " ", net, " ", ipc, " ", pid);
}

}  // namespace tideway
