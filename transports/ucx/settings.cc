#include "transports/ucx/settings.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tideway/spec.h"

namespace tideway::ucx {
namespace {

// UCX's transports and its names for groups of them (its own list can't be asked for; one that this build of UCX lacks is
// found out when a context is made).
constexpr std::array<absl::string_view, 36> kNames = {
    "all",     "sm",      "shm",       "mm",       "self",     "tcp",     "posix",     "sysv",
    "cma",     "xpmem",   "knem",      "ib",       "rc",       "rc_v",    "rc_verbs",  "rc_x",
    "rc_mlx5", "ud",      "ud_v",      "ud_verbs", "ud_x",     "ud_mlx5", "dc",        "dc_x",
    "dc_mlx5", "cuda",    "cuda_copy", "cuda_ipc", "gdr_copy", "rocm",    "rocm_copy", "rocm_ipc",
    "ze",      "ze_copy", "ugni",      "ze_ipc"};

bool IsSharedMemory(absl::string_view name) {
  return name == "all" || name == "sm" || name == "shm" || name == "mm" || name == "posix" ||
         name == "sysv" || name == "xpmem";
}

std::string OneOf(const Uri& uri, const char* key, SpecReader& reader) {
  auto found = uri.params.find(key);
  std::string value = found == uri.params.end() ? "" : found->second;
  reader.Choice(key, "", {value});  // any text will do for the reader
  return value;
}

absl::Status CheckTls(absl::string_view tls) {
  for (const std::string& name : SplitTls(tls)) {
    if (!IsUcxTransport(name)) {
      return absl::InvalidArgumentError(absl::StrCat("'", name, "' in tls=", tls,
                                                     " is no transport of UCX; it has ",
                                                     absl::StrJoin(kNames, ", ")));
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool IsUcxTransport(absl::string_view name) {
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

std::vector<std::string> SplitTls(absl::string_view tls) {
  absl::ConsumePrefix(&tls, "^");
  if (tls.empty()) return {};
  return absl::StrSplit(tls, ',');
}

std::string Settings::UcxTls() const {
  if (!without_cma) return tls.empty() ? "all" : tls;
  if (tls.empty()) return "^cma";
  if (tls[0] == '^') return absl::StrCat(tls, ",cma");
  std::vector<std::string> kept;
  for (const std::string& name : SplitTls(tls)) {
    if (name == "all") return "^cma";
    if (name == "cma") continue;
    if (name == "sm" || name == "shm" || name == "mm") {
      kept.insert(kept.end(), {"posix", "sysv"});
    } else {
      kept.push_back(name);
    }
  }
  return absl::StrJoin(kept, ",");
}

bool Settings::SharedMemoryAllowed() const {
  const std::vector<std::string> names = SplitTls(tls);
  const bool named = std::any_of(names.begin(), names.end(),
                                 [](const std::string& name) { return IsSharedMemory(name); });
  if (!tls.empty() && tls[0] == '^') return !named;
  return tls.empty() || named;
}

bool Settings::TcpAllowed() const {
  const std::vector<std::string> names = SplitTls(tls);
  const bool named = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name == "tcp" || name == "all";
  });
  if (!tls.empty() && tls[0] == '^') return !named;
  return tls.empty() || named;
}

absl::StatusOr<Params> ParseParams(const Uri& uri) {
  const Spec spec = {.name = "ucx", .params = uri.params};
  SpecReader reader(spec);
  Params params;
  params.settings.tls = OneOf(uri, "tls", reader);
  params.settings.net_devices = OneOf(uri, "net_devices", reader);
  params.spin_us = static_cast<int>(reader.Integer("spin_us", params.spin_us, 0, 1'000'000));
  absl::Status status = reader.Finish();
  if (status.ok()) status = CheckTls(params.settings.tls);
  if (!status.ok()) return status;
  return params;
}

}  // namespace tideway::ucx
