// Faults of one-sided reads.

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/fault/wrapped.h"
#include "tideway/limits.h"

namespace tideway::testing {
namespace {

// A read of the server's memory by the client, over inproc.
struct OneRead {
  OneRead(Wrapped& wrapped, const std::string& memory) : got(memory.size(), '?') {
    exposed = *wrapped.to_clients[0]->one_sided()->Expose(Peer::Bytes(memory));
    completion = wrapped.world().NewCompletion();
  }
  void Begin(Wrapped& wrapped, absl::Duration timeout = kPatience) {
    Calling([&] {
      wrapped.to_servers[0]->one_sided()->Read(
          exposed->descriptor(), 0,
          absl::MakeSpan(reinterpret_cast<std::byte*>(got.data()), got.size()),
          wrapped.world().Soon(timeout),
          wrapped.world().Watched(completion, wrapped.world().client_rule()));
    });
  }
  std::string got;
  std::shared_ptr<ExposedMemory> exposed;
  std::shared_ptr<Completion> completion;
};

TEST(FaultyReads, ACorruptReadDiffersInOneBitAndTheExposedMemoryDoesNot) {
  Wrapped wrapped("inproc");
  ASSERT_TRUE(wrapped.Connect().ok());
  const std::string memory(5000, 'm');
  OneRead damaged(wrapped, memory), sound(wrapped, memory);
  wrapped.control.StrikeNext(FaultKind::kCorruptRead);
  damaged.Begin(wrapped);
  EXPECT_TRUE(wrapped.StatusOf(damaged.completion).ok());
  EXPECT_EQ(BitsThatDiffer(damaged.got, std::string(5000, 'm')), 1);
  EXPECT_EQ(memory, std::string(5000, 'm'));
  sound.Begin(wrapped);
  EXPECT_TRUE(wrapped.StatusOf(sound.completion).ok());
  EXPECT_TRUE(sound.got == memory);
}

TEST(FaultyReads, AStalledReadWaitsForResumeOrFailsAtItsDeadline) {
  Wrapped wrapped("inproc", {}, /*in_virtual_time=*/true);
  ASSERT_TRUE(wrapped.Connect().ok());
  const std::string memory(5000, 'm');
  OneRead resumed(wrapped, memory), late(wrapped, memory);
  wrapped.control.Stall();
  resumed.Begin(wrapped);
  wrapped.world().sim()->RunFor(absl::Seconds(30));
  EXPECT_EQ(resumed.completion->fired, 0);
  wrapped.control.Resume();
  EXPECT_TRUE(wrapped.StatusOf(resumed.completion).ok());
  EXPECT_TRUE(resumed.got == memory);
  wrapped.control.Stall();
  late.Begin(wrapped, absl::Seconds(5));
  EXPECT_TRUE(absl::IsDeadlineExceeded(wrapped.StatusOf(late.completion)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(wrapped.AwaitClosed(*wrapped.clients[0])));
  EXPECT_EQ(late.got, std::string(5000, '?'));
}

TEST(FaultyReads, AKillFailsReadsThatAreHeldUp) {
  Wrapped wrapped("inproc");
  ASSERT_TRUE(wrapped.Connect().ok());
  const std::string memory(5000, 'm');
  OneRead read(wrapped, memory);
  wrapped.control.Stall();
  read.Begin(wrapped);
  wrapped.control.KillAll();
  EXPECT_TRUE(absl::IsUnavailable(wrapped.StatusOf(read.completion))) << read.completion->status;
  EXPECT_TRUE(absl::IsUnavailable(wrapped.AwaitClosed(*wrapped.clients[0])));
}

TEST(FaultyReads, ReadsThatAreHeldUpAreBounded) {
  Wrapped wrapped("inproc", {}, /*in_virtual_time=*/true);
  ASSERT_TRUE(wrapped.Connect().ok());
  const std::string memory(16, 'm');
  wrapped.control.Stall();
  std::vector<std::unique_ptr<OneRead>> reads;
  for (size_t i = 0; i < kReadsInFlightMax + 1; ++i) {
    reads.push_back(std::make_unique<OneRead>(wrapped, memory));
    reads.back()->Begin(wrapped);
  }
  EXPECT_TRUE(absl::IsResourceExhausted(wrapped.StatusOf(reads.back()->completion)));
  wrapped.control.Resume();
  EXPECT_TRUE(wrapped.StatusOf(reads.front()->completion).ok());
  wrapped.world().ExpectAllFired();
}

}  // namespace
}  // namespace tideway::testing
