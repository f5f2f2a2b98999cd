#include "bench/driver/pair.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/driver/host.h"
#include "bench/driver/program.h"

namespace bench {
namespace {

using Json = nlohmann::json;

// Values of an answer, or an error that names the one that is missing.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {}

  template <typename T>
  T Get(const char* name) {
    const auto it = json_.find(name);
    if (it != json_.end()) {
      if constexpr (std::is_same_v<T, bool>) {
        if (it->is_boolean()) return it->get<T>();
      } else if constexpr (std::is_same_v<T, std::string>) {
        if (it->is_string()) return it->get<T>();
      } else {
        if (it->is_number()) return it->get<T>();
      }
    }
    if (status_.ok()) {
      status_ = absl::InternalError(
          absl::StrCat("a program's answer has no ", name, ": ", json_.dump().substr(0, 200)));
    }
    return T{};
  }

  Histogram GetHistogram(const char* name) {
    Histogram histogram;
    const auto it = json_.find(name);
    bool good = it != json_.end() && it->is_array();
    for (size_t i = 0; good && i < it->size(); ++i) {
      const Json& pair = (*it)[i];
      good = pair.is_array() && pair.size() == 2 && pair[0].is_number_unsigned() &&
             pair[1].is_number_unsigned() &&
             histogram.Add(pair[0].get<size_t>(), pair[1].get<uint64_t>());
    }
    if (!good && status_.ok()) {
      status_ = absl::InternalError(absl::StrCat("a program's answer has no ", name));
    }
    return histogram;
  }

  TrainTimes GetTrain(const Json& json) {
    Fields train(json);
    TrainTimes times = {.alone_s = train.Get<double>("alone"),
                        .with_s = train.Get<double>("with"),
                        .computing_s = train.Get<double>("computing"),
                        .waiting_s = train.Get<double>("waiting"),
                        .exchange_s = train.Get<double>("exchange"),
                        .compute_cpu_s = train.Get<double>("compute_cpu"),
                        .alone_cpu_s = train.Get<double>("alone_cpu"),
                        .computing_cpu_s = train.Get<double>("computing_cpu"),
                        .exchanges = train.GetHistogram("exchange_ns")};
    status_.Update(train.status());
    return times;
  }

  const absl::Status& status() const { return status_; }

 private:
  const Json& json_;
  absl::Status status_;
};

template <typename T>
absl::StatusOr<T> GetField(const absl::StatusOr<Json>& answer, const char* name) {
  if (!answer.ok()) return answer.status();
  Fields fields(*answer);
  T value = fields.Get<T>(name);
  if (!fields.status().ok()) return fields.status();
  return value;
}

class Pair {
 public:
  absl::Status Start(const PairCommand& command, Host& host) {
    stages_ = command.stages;
    std::vector<std::string> client = command.start;
    client.insert(client.end(), command.client.begin(), command.client.end());
    if (!command.server.empty()) {
      auto server = host.StartServer(command);
      if (!server.ok()) return server.status();
      server_ = *std::move(server);
      const auto address = GetField<std::string>(server_->Answer(kProgramPatience), "address");
      if (!address.ok()) return address.status();
      client.push_back(command.address_flag + *address);
    }
    auto started = StartProgram(client);
    if (!started.ok()) return started.status();
    client_ = *std::move(started);
    return GetField<bool>(client_->Answer(kProgramPatience), "ready").status();
  }

  absl::StatusOr<Measured> Run(absl::Duration duration) {
    const absl::StatusOr<double> before = ServerCpu();
    if (!before.ok()) return before.status();
    const absl::StatusOr<Json> answer = client_->Ask(
        absl::StrCat("go ", absl::ToDoubleSeconds(duration)), duration + kProgramPatience);
    if (!answer.ok()) return answer.status();
    const absl::StatusOr<double> after = ServerCpu();
    if (!after.ok()) return after.status();

    Fields fields(*answer);
    Measured measured = {.latencies = fields.GetHistogram("histogram_ns"),
                         .bytes = fields.Get<uint64_t>("bytes"),
                         .seconds = fields.Get<double>("seconds"),
                         .client_cpu_s = fields.Get<double>("cpu_s"),
                         .server_cpu_s = *after - *before};
    if (answer->contains("beside_ns")) measured.small_pushes = fields.GetHistogram("beside_ns");
    if (answer->contains("train")) measured.train = fields.GetTrain((*answer)["train"]);
    const auto pushes = fields.Get<uint64_t>("pushes");
    const bool client_verified = fields.Get<bool>("verified");
    if (!fields.status().ok()) return fields.status();
    const absl::Status verified = Verify(client_verified, pushes);
    if (!verified.ok()) return verified;
    if (!stages_) return measured;
    auto fragments = Stages();
    if (!fragments.ok()) return fragments.status();
    measured.fragments = *std::move(fragments);
    return measured;
  }

 private:
  absl::StatusOr<double> ServerCpu() {
    if (server_ == nullptr) return 0.0;
    return GetField<double>(server_->Ask("cpu", kProgramPatience), "cpu_s");
  }

  absl::StatusOr<std::vector<FragmentTimes>> Stages() {
    const absl::StatusOr<Json> client = client_->Ask("stages", kProgramPatience);
    if (!client.ok()) return client.status();
    if (server_ == nullptr) return JoinStages(*client, *client);
    const absl::StatusOr<Json> server = server_->Ask("stages", kProgramPatience);
    if (!server.ok()) return server.status();
    return JoinStages(*client, *server);
  }

  absl::Status Verify(bool client_verified, uint64_t pushes) {
    if (client_verified && server_ != nullptr) {
      const auto verified = GetField<bool>(
          server_->Ask(absl::StrCat("verify ", pushes), kProgramPatience), "verified");
      if (!verified.ok()) return verified.status();
      if (*verified) return absl::OkStatus();
    } else if (client_verified) {
      return absl::OkStatus();
    }
    return absl::DataLossError(absl::StrCat(
        "wrong data at the ", client_verified ? "server" : "client", " after ", pushes, " pushes"));
  }

  bool stages_ = false;
  std::unique_ptr<Program> server_;  // ends after the client, which would complain
  std::unique_ptr<Program> client_;
};

}  // namespace

absl::StatusOr<Measured> MeasurePair(const PairCommand& command, Host& host,
                                     absl::Duration duration) {
  Pair pair;
  const absl::Status started = pair.Start(command, host);
  if (!started.ok()) return started;
  return pair.Run(duration);
}

}  // namespace bench
