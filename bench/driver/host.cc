#include "bench/driver/host.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bench/driver/line_channel.h"
#include "bench/driver/result.h"
#include "bench/driver/tcp_socket.h"
#include "tideway/uri.h"
#include "tideway/version.h"

namespace bench {
namespace {

using Json = nlohmann::json;

constexpr char kLoopback[] = "127.0.0.1";
constexpr absl::Duration kHelloPatience = absl::Seconds(5);
constexpr absl::Duration kStopPatience = absl::Seconds(10);

class ThisHost final : public Host {
 public:
  absl::StatusOr<std::unique_ptr<Program>> StartServer(const PairCommand& pair) override {
    std::vector<std::string> command = pair.start;
    command.insert(command.end(), pair.server.begin(), pair.server.end());
    return StartProgram(command);
  }
  std::string address() const override { return kLoopback; }
};

// The next line, as an object that holds no error.
absl::StatusOr<Json> ReadAnswer(LineChannel& channel, absl::Duration patience) {
  const absl::StatusOr<std::string> line = channel.Read(patience);
  if (!line.ok()) {
    return absl::Status(line.status().code(),
                        absl::StrCat("the other host's tideway-bench: ", line.status().message()));
  }
  Json answer = Json::parse(*line, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) return absl::InternalError("the other host answers what is no JSON");
  const auto error = answer.find("error");
  if (error == answer.end()) return answer;
  return absl::UnavailableError(
      absl::StrCat("on the other host: ", error->is_string() ? error->get<std::string>() : ""));
}

// A program on the other host; the connection is shared with its Host.
class RemoteProgram final : public Program {
 public:
  // `started`: the answer to its start.
  RemoteProgram(std::shared_ptr<LineChannel> channel, Json started)
      : channel_(std::move(channel)), started_(std::move(started)) {}
  ~RemoteProgram() override {
    if (channel_->Write("stop").ok()) (void)channel_->Read(kStopPatience);
  }

  absl::StatusOr<Json> Answer(absl::Duration patience) override {
    if (!started_.is_null()) return std::exchange(started_, nullptr);
    return ReadAnswer(*channel_, patience);
  }

  absl::StatusOr<Json> Ask(const std::string& line, absl::Duration patience) override {
    const absl::Status written = channel_->Write(line);
    if (!written.ok()) return written;
    return ReadAnswer(*channel_, patience);
  }

 private:
  const std::shared_ptr<LineChannel> channel_;
  Json started_;
};

class OtherHost final : public Host {
 public:
  OtherHost(std::shared_ptr<LineChannel> channel, std::string address, Json about)
      : channel_(std::move(channel)), address_(std::move(address)), about_(std::move(about)) {}

  absl::StatusOr<std::unique_ptr<Program>> StartServer(const PairCommand& pair) override {
    // Without its path: that is the other host's business.
    const Json what = {{"program", pair.program}, {"options", pair.server}};
    const absl::Status written = channel_->Write(absl::StrCat("start ", what.dump()));
    if (!written.ok()) return written;
    auto started = ReadAnswer(*channel_, kProgramPatience);
    if (!started.ok()) return started.status();
    return std::make_unique<RemoteProgram>(channel_, *std::move(started));
  }
  std::string address() const override { return address_; }
  Json about() const override { return about_; }

 private:
  const std::shared_ptr<LineChannel> channel_;
  const std::string address_;
  const Json about_;
};

absl::Status CheckHello(const Json& hello, absl::string_view uri) {
  if (hello.value("tideway_bench", Json()) != kSchema ||
      !hello.value("version", Json()).is_string()) {
    return absl::FailedPreconditionError(
        absl::StrCat("who answers at ", uri,
                     " is no tideway-bench that this one can speak with; "
                     "start tideway-bench --server of the same version there"));
  }
  const auto version = hello["version"].get<std::string>();
  if (version == tideway::kVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("tideway-bench at ", uri, " is of Tideway ",
                                                    version, " and this one of ", tideway::kVersion,
                                                    "; take the same version on both hosts"));
}

}  // namespace

std::unique_ptr<Host> LocalHost() { return std::make_unique<ThisHost>(); }

absl::StatusOr<std::unique_ptr<Host>> ConnectHost(absl::string_view uri) {
  const absl::StatusOr<tideway::Uri> where = ParseControlUri(uri);
  if (!where.ok()) return where.status();
  absl::StatusOr<int> socket = ConnectTcp(*where);
  if (!socket.ok()) {
    return absl::UnavailableError(absl::StrCat("can't reach tideway-bench at ", uri, ": ",
                                               socket.status().message(),
                                               "; start tideway-bench --server there"));
  }
  auto channel = std::make_shared<LineChannel>(*socket);
  const absl::StatusOr<std::string> line = channel->Read(kHelloPatience);
  const Json hello = Json::parse(line.ok() ? *line : "", nullptr, /*allow_exceptions=*/false);
  const absl::Status spoken = CheckHello(hello.is_object() ? hello : Json::object(), uri);
  if (!spoken.ok()) return spoken;
  return std::make_unique<OtherHost>(std::move(channel), where->host, hello);
}

}  // namespace bench
