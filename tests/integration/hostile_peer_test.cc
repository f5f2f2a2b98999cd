// Peers over a network that send what they should not.

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/integration/hostile_peer.h"

namespace tideway::testing {
namespace {

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

TEST_F(HostilePeer, APushInSharedMemoryIsRefusedOverAConnectionThatIsNotWithinMemory) {
  Enter();
  FrameHeader push = Push();
  wire::SetShared({}, push);
  SendFrame(push, {}, /*right_hash=*/false);
  ExpectRefusal("must be hashed");
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
}  // namespace tideway::testing
