// A real server under peers that send what they should not. Each is told why and closed; the well-behaved client beside it
// never notices.

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/wire/control.h"
#include "core/wire/frame.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"

namespace tideway {
namespace {

using ::testing::HasSubstr;
using ::tideway::testing::Cluster;
using ::tideway::testing::Peer;
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
    if (header.type == static_cast<uint8_t>(FrameType::kRefuse)) {
      refusal_ = wire::UnpackControl<wire::Refusal>(payload)->message();
    }
  }
  bool Welcomed() const { return session_ != 0 || closed_; }
  bool Ended() const { return closed_ || !refusal_.empty(); }

  mutable absl::Mutex mutex_;
  bool closed_ = false;
  uint64_t session_ = 0;
  std::string refusal_;
};

class HostilePeer : public ::testing::Test {
 protected:
  static constexpr size_t kElements = 64;

  HostilePeer()
      : layout_(*Layout::Create({{"w", {kElements}}})),
        cluster_(layout_, {.outer_optimizer = "sgd:lr=1", .scheduling = {.workers_to_begin = 99}},
                 std::vector<float>(kElements, 0.0f)),
        good_(cluster_, {.worker = "good"}),
        runtime_(tideway::testing::NewRuntime()) {}

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
          ->Connect(uri, tideway::testing::Soon(*runtime_), recorder_, std::move(done));
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
    EXPECT_THAT(recorder_->refusal(), HasSubstr(reason));
    connection_->Close(absl::CancelledError("test"));
  }

  Layout layout_;
  Cluster cluster_;
  Peer good_;
  std::unique_ptr<Runtime> runtime_;
  std::shared_ptr<Recorder> recorder_;
  std::shared_ptr<Connection> connection_;
};

TEST_F(HostilePeer, WhoSendsGarbageInsteadOfAHeaderIsToldThatTheMagicIsMissing) {
  Connect();
  SendBytes(Zeros(wire::kFrameHeaderBytes), {});
  ExpectRefusal("magic");
}

TEST_F(HostilePeer, WhoSendsATruncatedHeaderIsToldItsLength) {
  Connect();
  SendBytes(Zeros(40), {});
  ExpectRefusal("40 bytes instead of 96");
}

TEST_F(HostilePeer, WhoSpeaksAnotherVersionHearsBothVersions) {
  Connect();
  std::vector<std::byte> header(wire::kFrameHeaderBytes);
  wire::WriteHeader({.type = static_cast<uint8_t>(FrameType::kHello)}, absl::MakeSpan(header));
  header[4] = std::byte{7};
  SendBytes(std::move(header), {});
  ExpectRefusal("peer speaks wire version 7, this end speaks 1");
}

TEST_F(HostilePeer, WhoPushesBeforeTheHelloIsRefused) {
  Connect();
  SendFrame({.type = static_cast<uint8_t>(FrameType::kPush), .elements = kElements, .codec = 1},
            Zeros(kElements * 4));
  ExpectRefusal("before the hello");
}

TEST_F(HostilePeer, AHelloThatIsNoProtobufIsRefused) {
  Connect();
  SendFrame({.type = static_cast<uint8_t>(FrameType::kHello)},
            std::vector<std::byte>(100, std::byte{0xff}));
  ExpectRefusal("control message");
}

TEST_F(HostilePeer, AHelloWithAnotherModelIsRefusedWithBothSummaries) {
  Connect();
  wire::Hello hello = GoodHello();
  hello.set_layout_fingerprint(1);
  hello.set_layout_summary("3 tensors\x01\xff");
  SendHello(hello);
  ExpectRefusal("the client has 3 tensors??");
}

TEST_F(HostilePeer, AHelloWithAnUnknownCodecIsRefused) {
  Connect();
  wire::Hello hello = GoodHello();
  hello.set_codec_up("zip");
  SendHello(hello);
  ExpectRefusal("zip");
}

TEST_F(HostilePeer, AHelloWithMoreCodecsThanOneMayChooseFromIsRefused) {
  Connect();
  wire::Hello hello = GoodHello();
  for (size_t i = 0; i < kCodecsUpMax; ++i) hello.add_codecs_up_also("int8");
  SendHello(hello);
  ExpectRefusal("would push with 9 codecs");
}

TEST_F(HostilePeer, AHelloWithOneCodecTwiceIsRefused) {
  Connect();
  wire::Hello hello = GoodHello();
  hello.add_codecs_up_also("int8:block=64");
  hello.add_codecs_up_also("int8:block=256");
  SendHello(hello);
  ExpectRefusal("two codecs int8");
}

TEST_F(HostilePeer, APushInACodecThatTheHandshakeDidNotNameIsRefused) {
  Connect();
  wire::Hello hello = GoodHello();
  hello.add_codecs_up_also("bf16");
  SendHello(hello);
  ASSERT_TRUE(recorder_->WaitForWelcome());
  FrameHeader push = Push();
  push.codec = 3;
  SendFrame(push, Zeros(kElements));
  ExpectRefusal("identity or bf16");
}

TEST_F(HostilePeer, ASparseCodecForPullsIsRefused) {
  Connect();
  wire::Hello hello = GoodHello();
  hello.set_codec_down("topk:density=0.5");
  SendHello(hello);
  ExpectRefusal("can't carry parameters");
}

