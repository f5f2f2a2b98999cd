// What bounds a sender: the reader's pace, the queue's limits, deadlines.

#include <atomic>
#include <string>
#include <utility>

#include "tests/conformance/transport_fixture.h"

namespace tideway::testing {
namespace {

TEST_P(Transports, ASlowReaderStallsTheSenderWithoutGrowth) {
  Gate gate(*world_);
  Pair pair = Connected([&](Peer&, Peer& server) {
    server.keep = false;
    server.on_message = [&gate](const std::string& header, size_t) {
      if (header == "first") gate.Wait();
      return absl::OkStatus();
    };
  });
  pair.client->Send(*pair.to_server, "first", "", world_->Soon());
  gate.AwaitEntered();
  const std::string payload = Pattern(4 << 20, 6);  // one buffer for all of them
  std::atomic<size_t> ok = 0;
  std::atomic<size_t> completions_left = 0;
  size_t accepted = 0;
  const size_t enough = 2 * kSendQueueBytesMax / payload.size();
  for (size_t i = 0; i < enough; ++i) {
    Message message;
    message.payload.push_back(Peer::Bytes(payload));
    auto sent = world_->NewCompletion();
    ++completions_left;
    Calling([&] {
      pair.to_server->Send(
          message, absl::InfiniteFuture(),
          world_->Watched(sent, world_->client_rule(), [&](const absl::Status& status) {
            EXPECT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status;
            ok += status.ok();
            --completions_left;
          }));
    });
    ++accepted;
  }
  gate.Open();
  ASSERT_TRUE(world_->Await(
      [&] { return pair.server->received_count >= ok + 1 && ok > 0 && completions_left == 0; }));
  // What was taken fits into the queue and the few MiB that a kernel buffers; and some was refused.
  EXPECT_LT(ok * payload.size(), kSendQueueBytesMax + (64u << 20));
  EXPECT_GE((ok + 1) * payload.size(), kSendQueueBytesMax);
  EXPECT_LT(ok, accepted);
  pair.client->Send(*pair.to_server, "last", "", world_->Soon());
  EXPECT_TRUE(AwaitReceived(*pair.server, ok + 2)) << "the connection was harmed";
  world_->ExpectAllFired();
}

TEST_P(Transports, TheSendQueueIsBoundedInMessagesToo) {
  Gate gate(*world_);
  Pair pair = Connected([&](Peer&, Peer& server) {
    server.keep = false;
    server.on_message = [&gate](const std::string& header, size_t) {
      if (header == "first") gate.Wait();
      return absl::OkStatus();
    };
  });
  pair.client->Send(*pair.to_server, "first", "", world_->Soon());
  gate.AwaitEntered();
  const std::string large(32 << 20, 'x');  // fills what the kernel buffers
  pair.client->Send(*pair.to_server, "large", large, absl::InfiniteFuture());
  // The same where small messages overtake large ones.
  const size_t fillers = provider_.params.contains("streams") ? 160 : 0;
  const std::string filler(size_t{200} << 10, 'x');
  for (size_t i = 0; i < fillers; ++i) {
    pair.client->Send(*pair.to_server, "filler", filler, absl::InfiniteFuture());
  }
  std::atomic<size_t> refused = 0;
  for (size_t i = 0; i < kSendQueueMessagesMax + 10; ++i) {
    pair.client->Send(
        *pair.to_server, "s", "", absl::InfiniteFuture(),
        [&](const absl::Status& status) { refused += absl::IsResourceExhausted(status); });
  }
  gate.Open();
  const size_t expected = kSendQueueMessagesMax + 12 + fillers;
  ASSERT_TRUE(world_->Await([&] { return pair.server->received_count + refused >= expected; }));
  EXPECT_GE(refused, 9u);
  EXPECT_LE(refused, 12u + fillers);
  world_->ExpectAllFired();
}

TEST_P(Transports, AMessageThatIsNotOutByItsDeadlineFailsAndTheConnectionCloses) {
  Gate gate(*world_);
  Pair pair = Connected([&](Peer&, Peer& server) {
    server.on_message = [&gate](const std::string& header, size_t) {
      if (header == "first") gate.Wait();
      return absl::OkStatus();
    };
  });
  pair.client->Send(*pair.to_server, "first", "", world_->Soon());
  gate.AwaitEntered();
  const std::string payload(kMessagePayloadBytesMax, 'x');
  // In virtual time nobody holds the reader up, so there the deadline has to have passed.
  const absl::Time deadline = world_->Soon(absl::Milliseconds(world_->sim() == nullptr ? 20 : -1));
  auto late = pair.client->Send(*pair.to_server, "late", payload, deadline);
  gate.OpenAt(deadline + absl::Milliseconds(20));
  EXPECT_EQ(StatusOf(late).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(AwaitClosed(*pair.client).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(AwaitClosed(*pair.server).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace tideway::testing
