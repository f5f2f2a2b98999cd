// A real server under peers that send what they should not. Each is told why and closed; the well-behaved client beside it
// never notices.

#ifndef TIDEWAY_TESTS_INTEGRATION_HOSTILE_PEER_H_
#define TIDEWAY_TESTS_INTEGRATION_HOSTILE_PEER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/wire/control.h"
#include "core/wire/frame.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"

namespace tideway::testing {

using wire::FrameHeader;
using wire::FrameType;

// Collects what the server says to the hostile end.
class Recorder final : public Receiver {
 public:
  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header, size_t bytes) override {
    auto read = wire::ReadHeader(header, bytes);
    if (!read.ok()) return read.status();
    auto payload = std::make_shared<std::vector<std::byte>>(bytes);
    return Landing{absl::MakeSpan(*payload), [this, payload, read = *read](absl::Status status) {
                     if (status.ok()) Record(read, *payload);
                   }};
  }
  void OnClosed(const absl::Status&) override {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }

  bool WaitForWelcome() {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(this, &Recorder::Welcomed), absl::Seconds(30));
  }
  bool WaitForRefusalOrClose() {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(this, &Recorder::Ended), absl::Seconds(30));
  }
  bool WaitForReply() {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&replied_), absl::Seconds(30));
  }
  uint64_t session() const { return session_; }
  std::string refusal() const {
    absl::MutexLock lock(&mutex_);
    return refusal_;
  }

 private:
  void Record(const FrameHeader& header, const std::vector<std::byte>& payload) {
    absl::MutexLock lock(&mutex_);
    if (header.type == static_cast<uint8_t>(FrameType::kWelcome)) {
      session_ = wire::UnpackControl<wire::Welcome>(payload)->session();
    }
    if (header.type == static_cast<uint8_t>(FrameType::kReply)) replied_ = true;
    if (header.type == static_cast<uint8_t>(FrameType::kRefuse)) {
      refusal_ = wire::UnpackControl<wire::Refusal>(payload)->message();
    }
  }
  bool Welcomed() const { return session_ != 0 || closed_; }
  bool Ended() const { return closed_ || !refusal_.empty(); }

  mutable absl::Mutex mutex_;
  bool closed_ = false;
  bool replied_ = false;
  uint64_t session_ = 0;
  std::string refusal_;
};

class HostilePeer : public ::testing::Test {
 protected:
  static constexpr size_t kElements = 64;

  explicit HostilePeer(const std::string& listen = "tcp://127.0.0.1:0")
      : layout_(*Layout::Create({{"w", {kElements}}})),
        cluster_(layout_,
                 {.listen = {listen},
                  .outer_optimizer = "sgd:lr=1",
                  .scheduling = {.workers_to_begin = 99}},
                 std::vector<float>(kElements, 0.0f)),
        good_(cluster_, {.worker = "good"}),
        runtime_(NewRuntime()) {}

  void SetUp() override { ASSERT_TRUE(good_.Join().ok()); }

  void TearDown() override {
    auto report = good_.Push(std::vector<float>(kElements, 1.0f));
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(cluster_.Parameters(), std::vector<float>(kElements, -1.0f))
        << "only the good client's push counts";
  }

  void Connect() {
    recorder_ = std::make_shared<Recorder>();
    auto uri = *Uri::Parse(cluster_.uris[0]);
    auto connection = AwaitResult<std::shared_ptr<Connection>>([&](auto done) {
      (*runtime_->TransportFor(uri.scheme))
          ->Connect(uri, Soon(*runtime_), recorder_, std::move(done));
    });
    ASSERT_TRUE(connection.ok()) << connection.status();
    connection_ = *std::move(connection);
  }

  wire::Hello GoodHello() const {
    wire::Hello hello;
    hello.set_protocol_version(wire::kVersion);
    hello.set_worker("bad");
    hello.set_incarnation(1234);
    hello.set_layout_fingerprint(layout_.fingerprint());
    hello.set_servers(1);
    hello.set_codec_up("identity");
    hello.set_codec_down("identity");
    hello.set_bytes_in_flight_max(1 << 20);
    return hello;
  }

  void SendBytes(std::vector<std::byte> header, std::vector<std::byte> payload) {
    auto keep = std::make_shared<std::pair<std::vector<std::byte>, std::vector<std::byte>>>(
        std::move(header), std::move(payload));
    Message message{keep->first, {}};
    if (!keep->second.empty()) message.payload.push_back(keep->second);
    connection_->Send(std::move(message), absl::InfiniteFuture(), [keep](absl::Status) {});
  }

  void SendFrame(FrameHeader header, std::vector<std::byte> payload, bool right_hash = true) {
    header.payload_bytes = static_cast<uint32_t>(payload.size());
    if (right_hash) header.payload_hash = wire::HashPayload(payload);
    std::vector<std::byte> bytes(wire::kFrameHeaderBytes);
    wire::WriteHeader(header, absl::MakeSpan(bytes));
    SendBytes(std::move(bytes), std::move(payload));
  }

  void SendHello(const wire::Hello& hello) {
    std::vector<std::byte> payload(hello.ByteSizeLong());
    hello.SerializeToArray(payload.data(), static_cast<int>(payload.size()));
    SendFrame({.type = static_cast<uint8_t>(FrameType::kHello)}, std::move(payload));
  }

  // Connects and shakes hands like an honest worker.
  void Enter() {
    Connect();
    SendHello(GoodHello());
    ASSERT_TRUE(recorder_->WaitForWelcome());
    ASSERT_NE(recorder_->session(), 0u) << recorder_->refusal();
  }

  FrameHeader Push() const {
    return {.type = static_cast<uint8_t>(FrameType::kPush),
            .session = recorder_->session(),
            .sequence = 1,
            .fragment = 0,
            .elements = kElements,
            .codec = kIdentityWireId};
  }
  static std::vector<std::byte> Zeros(size_t bytes) { return std::vector<std::byte>(bytes); }

  void ExpectRefusal(const std::string& reason) {
    ASSERT_TRUE(recorder_->WaitForRefusalOrClose()) << "the server did not react";
    EXPECT_THAT(recorder_->refusal(), ::testing::HasSubstr(reason));
    connection_->Close(absl::CancelledError("test"));
  }

  Layout layout_;
  Cluster cluster_;
  Peer good_;
  std::unique_ptr<Runtime> runtime_;
  std::shared_ptr<Recorder> recorder_;
  std::shared_ptr<Connection> connection_;
};

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_INTEGRATION_HOSTILE_PEER_H_
