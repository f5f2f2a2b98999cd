// Reading the peer's memory (tideway/one_sided.h), asked of each provider whose connections offer it.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/transport_fixture.h"

namespace tideway::testing {
namespace {

// Of a connection that offers no reads.
std::string WhyMissing(const Connection& connection) {
  const auto details = connection.info().details;
  const auto found = details.find("one_sided");
  return found == details.end() ? "its info() does not say why" : found->second;
}

// NOLINTNEXTLINE(bugprone-macro-parentheses): a skip must return from the test itself.
#define SKIP_WITHOUT_READS(pair)                                               \
  if ((pair).to_server == nullptr || (pair).to_server->one_sided() == nullptr) \
  GTEST_SKIP() << "no one-sided reads: "                                       \
               << ((pair).to_server ? WhyMissing(*(pair).to_server) : "no connection")

class Reader {
 public:
  Reader(World& world, Connection& connection)
      : world_(world), one_sided_(*connection.one_sided()) {}

  // Reads `into.size()` bytes. `into` lives until the completion.
  std::shared_ptr<Completion> Read(absl::Span<const std::byte> descriptor, size_t offset,
                                   std::string& into, absl::Time deadline,
                                   std::function<void(const absl::Status&)> then = nullptr) {
    auto completion = world_.NewCompletion();
    const absl::Span<std::byte> local(reinterpret_cast<std::byte*>(into.data()), into.size());
    Calling([&] {
      one_sided_.Read(descriptor, offset, local, deadline,
                      world_.Watched(completion, world_.client_rule(), std::move(then)));
    });
    return completion;
  }
  std::shared_ptr<Completion> Read(absl::Span<const std::byte> descriptor, size_t offset,
                                   std::string& into) {
    return Read(descriptor, offset, into, world_.Soon());
  }

