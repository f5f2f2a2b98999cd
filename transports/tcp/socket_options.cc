#include "transports/tcp/socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tideway/limits.h"
#include "tideway/spec.h"

namespace tideway::tcp {
namespace {

// A peer whose machine has vanished is given up after about a minute.
constexpr int kProbeAfterSeconds = 30;
constexpr int kProbeIntervalSeconds = 10;
constexpr int kProbes = 3;

constexpr double kLinkBytesPerSecond = 1.25e9;
constexpr double kStreamBytes = 4 << 20;  // about what Linux lets a socket's buffers grow to

bool SetInt(int socket, int level, int option, int value) {
  return setsockopt(socket, level, option, &value, sizeof(value)) == 0;
}

int GetInt(int socket, int level, int option) {
  int value = 0;
  socklen_t bytes = sizeof(value);
  return getsockopt(socket, level, option, &value, &bytes) == 0 ? value : 0;
}

bool SetCongestion(int socket, absl::string_view name) {
  return setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(),
                    static_cast<socklen_t>(name.size())) == 0;
}

// Empty: the kernel does not say.
std::string GetCongestion(int socket) {
  char name[16] = {};
  socklen_t bytes = sizeof(name) - 1;
  return getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name, &bytes) == 0 ? name : "";
}

// "bbr, cubic, reno", or empty where the kernel does not say.
std::string AvailableCongestion() {
  std::ifstream file("/proc/sys/net/ipv4/tcp_available_congestion_control");
  std::string line;
  std::getline(file, line);
  std::vector<std::string> names = absl::StrSplit(line, ' ', absl::SkipWhitespace());
  std::sort(names.begin(), names.end());
  return absl::StrJoin(names, ", ");
}

// BBR paces what it sends by timers, for the sake of queues that the loopback interface does not have; there it only costs.
void PreferUnpaced(int socket) {
  if (GetCongestion(socket) != "bbr") return;
  // Where neither is allowed, it stays.
  if (!SetCongestion(socket, "cubic")) SetCongestion(socket, "reno");
}

}  // namespace

absl::StatusOr<Params> ParseParams(const Uri& uri) {
  const Spec spec = {.name = "tcp", .params = uri.params};
  SpecReader reader(spec);
  Params params;
  auto congestion = uri.params.find("congestion");
  if (congestion != uri.params.end()) params.congestion = congestion->second;
  // Any name will do here; the kernel decides in ApplyParams.
  reader.Choice("congestion", "", {params.congestion});
  params.spin_us = static_cast<int>(reader.Integer("spin_us", params.spin_us, 0, 1'000'000));
  params.socket_buffer_bytes =
      static_cast<int>(reader.Integer("socket_buffer_bytes", 0, 0, int64_t{1} << 30));
  const auto streams = uri.params.find("streams");
  if (streams != uri.params.end() && streams->second == "auto") {
    reader.Choice("streams", "auto", {"auto"});
  } else {
    params.streams = static_cast<int>(reader.Integer("streams", 0, 1, kTcpStreamsMax));
  }
  absl::Status status = reader.Finish();
  if (!status.ok()) return status;
  return params;
}

absl::Status ApplyParams(int socket, const Params& params, bool loopback) {
  if (params.socket_buffer_bytes > 0) {
    SetInt(socket, SOL_SOCKET, SO_SNDBUF, params.socket_buffer_bytes);
    SetInt(socket, SOL_SOCKET, SO_RCVBUF, params.socket_buffer_bytes);
  }
  if (params.congestion.empty()) {
    if (loopback) PreferUnpaced(socket);
    return absl::OkStatus();
  }
  if (SetCongestion(socket, params.congestion)) return absl::OkStatus();
  const int error = errno;
  const std::string available = AvailableCongestion();
  if (error == EPERM) {
    return absl::InvalidArgumentError(
        absl::StrCat("this process may not use the congestion control '", params.congestion,
                     "'; choose one of /proc/sys/net/ipv4/tcp_allowed_congestion_control or have "
                     "it added there"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "this system can't use the congestion control '", params.congestion, "' (",
      std::system_category().message(error), "); choose one of: ",
      available.empty() ? "/proc/sys/net/ipv4/tcp_available_congestion_control" : available));
}

void ApplyConnectionOptions(int socket) {
  SetInt(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  SetInt(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetInt(socket, IPPROTO_TCP, TCP_KEEPIDLE, kProbeAfterSeconds);
  SetInt(socket, IPPROTO_TCP, TCP_KEEPINTVL, kProbeIntervalSeconds);
  SetInt(socket, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
}

absl::Duration RoundTrip(int socket) {
  tcp_info info = {};
  socklen_t bytes = sizeof(info);
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) return absl::ZeroDuration();
  return absl::Microseconds(info.tcpi_rtt);
}

size_t StreamsFor(absl::Duration round_trip) {
  if (round_trip < kLongRoundTrip) return 1;
  const double bytes = absl::ToDoubleSeconds(round_trip) * kLinkBytesPerSecond;
  return static_cast<size_t>(
      std::clamp(std::ceil(bytes / kStreamBytes), 2.0, static_cast<double>(kTcpStreamsMax)));
}

std::map<std::string, std::string> Describe(int socket) {
  std::map<std::string, std::string> details;
  const std::string congestion = GetCongestion(socket);
  if (!congestion.empty()) details["congestion"] = congestion;
  details["send_buffer_bytes"] = absl::StrCat(GetInt(socket, SOL_SOCKET, SO_SNDBUF));
  details["receive_buffer_bytes"] = absl::StrCat(GetInt(socket, SOL_SOCKET, SO_RCVBUF));
  details["round_trip_us"] = absl::StrCat(absl::ToInt64Microseconds(RoundTrip(socket)));
  details["segment_bytes"] = absl::StrCat(GetInt(socket, IPPROTO_TCP, TCP_MAXSEG));
  return details;
}

}  // namespace tideway::tcp
