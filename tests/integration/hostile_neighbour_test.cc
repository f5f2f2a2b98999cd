// Peers within the host's memory that misuse what only they may: pushes whose payload lies in shared memory.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/runtime/shared_block.h"
#include "tests/integration/hostile_peer.h"

namespace tideway::testing {
namespace {

class HostileNeighbour : public HostilePeer {
 protected:
  HostileNeighbour() : HostilePeer("ucx://127.0.0.1:0?tls=posix,sysv,cma") {}

  void EnterAsNeighbour() {
    Connect();
    wire::Hello hello = GoodHello();
    hello.set_unhashed(true);
    SendHello(hello);
    ASSERT_TRUE(recorder_->WaitForWelcome());
    ASSERT_NE(recorder_->session(), 0u) << recorder_->refusal();
  }

  // Has the server map `block` under `number`.
  void Share(const SharedDescriptor& block, uint32_t number) {
    wire::ControlRequest request;
    request.mutable_share()->set_number(number);
    request.mutable_share()->set_pid(block.pid);
    request.mutable_share()->set_file(block.file);
    request.mutable_share()->set_bytes(block.bytes);
    request.mutable_share()->set_nonce(block.nonce);
    std::vector<std::byte> payload(request.ByteSizeLong());
    request.SerializeToArray(payload.data(), static_cast<int>(payload.size()));
    SendFrame({.type = static_cast<uint8_t>(FrameType::kRequest),
               .session = recorder_->session(),
               .sequence = 1},
              std::move(payload));
  }

  void ShareAndWait(const SharedDescriptor& block) {
    Share(block, 0);
    ASSERT_TRUE(recorder_->WaitForReply());
  }

  void PushAt(const wire::SharedPlace& place) {
    FrameHeader push = Push();
    wire::SetShared(place, push);
    SendFrame(push, {}, /*right_hash=*/false);
  }
};

TEST_F(HostileNeighbour, APushInMemoryThatWasNeverSharedIsRefused) {
  EnterAsNeighbour();
  PushAt({});
  ExpectRefusal("of shared memory 0, which has 0");
}

TEST_F(HostileNeighbour, APushInMemoryOfANumberThatThereIsNotIsRefused) {
  EnterAsNeighbour();
  PushAt({.memory = UINT64_MAX});
  ExpectRefusal("which has 0");
}

TEST_F(HostileNeighbour, MemoryOfANumberThatThereIsNotIsRefused) {
  EnterAsNeighbour();
  Share({.bytes = kElements * sizeof(float)}, kSharedBlocksMax);
  ExpectRefusal("with a number below 8");
}

TEST_F(HostileNeighbour, MemoryThatIsLargerThanADeltaIsRefused) {
  EnterAsNeighbour();
  Share({.bytes = kElements * sizeof(float) + 4}, 0);
  ExpectRefusal("with 256 bytes");
}

TEST_F(HostileNeighbour, MemoryThatIsNoneIsNotMappedAndAPushInItIsRefused) {
  EnterAsNeighbour();
  ShareAndWait({.pid = 1, .file = 1, .bytes = kElements * sizeof(float), .nonce = 1});
  PushAt({});
  ExpectRefusal("which has 0");
}

TEST_F(HostileNeighbour, APushThatReachesBeyondTheSharedMemoryIsRefused) {
  const auto block = SharedBlock::Create(kElements * sizeof(float), 5);
  ASSERT_TRUE(block.ok()) << block.status();
  for (const uint64_t offset : {uint64_t{4}, uint64_t{kElements * 4}, UINT64_MAX - 3}) {
    EnterAsNeighbour();
    ShareAndWait((*block)->descriptor());
    PushAt({.offset = offset});
    ExpectRefusal("of shared memory 0, which has 256");
  }
}

TEST_F(HostileNeighbour, APushThatBeginsInMidFloatIsRefused) {
  const auto block = SharedBlock::Create(kElements * sizeof(float), 5);
  ASSERT_TRUE(block.ok()) << block.status();
  EnterAsNeighbour();
  ShareAndWait((*block)->descriptor());
  PushAt({.offset = 2});
  ExpectRefusal("at 2 of shared memory 0");
}

TEST_F(HostileNeighbour, ANaNInSharedMemoryIsFoundBeforeAnythingIsApplied) {
  const auto block = SharedBlock::Create(kElements * sizeof(float), 5);
  ASSERT_TRUE(block.ok()) << block.status();
  const float nan = std::nanf("");
  std::memcpy((*block)->span().data() + 80, &nan, sizeof(nan));
  EnterAsNeighbour();
  ShareAndWait((*block)->descriptor());
  PushAt({});
  ExpectRefusal("NaN");
}

TEST_F(HostileNeighbour, APushThatIsBothInSharedMemoryAndInTheMessageIsRefused) {
  EnterAsNeighbour();
  FrameHeader push = Push();
  wire::SetShared({}, push);
  SendFrame(push, Zeros(kElements * 4), /*right_hash=*/false);
  ExpectRefusal("can't have its payload in shared memory");
}

}  // namespace
}  // namespace tideway::testing