 private:
  World& world_;
  OneSided& one_sided_;
};

std::shared_ptr<ExposedMemory> Expose(Connection& connection, const std::string& memory) {
  auto exposed = Calling([&] { return connection.one_sided()->Expose(Peer::Bytes(memory)); });
  EXPECT_TRUE(exposed.ok()) << exposed.status();
  return exposed.ok() ? *std::move(exposed) : nullptr;
}

TEST_P(Transports, AConnectionSaysHowItReadsOrWhyItCannot) {
  Pair pair = Connected();
  EXPECT_FALSE(pair.to_server->info().details["one_sided"].empty());
  EXPECT_EQ(pair.to_server->one_sided() != nullptr, pair.to_client->one_sided() != nullptr);
  if (!provider_.one_sided) {
    EXPECT_EQ(pair.to_server->one_sided(), nullptr) << "its provider declares no one-sided reads";
  }
}

TEST_P(Transports, AReadBringsTheExposedBytesFromItsOffsetOn) {
  Pair pair = Connected();
  SKIP_WITHOUT_READS(pair);
  const std::string memory = Pattern((size_t{3} << 20) + 5, 11);
  const auto exposed = Expose(*pair.to_client, memory);
  ASSERT_NE(exposed, nullptr);
  EXPECT_LE(exposed->descriptor().size(), kMemoryDescriptorBytesMax);
  Reader reader(*world_, *pair.to_server);
  const std::vector<std::pair<size_t, size_t>> ranges = {
      {0, memory.size()}, {0, 1}, {1, 7}, {4095, 4098}, {1234567, 1 << 20}, {memory.size() - 1, 1}};
  for (const auto& [offset, bytes] : ranges) {
    std::string got(bytes, '?');
    const absl::Status status = StatusOf(reader.Read(exposed->descriptor(), offset, got));
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(got == memory.substr(offset, bytes)) << bytes << " bytes from " << offset << " on";
  }
}

TEST_P(Transports, BothEndsMayReadEachOther) {
  Pair pair = Connected();
  SKIP_WITHOUT_READS(pair);
  const std::string memory = Pattern(10'000, 12);
  const auto exposed = Expose(*pair.to_server, memory);
  ASSERT_NE(exposed, nullptr);
  std::string got(memory.size(), '?');
  auto completion = world_->NewCompletion();
  Calling([&] {
    pair.to_client->one_sided()->Read(
        exposed->descriptor(), 0,
        absl::MakeSpan(reinterpret_cast<std::byte*>(got.data()), got.size()), world_->Soon(),
        world_->Watched(completion, world_->server_rule()));
  });
  EXPECT_TRUE(StatusOf(completion).ok()) << completion->status;
  EXPECT_TRUE(got == memory);
}

TEST_P(Transports, AReadOfNothingIsOk) {
  Pair pair = Connected();
  SKIP_WITHOUT_READS(pair);
  const std::string memory = "memory";
  const auto exposed = Expose(*pair.to_client, memory);
  ASSERT_NE(exposed, nullptr);
  std::string nothing;
  Reader reader(*world_, *pair.to_server);
  EXPECT_TRUE(StatusOf(reader.Read(exposed->descriptor(), 0, nothing)).ok());
  EXPECT_TRUE(StatusOf(reader.Read(exposed->descriptor(), memory.size(), nothing)).ok());
}

TEST_P(Transports, AReadBeyondTheMemoryIsRefusedAndLeavesTheConnectionAlive) {
  Pair pair = Connected();
  SKIP_WITHOUT_READS(pair);
  const std::string memory = Pattern(4096, 13);
  const auto exposed = Expose(*pair.to_client, memory);
  ASSERT_NE(exposed, nullptr);
  Reader reader(*world_, *pair.to_server);
  const std::vector<std::pair<size_t, size_t>> ranges = {
      {0, 4097}, {4096, 1}, {1, 4096}, {5000, 10}, {SIZE_MAX, 2}, {SIZE_MAX - 1, 2}};
  for (const auto& [offset, bytes] : ranges) {
    std::string got(bytes, '?');
    const absl::Status status = StatusOf(reader.Read(exposed->descriptor(), offset, got));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument)
        << bytes << " bytes from " << offset << " on: " << status;
    EXPECT_EQ(got, std::string(bytes, '?')) << "a refused read wrote";
  }
  std::string got(memory.size(), '?');
  EXPECT_TRUE(StatusOf(reader.Read(exposed->descriptor(), 0, got)).ok());
  EXPECT_TRUE(got == memory);
  pair.client->Send(*pair.to_server, "still there", "", world_->Soon());
  EXPECT_TRUE(AwaitReceived(*pair.server, 1));
}

TEST_P(Transports, ADamagedDescriptorIsRefusedAndLeavesTheConnectionAlive) {
  Pair pair = Connected();
  SKIP_WITHOUT_READS(pair);
  const std::string memory = Pattern(4096, 14);
  const auto exposed = Expose(*pair.to_client, memory);
  ASSERT_NE(exposed, nullptr);
  const std::vector<std::byte> whole(exposed->descriptor().begin(), exposed->descriptor().end());
  std::vector<std::vector<std::byte>> damaged = {
      {},
      std::vector<std::byte>(whole.size()),
      std::vector<std::byte>(kMemoryDescriptorBytesMax * 4)};
  damaged.emplace_back(whole.begin(), whole.end() - 1);
  damaged.push_back(whole);
  damaged.back().push_back(std::byte{0});
  for (size_t i = 0; i < whole.size(); ++i) {
    damaged.push_back(whole);
    damaged.back()[i] ^= std::byte{1} << (i % 8);
  }
  Reader reader(*world_, *pair.to_server);
  for (size_t i = 0; i < damaged.size(); ++i) {
    std::string got(16, '?');
    const absl::Status status = StatusOf(reader.Read(damaged[i], 0, got));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument)
        << "damaged descriptor " << i << ": " << status;
  }
  std::string got(memory.size(), '?');
  EXPECT_TRUE(StatusOf(reader.Read(whole, 0, got)).ok());
  EXPECT_TRUE(got == memory);
}

TEST_P(Transports, ADescriptorWorksOnEveryConnectionOfItsProvider) {
  Pair first = Connected();
  SKIP_WITHOUT_READS(first);
  Pair second = Connected();
  const std::string memory = Pattern(100'000, 15);
  const auto exposed = Expose(*first.to_client, memory);
  ASSERT_NE(exposed, nullptr);
  for (const Pair* pair : {&first, &second}) {
    std::string got(memory.size(), '?');
    Reader reader(*world_, *pair->to_server);
    EXPECT_TRUE(StatusOf(reader.Read(exposed->descriptor(), 0, got)).ok());
    EXPECT_TRUE(got == memory);
  }
  // Also after the connection that exposed it is gone.
  first.to_client->Close(absl::CancelledError("no longer needed"));
  ExpectCloses(*first.client);
  std::string got(memory.size(), '?');
  Reader reader(*world_, *second.to_server);
  EXPECT_TRUE(StatusOf(reader.Read(exposed->descriptor(), 0, got)).ok());
  EXPECT_TRUE(got == memory);
}

TEST_P(Transports, ExposingTwiceIsFineAndEachHandleHoldsTheMemoryExposed) {
  Pair pair = Connected();
  SKIP_WITHOUT_READS(pair);
  const std::string memory = Pattern(50'000, 16);
  auto once = Expose(*pair.to_client, memory);
  const auto again = Expose(*pair.to_client, memory);
  ASSERT_TRUE(once != nullptr && again != nullptr);
  Reader reader(*world_, *pair.to_server);
  std::string got(memory.size(), '?');
  EXPECT_TRUE(StatusOf(reader.Read(once->descriptor(), 0, got)).ok());
  EXPECT_TRUE(got == memory);
  once.reset();
  got.assign(memory.size(), '?');
  EXPECT_TRUE(StatusOf(reader.Read(again->descriptor(), 0, got)).ok());
  EXPECT_TRUE(got == memory);
}

TEST_P(Transports, ManyReadsInFlightMixNothingUp) {
  Pair pair = Connected();
  SKIP_WITHOUT_READS(pair);
  constexpr size_t kReads = 300;
  constexpr size_t kBytes = 4099;
  const std::string memory = Pattern(kReads * kBytes, 17);
  const auto exposed = Expose(*pair.to_client, memory);
  ASSERT_NE(exposed, nullptr);
  Reader reader(*world_, *pair.to_server);
  std::vector<std::string> got(kReads, std::string(kBytes, '?'));
  std::vector<std::shared_ptr<Completion>> reads;
  for (size_t i = 0; i < kReads; ++i) {
    reads.push_back(reader.Read(exposed->descriptor(), i * kBytes, got[i]));
    if (i % 50 == 0) pair.client->Send(*pair.to_server, "between", "reads", world_->Soon());
  }
  for (size_t i = 0; i < kReads; ++i) {
    ASSERT_TRUE(StatusOf(reads[i]).ok()) << "read " << i << ": " << reads[i]->status;
    ASSERT_TRUE(got[i] == memory.substr(i * kBytes, kBytes)) << "read " << i;
  }
  EXPECT_TRUE(AwaitReceived(*pair.server, kReads / 50));
}

TEST_P(Transports, CloseFailsReadsOnceWithItsReasonAndBeforeOnClosed) {
  // Shared, since a skipped test's connection closes after its locals are gone.
  struct Counts {
    std::atomic<int> waiting = 0;
    std::atomic<int> at_close = -1;
  };
  const auto counts = std::make_shared<Counts>();
  Pair pair = Connected([counts](Peer& client, Peer&) {
    client.on_closed = [counts](const absl::Status&) { counts->at_close = counts->waiting.load(); };
  });
  SKIP_WITHOUT_READS(pair);
  const std::string memory(8 << 20, 'm');
  const auto exposed = Expose(*pair.to_client, memory);
  ASSERT_NE(exposed, nullptr);
  Reader reader(*world_, *pair.to_server);
  std::vector<std::string> got(12, std::string(memory.size(), '?'));
  std::vector<std::shared_ptr<Completion>> reads;
  for (std::string& into : got) {
    ++counts->waiting;
    reads.push_back(reader.Read(exposed->descriptor(), 0, into, world_->Soon(),
                                [counts](const absl::Status&) { --counts->waiting; }));
  }
  const absl::Status enough = absl::CancelledError("enough");
  Calling([&] { pair.to_server->Close(enough); });
  EXPECT_EQ(AwaitClosed(*pair.client), enough);
  EXPECT_EQ(counts->at_close, 0) << "OnClosed came before a read's done";
  for (const auto& read : reads) {
    const absl::Status status = StatusOf(read);
    EXPECT_TRUE(status.ok() || status == enough) << status;
  }
  if (world_->sim() != nullptr) {
    EXPECT_EQ(StatusOf(reads.back()), enough);
  }
  std::string late(10, '?');
  EXPECT_EQ(StatusOf(reader.Read(exposed->descriptor(), 0, late)).code(),
            absl::StatusCode::kCancelled);
  auto refused = pair.to_server->one_sided()->Expose(Peer::Bytes(memory));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kCancelled) << refused.status();
}

TEST_P(Transports, APeersEndFailsReadsAsUnavailable) {
  Pair pair = Connected();
  SKIP_WITHOUT_READS(pair);
  const std::string memory(8 << 20, 'm');
  const auto exposed = Expose(*pair.to_client, memory);
  ASSERT_NE(exposed, nullptr);
  Reader reader(*world_, *pair.to_server);
  std::vector<std::string> got(8, std::string(memory.size(), '?'));
  std::vector<std::shared_ptr<Completion>> reads;
  Calling([&] { pair.to_client->Close(absl::CancelledError("the server goes")); });
  for (std::string& into : got) reads.push_back(reader.Read(exposed->descriptor(), 0, into));
  EXPECT_EQ(AwaitClosed(*pair.client).code(), absl::StatusCode::kUnavailable);
  for (const auto& read : reads) {
    const absl::Status status = StatusOf(read);
    // CANCELLED: this end had closed by the time of the read.
    EXPECT_TRUE(status.ok() || absl::IsUnavailable(status) || absl::IsCancelled(status)) << status;
  }
}

TEST_P(Transports, AReadThatIsNotDoneByItsDeadlineFailsAndTheConnectionCloses) {
  Pair pair = Connected();
  SKIP_WITHOUT_READS(pair);
  const std::string memory(1 << 20, 'm');
  const auto exposed = Expose(*pair.to_client, memory);
  ASSERT_NE(exposed, nullptr);
  Reader reader(*world_, *pair.to_server);
  std::string got(memory.size(), '?');
  const auto late = reader.Read(exposed->descriptor(), 0, got, world_->Soon(-absl::Seconds(1)));
  EXPECT_EQ(StatusOf(late).code(), absl::StatusCode::kDeadlineExceeded) << late->status;
  EXPECT_EQ(AwaitClosed(*pair.client).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(AwaitClosed(*pair.server).code(), absl::StatusCode::kUnavailable);
}

TEST_P(Transports, AReadNeedsNothingFromAPeerThatIsBusyInACallback) {
  Gate gate(*world_);
  Pair pair = Connected([&](Peer&, Peer& server) {
    server.on_message = [&gate](const std::string&, size_t) {
      gate.Wait();
      return absl::OkStatus();
    };
  });
  if (world_->sim() != nullptr || &world_->client() == &world_->server()) {
    gate.Open();
    GTEST_SKIP() << "both ends' callbacks run on one thread, so one end can't be held alone";
  }
  SKIP_WITHOUT_READS(pair);
  const std::string memory = Pattern(5 << 20, 18);
  const auto exposed = Expose(*pair.to_client, memory);
  ASSERT_NE(exposed, nullptr);
  pair.client->Send(*pair.to_server, "hold", "", world_->Soon());
  gate.AwaitEntered();
  std::string got(memory.size(), '?');
  Reader reader(*world_, *pair.to_server);
  const absl::Status status = StatusOf(reader.Read(exposed->descriptor(), 0, got));
  EXPECT_EQ(pair.server->received_count, 0u) << "the peer was not held";
  gate.Open();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(got == memory);
  EXPECT_TRUE(AwaitReceived(*pair.server, 1));
}

}  // namespace
}  // namespace tideway::testing
