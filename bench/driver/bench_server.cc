#include "bench/driver/bench_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "bench/driver/machine.h"
#include "bench/driver/pair.h"
#include "bench/driver/result.h"
#include "bench/driver/wires.h"
#include "tideway/version.h"

namespace bench {
namespace {

using Json = nlohmann::json;

constexpr size_t kOptionsMax = 32;
constexpr size_t kOptionBytesMax = 1024;

absl::Status NoStart() {
  return absl::InvalidArgumentError("start needs a program of the benchmark and its options");
}

}  // namespace

absl::StatusOr<std::unique_ptr<BenchServer>> BenchServer::Listen(
    Options options, const tideway::TransportRegistry& transports) {
  const absl::StatusOr<tideway::Uri> uri = ParseControlUri(options.listen);
  if (!uri.ok()) return uri.status();
  absl::StatusOr<TcpListener> listener = ListenTcp(*uri);
  if (!listener.ok()) return listener.status();
  Json hello = {{"tideway_bench", kSchema},
                {"version", options.version.empty() ? tideway::kVersion : options.version},
                {"commit", SourceCommit()},
                {"machine", DescribeMachine()},
                {"versions", DescribeVersions(transports)}};
  return std::unique_ptr<BenchServer>(
      new BenchServer(std::move(options), *std::move(listener), std::move(hello)));
}

BenchServer::BenchServer(Options options, TcpListener listener, Json hello)
    : options_(std::move(options)), listener_(std::move(listener)), hello_(std::move(hello)) {}

BenchServer::~BenchServer() { close(listener_.socket); }

void BenchServer::Stop() {
  stopped_ = true;
  shutdown(listener_.socket, SHUT_RDWR);  // wakes accept
}

void BenchServer::Serve() {
  while (!stopped_) {
    const int socket = accept4(listener_.socket, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;  // the peer has gone already, or Stop
    const int on = 1;          // a driver whose host has gone is noticed
    setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    LineChannel channel(socket);
    ServeDriver(channel);
    program_.reset();
  }
}

void BenchServer::ServeDriver(LineChannel& channel) {
  absl::Status well = channel.Write(hello_.dump());
  while (well.ok()) {
    const absl::StatusOr<std::string> line = channel.Read(absl::InfiniteDuration());
    if (!line.ok()) return;
    const absl::StatusOr<Json> answer = Answer(*line);
    const Json said =
        answer.ok() ? *answer : Json{{"error", std::string(answer.status().message())}};
    well = channel.Write(said.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
}

absl::StatusOr<Json> BenchServer::Answer(const std::string& line) {
  absl::string_view what = line;
  if (absl::ConsumePrefix(&what, "start ")) return Start(what);
  if (line == "stop") {
    program_.reset();
    return Json{{"stopped", true}};
  }
  if (program_ == nullptr) return absl::FailedPreconditionError("no program is started");
  return program_->Ask(line, kProgramPatience);
}

absl::StatusOr<Json> BenchServer::Start(absl::string_view what) {
  program_.reset();
  const Json json = Json::parse(what, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return NoStart();
  const Json name = json.value("program", Json());
  const Json options = json.value("options", Json());
  if (!name.is_string() || !options.is_array() || options.size() > kOptionsMax) return NoStart();
  const absl::StatusOr<std::vector<std::string>> found =
      ServerProgram(name.get<std::string>(), options_.self);
  if (!found.ok()) return found.status();
  std::vector<std::string> command = *found;
  for (const Json& option : options) {
    if (!option.is_string() || option.get<std::string>().size() > kOptionBytesMax) return NoStart();
    command.push_back(option.get<std::string>());
  }
  absl::StatusOr<std::unique_ptr<Program>> started = StartProgram(command);
  if (!started.ok()) return started.status();
  program_ = *std::move(started);
  return program_->Answer(kProgramPatience);
}

}  // namespace bench
