#include "transports/tcp/socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "tideway/spec.h"

namespace tideway::tcp {
namespace {

// A peer whose machine has vanished is given up after about a minute.
constexpr int kProbeAfterSeconds = 30;
constexpr int kProbeIntervalSeconds = 10;
constexpr int kProbes = 3;

bool SetInt(int socket, int level, int option, int value) {
  return setsockopt(socket, level, option, &value, sizeof(value)) == 0;
}

int GetInt(int socket, int level, int option) {
  int value = 0;
  socklen_t bytes = sizeof(value);
  return getsockopt(socket, level, option, &value, &bytes) == 0 ? value : 0;
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
  absl::Status status = reader.Finish();
  if (!status.ok()) return status;
  return params;
}

absl::Status ApplyParams(int socket, const Params& params) {
  if (params.socket_buffer_bytes > 0) {
    SetInt(socket, SOL_SOCKET, SO_SNDBUF, params.socket_buffer_bytes);
    SetInt(socket, SOL_SOCKET, SO_RCVBUF, params.socket_buffer_bytes);
  }
  if (params.congestion.empty()) return absl::OkStatus();
  if (setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, params.congestion.data(),
                 static_cast<socklen_t>(params.congestion.size())) == 0) {
    return absl::OkStatus();
  }
  const int error = errno;
  return absl::InvalidArgumentError(
      absl::StrCat("this system can't use the congestion control '", params.congestion, "' (",
                   std::system_category().message(error),
                   "); see /proc/sys/net/ipv4/tcp_allowed_congestion_control"));
}

void ApplyConnectionOptions(int socket) {
  SetInt(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  SetInt(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetInt(socket, IPPROTO_TCP, TCP_KEEPIDLE, kProbeAfterSeconds);
  SetInt(socket, IPPROTO_TCP, TCP_KEEPINTVL, kProbeIntervalSeconds);
  SetInt(socket, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
}

std::map<std::string, std::string> Describe(int socket) {
  std::map<std::string, std::string> details;
  char congestion[16] = {};
  socklen_t bytes = sizeof(congestion) - 1;
  if (getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, congestion, &bytes) == 0) {
    details["congestion"] = congestion;
  }
  details["send_buffer_bytes"] = absl::StrCat(GetInt(socket, SOL_SOCKET, SO_SNDBUF));
  details["receive_buffer_bytes"] = absl::StrCat(GetInt(socket, SOL_SOCKET, SO_RCVBUF));
  details["segment_bytes"] = absl::StrCat(GetInt(socket, IPPROTO_TCP, TCP_MAXSEG));
  return details;
}

}  // namespace tideway::tcp