TEST_F(HostilePeer, AHelloWithAnUnprintableNameIsRefused) {
  Connect();
  wire::Hello hello = GoodHello();
  hello.set_worker("a\nb");
  SendHello(hello);
  ExpectRefusal("printable");
}

TEST_F(HostilePeer, AFrameOfAnotherSessionIsRefused) {
  Enter();
  FrameHeader push = Push();
  push.session ^= 1;
  SendFrame(push, Zeros(kElements * 4));
  ExpectRefusal("another session");
}

TEST_F(HostilePeer, APushOfAForeignFragmentIsRefused) {
  Enter();
  FrameHeader push = Push();
  push.fragment = 99;
  SendFrame(push, Zeros(kElements * 4));
  ExpectRefusal("fragment 99");
}

TEST_F(HostilePeer, APushOfTheWrongLengthIsRefused) {
  Enter();
  FrameHeader push = Push();
  push.elements = kElements + 1;
  SendFrame(push, Zeros(kElements * 4));
  ExpectRefusal("has 64 elements, not 65");
}

TEST_F(HostilePeer, APushWithAnotherCodecThanSettledIsRefused) {
  Enter();
  FrameHeader push = Push();
  push.codec = 3;
  SendFrame(push, Zeros(kElements));
  ExpectRefusal("the handshake settled identity");
}

TEST_F(HostilePeer, APayloadThatIsLongerThanAnyEncodingIsRefused) {
  Enter();
  SendFrame(Push(), Zeros(kElements * 4 + 1000000));
  ExpectRefusal("1000256 bytes");
}

TEST_F(HostilePeer, APayloadThatIsTooShortIsRefused) {
  Enter();
  SendFrame(Push(), Zeros(kElements * 4 - 4));
  ExpectRefusal("length");
}

TEST_F(HostilePeer, ADamagedPayloadIsRefused) {
  Enter();
  FrameHeader push = Push();
  push.payload_hash = 1;
  SendFrame(push, Zeros(kElements * 4), /*right_hash=*/false);
  ExpectRefusal("hash mismatch");
}

TEST_F(HostilePeer, AnUnhashedPushIsRefusedOverAConnectionThatIsNotWithinMemory) {
  Connect();
  wire::Hello hello = GoodHello();
  hello.set_unhashed(true);  // it would like to, and goes on as if the welcome had agreed
  SendHello(hello);
  ASSERT_TRUE(recorder_->WaitForWelcome());
  FrameHeader push = Push();
  push.flags = wire::kFlagUnhashed;
  SendFrame(push, Zeros(kElements * 4), /*right_hash=*/false);
  ExpectRefusal("must be hashed");
}

TEST_F(HostilePeer, ANanIsRefused) {
  Enter();
  SendFrame(Push(), std::vector<std::byte>(kElements * 4, std::byte{0xff}));
  ExpectRefusal("NaN");
}

TEST_F(HostilePeer, AnUnknownRequestIsRefused) {
  Enter();
  SendFrame({.type = static_cast<uint8_t>(FrameType::kRequest), .session = recorder_->session()},
            {});
  ExpectRefusal("unknown control request");
}

TEST_F(HostilePeer, WhoSendsServerFramesIsRefused) {
  Enter();
  SendFrame({.type = static_cast<uint8_t>(FrameType::kWelcome), .session = recorder_->session()},
            Zeros(8));
  ExpectRefusal("must not send a welcome");
}

TEST_F(HostilePeer, WhoAsksMoreThanMayBeUnderWayIsRefused) {
  Enter();
  // The run begins with a second worker that never comes: these questions stay open.
  wire::ControlRequest request;
  request.mutable_assignment()->set_cycle(0);
  std::vector<std::byte> payload(request.ByteSizeLong());
  request.SerializeToArray(payload.data(), static_cast<int>(payload.size()));
  for (int i = 0; i < 65; ++i) {
    SendFrame({.type = static_cast<uint8_t>(FrameType::kRequest), .session = recorder_->session()},
              payload);
  }
  ExpectRefusal("too many requests");
}

TEST_F(HostilePeer, RandomFramesNeverHarmTheServer) {
  const uint64_t seed = 20240901;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 200; ++i) {
    if (i % 4 == 0) {
      Enter();
    }
    FrameHeader header = Push();
    header.type = static_cast<uint8_t>(random() % 12);
    if (random() % 2 == 0) header.fragment = static_cast<uint32_t>(random() % 3);
    if (random() % 2 == 0) header.elements = static_cast<uint32_t>(random());
    if (random() % 2 == 0) header.sequence = random();
    if (random() % 4 == 0) header.session = random();
    header.flags = static_cast<uint16_t>(random() % 4);
    header.codec = static_cast<uint8_t>(random() % 6);
    std::vector<std::byte> payload(random() % 512);
    for (auto& byte : payload) byte = static_cast<std::byte>(random());
    // A push that happens to be right would count: make sure that it is not.
    if (header.type == static_cast<uint8_t>(FrameType::kPush)) payload.resize(payload.size() % 200);
    SendFrame(header, std::move(payload), random() % 8 != 0);
    if (i % 4 == 3) connection_->Close(absl::CancelledError("test"));
  }
}

}  // namespace
}  // namespace tideway
