// BenchServer: `tideway-bench --server`, which starts the servers' ends of measurements for a tideway-bench on another host. What they
// say to one another: host.h.
//
// It starts the benchmark's own programs only, with their own options, but it does that for everybody who can reach its port: listen
// where the network is yours. One driver at a time; others wait.
//
// Threads: Serve blocks its caller until Stop, which may be called from any other thread.

#ifndef TIDEWAY_BENCH_DRIVER_BENCH_SERVER_H_
#define TIDEWAY_BENCH_DRIVER_BENCH_SERVER_H_

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/driver/line_channel.h"
#include "bench/driver/program.h"
#include "bench/driver/tcp_socket.h"
#include "nlohmann/json.hpp"
#include "tideway/transport.h"

namespace bench {

class BenchServer {
 public:
  struct Options {
    std::string listen = "tcp://127.0.0.1:7411";
    std::string self;     // the path of tideway-bench; the raw programs lie beside it
    std::string version;  // that it tells of itself; empty: Tideway's
  };

  static absl::StatusOr<std::unique_ptr<BenchServer>> Listen(
      Options options, const tideway::TransportRegistry& transports);
  ~BenchServer();
  BenchServer(const BenchServer&) = delete;
  BenchServer& operator=(const BenchServer&) = delete;

  std::string address() const { return listener_.address.ToString(); }
  void Serve();
  // After the driver that is being served has gone.
  void Stop();

 private:
  BenchServer(Options options, TcpListener listener, nlohmann::json hello);

  void ServeDriver(LineChannel& channel);
  absl::StatusOr<nlohmann::json> Answer(const std::string& line);
  absl::StatusOr<nlohmann::json> Start(absl::string_view what);

  const Options options_;
  const TcpListener listener_;
  const nlohmann::json hello_;
  std::atomic<bool> stopped_ = false;
  std::unique_ptr<Program> program_;  // of the driver that is being served
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_BENCH_SERVER_H_
