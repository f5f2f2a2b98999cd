// TCP sockets of the connection between two hosts' tideway-bench. No data that is measured goes over them.
//
// Threads: plain functions. The descriptors that they return are the caller's.

#ifndef TIDEWAY_BENCH_DRIVER_TCP_SOCKET_H_
#define TIDEWAY_BENCH_DRIVER_TCP_SOCKET_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tideway/uri.h"

namespace bench {

// tcp://HOST:PORT without parameters. INVALID_ARGUMENT else.
absl::StatusOr<tideway::Uri> ParseControlUri(absl::string_view text);

// UNAVAILABLE: why not. Gives up after a few seconds.
absl::StatusOr<int> ConnectTcp(const tideway::Uri& uri);

struct TcpListener {
  int socket;
  tideway::Uri address;  // with the real port
};
absl::StatusOr<TcpListener> ListenTcp(const tideway::Uri& uri);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_TCP_SOCKET_H_
