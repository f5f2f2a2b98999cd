// The times of a push's stages over a link whose speed is known, in virtual time: what each end tells is exactly what the link takes.

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sim/sim_runtime.h"
#include "tideway/client.h"
#include "tideway/runtime.h"
#include "tideway/server.h"
#include "tideway/sim_executor.h"
#include "tideway/sim_network.h"

namespace tideway {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr size_t kElements = 12288;  // three fragments
constexpr size_t kFragmentBytes = 16384;
constexpr char kUri[] = "sim://server:5000";
constexpr absl::Duration kLatency = absl::Milliseconds(10);

class PushTimes : public ::testing::Test {
 protected:
  void TearDown() override {
    client_->Close();
    executor_.RunFor(absl::Minutes(2));
    client_.reset();
    server_->Stop();
    executor_.RunFor(absl::Seconds(10));
    server_.reset();
  }

  void Start(const std::string& codec, bool ask) {
    network_.SetLink("worker", "server", {.latency = kLatency, .bytes_per_second = 1e6});
    ServerOptions server_options = {.listen = {kUri}, .outer_optimizer = "sgd:lr=1"};
    ClientOptions client_options = {.servers = {kUri}, .worker = "w", .codec_up = codec};
    if (ask) {
      server_options.on_push_times = [this](const ServerPushTimes& times) {
        EXPECT_TRUE(at_server_.emplace(times.sequence, times).second);
      };
      client_options.on_push_times = [this](const ClientPushTimes& times) {
        at_client_.push_back(times);
      };
    }
    auto server = Server::Start(server_runtime_.get(), std::move(server_options), layout_,
                                std::vector<float>(kElements, 0.0f));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    auto client = Client::Create(client_runtime_.get(), std::move(client_options), layout_);
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
    client_->Join(Later(), Kept());
    Await();
  }

  void Push() {
    const std::vector<float> delta(kElements, 1.0f);
    client_->Push(delta, {.inner_steps = 1}, Later(),
                  [kept = Kept()](const absl::StatusOr<PushReport>& report) mutable {
                    kept(report.status());
                  });
    Await();
  }

  absl::Time Now() const { return executor_.Now(); }

  std::map<uint64_t, ServerPushTimes> at_server_;  // by sequence
  std::vector<ClientPushTimes> at_client_;

 private:
  absl::Time Later() { return executor_.Now() + absl::Hours(1); }
  absl::AnyInvocable<void(absl::Status)> Kept() {
    status_.reset();
    return [this](absl::Status status) { status_ = std::move(status); };
  }
  void Await() {
    ASSERT_TRUE(executor_.RunUntilTrue([this] { return status_.has_value(); }, Later()));
    ASSERT_TRUE(status_->ok()) << *status_;
  }
  std::unique_ptr<Runtime> NewRuntime(const std::string& host) {
    return testing::NewSimRuntime(&executor_, SimTransportEntry(&network_, host));
  }

  SimExecutor executor_{1};
  SimNetwork network_{1};
  const Layout layout_ = *Layout::Create({{"w", {static_cast<int64_t>(kElements)}}},
                                         {.fragment_bytes_max = kFragmentBytes});
  std::unique_ptr<Runtime> server_runtime_ = NewRuntime("server");
  std::unique_ptr<Runtime> client_runtime_ = NewRuntime("worker");
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
  std::optional<absl::Status> status_;
};

TEST_F(PushTimes, BothEndsTellEveryStageOfEveryFragmentInOrder) {
  Start("int8", /*ask=*/true);
  const absl::Time before = Now();
  Push();
  ASSERT_THAT(at_client_, SizeIs(3));
  ASSERT_THAT(at_server_, SizeIs(3));
  for (const ClientPushTimes& client : at_client_) {
    ASSERT_TRUE(at_server_.contains(client.sequence));
    const ServerPushTimes& server = at_server_[client.sequence];
    EXPECT_EQ(server.fragment, client.fragment);
    EXPECT_GT(client.bytes, kFragmentBytes / 4);
    EXPECT_LT(client.bytes, kFragmentBytes / 3);
    EXPECT_EQ(client.begun, before);
    EXPECT_LE(client.begun, client.encode_begun);
    EXPECT_LE(client.encode_begun, client.encoded);
    EXPECT_GE(server.arrived - client.encoded, kLatency);
    EXPECT_LE(server.arrived, server.landed);
    EXPECT_LE(server.landed, server.apply_begun);
    EXPECT_LE(server.apply_begun, server.decoded);
    EXPECT_LE(server.decoded, server.stepped);
    EXPECT_GE(client.acknowledged - server.stepped, kLatency);
    EXPECT_LT(client.acknowledged - server.stepped, 2 * kLatency);
  }
  // One byte takes a microsecond, and the fragments share the link.
  const absl::Duration all = at_client_.back().acknowledged - before;
  EXPECT_GE(all, absl::Microseconds(3 * kFragmentBytes / 4) + 2 * kLatency);
}

TEST_F(PushTimes, OfASparseDeltaDecodingIsAdding) {
  Start("topk:density=0.01", /*ask=*/true);
  Push();
  ASSERT_THAT(at_server_, SizeIs(3));
  for (const auto& [sequence, times] : at_server_) {
    EXPECT_EQ(times.decoded, times.stepped);
    EXPECT_GT(times.decoded, times.arrived);
  }
}

TEST_F(PushTimes, WhoDoesNotAskIsToldNothing) {
  Start("identity", /*ask=*/false);
  Push();
  EXPECT_THAT(at_client_, IsEmpty());
  EXPECT_THAT(at_server_, IsEmpty());
}

}  // namespace
}  // namespace tideway
