// A client against a FakeServer in virtual time: 16 parameters in two tensors, cut into 4 fragments of 4 floats.

#ifndef TIDEWAY_TESTS_CLIENT_FIXTURE_H_
#define TIDEWAY_TESTS_CLIENT_FIXTURE_H_

#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tideway/builtin_codecs.h"
#include "tideway/client.h"
#include "tideway/runtime.h"
#include "tideway/sim_executor.h"

namespace tideway::testing {

inline Layout SixteenFloats() {
  return *Layout::Create({{"first", {8}}, {"second", {2, 4}}}, {.fragment_bytes_max = 16});
}

inline std::vector<float> Counting(size_t elements, float begin = 1.0f) {
  std::vector<float> values(elements);
  std::iota(values.begin(), values.end(), begin);
  return values;
}

class ClientTest : public ::testing::Test {
 protected:
  explicit ClientTest(uint64_t seed = 1, const Layout& layout = SixteenFloats())
      : executor(seed), server(&executor, layout) {}

  // A client that is closed as the simulation demands: the executor runs until nothing of it is left.
  ~ClientTest() override { Drop(); }

  void Drop() {
    if (client == nullptr) return;
    client->Close();
    executor.RunFor(absl::Seconds(30));
    client.reset();
  }

  Client& Create(ClientOptions options = {}) {
    options.servers = {"fake://server"};
    if (options.worker.empty()) options.worker = "anna";
    auto made = Client::Create(&runtime(), std::move(options), server.layout);
    EXPECT_TRUE(made.ok()) << made.status();
    client = *std::move(made);
    return *client;
  }

  Client& CreateAndJoin(ClientOptions options = {}) {
    Create(std::move(options));
    EXPECT_TRUE(Join().ok());
    return *client;
  }

  Runtime& runtime() {
    if (runtime_ == nullptr) {
      RuntimeOptions options;
      EXPECT_TRUE(options.transports.Add(server.Entry()).ok());
      options.codecs = BuiltinCodecs();
      options.executor = &executor;
      options.log = [this](LogLevel level, absl::string_view text) {
        if (level >= LogLevel::kWarning) warnings.emplace_back(text);
      };
      runtime_ = std::make_unique<Runtime>(std::move(options));
    }
    return *runtime_;
  }

  absl::Time In(absl::Duration span) { return executor.Now() + span; }

  // Runs until `result` has come. A test whose result never comes fails here, not by hanging.
  template <typename T>
  T Wait(std::optional<T>& result) {
    const bool came =
        executor.RunUntilTrue([&] { return result.has_value(); }, executor.Now() + absl::Hours(1));
    EXPECT_TRUE(came) << "no completion within an hour of virtual time";
    if (!came) return T(absl::UnknownError("no completion"));
    return *std::exchange(result, std::nullopt);
  }

  absl::Status Join(absl::Duration timeout = absl::Seconds(30)) {
    std::optional<absl::Status> joined;
    client->Join(In(timeout), [&](absl::Status status) { joined = status; });
    EXPECT_FALSE(joined.has_value()) << "a completion ran inside the call";
    return Wait(joined);
  }

  absl::StatusOr<PushReport> Push(const std::vector<float>& delta,
                                  absl::Duration timeout = absl::Minutes(5)) {
    std::optional<absl::StatusOr<PushReport>> result;
    client->Push(delta, {.inner_steps = 7}, In(timeout),
                 [&](absl::StatusOr<PushReport> report) { result = std::move(report); });
    return Wait(result);
  }

  absl::StatusOr<PullReport> Pull(std::vector<float>& destination,
                                  absl::Duration timeout = absl::Minutes(5), uint64_t window = 0) {
    destination.resize(server.layout.elements());
    std::optional<absl::StatusOr<PullReport>> result;
    client->Pull(absl::MakeSpan(destination), {.window = window}, In(timeout),
                 [&](absl::StatusOr<PullReport> report) { result = std::move(report); });
    return Wait(result);
  }

  SimExecutor executor;
  FakeServer server;
  std::vector<std::string> warnings;

 private:
  std::unique_ptr<Runtime> runtime_;

 protected:
  std::unique_ptr<Client> client;
};

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_CLIENT_FIXTURE_H_
