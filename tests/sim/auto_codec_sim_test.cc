// codec_up "auto" over links whose speed is known, in virtual time: encoding takes none, so that the link alone decides.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
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

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr size_t kElements = 20000;
constexpr float kValue = 127.0f;
constexpr char kUri[] = "sim://server:5000";

class AutoCodec : public ::testing::Test {
 protected:
  void TearDown() override {
    client_->Close();
    executor_.RunFor(absl::Minutes(2));
    client_.reset();
    server_->Stop();
    executor_.RunFor(absl::Seconds(10));
    server_.reset();
  }

  void Start(const SimLink& link, std::vector<std::string> codecs_up) {
    network_.SetLink("worker", "server", link);
    auto server =
        Server::Start(server_runtime_.get(), {.listen = {kUri}, .outer_optimizer = "sgd:lr=1"},
                      layout_, std::vector<float>(kElements, 0.0f));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    auto client = Client::Create(
        client_runtime_.get(),
        {.servers = {kUri}, .worker = "w", .codec_up = "auto", .codecs_up = std::move(codecs_up)},
        layout_);
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
    client_->Join(Later(), Kept());
    Await();
    ASSERT_TRUE(status_->ok()) << *status_;
  }

  // One push after the other. Int8's scale for 127 is 1, so that each codec here sends it exactly.
  void Push(int pushes) {
    const std::vector<float> delta(kElements, kValue);
    for (int i = 0; i < pushes; ++i) {
      client_->Push(delta, {.inner_steps = 1}, Later(),
                    [kept = Kept()](const absl::StatusOr<PushReport>& report) mutable {
                      kept(report.status());
                    });
      Await();
      ASSERT_TRUE(status_->ok()) << *status_;
    }
    pushed_ += pushes;
  }

  std::string CodecUp() const { return client_->connections()[0].details.at("codec_up"); }

  void ExpectTheExactSum() {
    std::vector<float> parameters(kElements);
    client_->Pull(absl::MakeSpan(parameters), {}, Later(),
                  [kept = Kept()](const absl::StatusOr<PullReport>& report) mutable {
                    kept(report.status());
                  });
    Await();
    ASSERT_TRUE(status_->ok()) << *status_;
    EXPECT_THAT(parameters, ::testing::Each(static_cast<float>(-pushed_) * kValue));
  }

 private:
  absl::Time Later() { return executor_.Now() + absl::Hours(1); }
  absl::AnyInvocable<void(absl::Status)> Kept() {
    status_.reset();
    return [this](absl::Status status) { status_ = std::move(status); };
  }
  void Await() {
    ASSERT_TRUE(executor_.RunUntilTrue([this] { return status_.has_value(); }, Later()));
  }
  std::unique_ptr<Runtime> NewRuntime(const std::string& host) {
    return testing::NewSimRuntime(&executor_, SimTransportEntry(&network_, host));
  }

  SimExecutor executor_{1};
  SimNetwork network_{1};
  const Layout layout_ =
      *Layout::Create({{"w", {static_cast<int64_t>(kElements)}}}, {.fragment_bytes_max = 16384});
  std::unique_ptr<Runtime> server_runtime_ = NewRuntime("server");
  std::unique_ptr<Runtime> client_runtime_ = NewRuntime("worker");
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
  std::optional<absl::Status> status_;
  int pushed_ = 0;
};

TEST_F(AutoCodec, OverASlowLinkTheCodecOfFewestBytesIsChosen) {
  Start({.bytes_per_second = 1e6}, {"bf16", "int8"});
  Push(12);
  EXPECT_THAT(CodecUp(), StartsWith("int8:block=256: the quickest (identity "));
  ExpectTheExactSum();
}

TEST_F(AutoCodec, WhereBytesCostNothingItStaysWithIdentity) {
  Start({.latency = absl::Milliseconds(1), .bytes_per_second = 1e15}, {"bf16", "int8"});
  Push(12);
  EXPECT_THAT(CodecUp(), StartsWith("identity: none was clearly quicker (identity "));
  ExpectTheExactSum();
}

TEST_F(AutoCodec, SaysThatItIsTryingUntilAllHaveBeenTried) {
  Start({.bytes_per_second = 1e6}, {"int8"});
  EXPECT_THAT(CodecUp(), StartsWith("trying (identity not measured, "));
  Push(2);
  EXPECT_THAT(CodecUp(), HasSubstr("int8:block=256 not measured"));
  ExpectTheExactSum();
}

}  // namespace
}  // namespace tideway
