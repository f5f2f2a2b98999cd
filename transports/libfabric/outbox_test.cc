// Outbox and the parameters of addresses, without a connection.

#include "transports/libfabric/outbox.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "transports/libfabric/provider.h"

namespace tideway::libfabric {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr size_t kSmallFrame = kRemoteFrameBytesMax;

class OfiOutboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Any provider of this host will do: the outbox only registers memory with it.
    for (const Provider& provider : Providers()) {
      auto opened = Device::Open(provider, "");
      if (opened.ok()) device_ = *std::move(opened);
    }
    ASSERT_NE(device_, nullptr) << "libfabric offers none of our providers here";
  }

  void Push(size_t payload_bytes, absl::Time deadline = absl::InfiniteFuture()) {
    SendOp op;
    op.message.header = {reinterpret_cast<const std::byte*>("h"), 1};
    const absl::Span<const std::byte> half = absl::MakeConstSpan(memory_).first(payload_bytes / 2);
    op.message.payload = {
        half, {}, absl::MakeConstSpan(memory_).first(payload_bytes - half.size())};
    op.payload_bytes = payload_bytes;
    op.deadline = deadline;
    outbox_.Push(std::move(op));
  }
  Frame PrepareNext() {
    Frame frame;
    EXPECT_TRUE(outbox_.CanSend());
    const absl::Status status = outbox_.Prepare(*device_, kSmallFrame, frame);
    EXPECT_TRUE(status.ok()) << status;
    return frame;
  }
  Frame SendNext() {
    const Frame frame = PrepareNext();
    outbox_.Sent();
    return frame;
  }
  size_t PopAll() {
    size_t complete = 0;
    SendOp op;
    while (outbox_.PopComplete(op)) ++complete;
    return complete;
  }

  const std::vector<std::byte> memory_ = std::vector<std::byte>(100'000);
  std::shared_ptr<Device> device_;
  Outbox outbox_;
};

TEST_F(OfiOutboxTest, ASmallMessageTravelsInItsFrameAndIsCompleteWhenItIsOut) {
  Push(100);
  const Frame frame = SendNext();
  EXPECT_EQ(frame.type, FrameType::kInline);
  EXPECT_EQ(frame.payload_bytes, 100u);
  EXPECT_EQ(PopAll(), 1u);
}

TEST_F(OfiOutboxTest, ALargeMessageWaitsUntilThePeerHasReadIt) {
  Push(100'000);
  const Frame frame = SendNext();
  EXPECT_EQ(frame.type, FrameType::kRemote);
  EXPECT_EQ(frame.part_count, 2u);  // the empty part is left out
  EXPECT_EQ(frame.parts[0].bytes + frame.parts[1].bytes, 100'000u);
  EXPECT_TRUE(outbox_.peer_reads());
  EXPECT_EQ(PopAll(), 0u);
  EXPECT_TRUE(outbox_.OnRead(frame.sequence).ok());
  EXPECT_FALSE(outbox_.peer_reads());
  EXPECT_EQ(PopAll(), 1u);
}

TEST_F(OfiOutboxTest, SendsCompleteInTheOrderOfSending) {
  Push(100'000);
  Push(1);
  const Frame large = SendNext();
  SendNext();
  EXPECT_EQ(PopAll(), 0u);
  EXPECT_TRUE(outbox_.OnRead(large.sequence).ok());
  EXPECT_EQ(PopAll(), 2u);
}

TEST_F(OfiOutboxTest, AFrameThatCouldNotGoIsPreparedAgainWithTheSameKeys) {
  Push(100'000);
  const Frame first = PrepareNext();
  const Frame again = PrepareNext();
  ASSERT_EQ(again.part_count, first.part_count);
  for (size_t part = 0; part < first.part_count; ++part)
    EXPECT_EQ(again.parts[part].key, first.parts[part].key);
  EXPECT_EQ(again.sequence, first.sequence);
}

TEST_F(OfiOutboxTest, TheWindowClosesAndOpensAgain) {
  for (uint32_t i = 0; i <= kWindowMessages; ++i) Push(1);
  for (uint32_t i = 0; i < kWindowMessages; ++i) SendNext();
  EXPECT_FALSE(outbox_.CanSend());
  EXPECT_TRUE(outbox_.OnFinished(1).ok());
  EXPECT_EQ(SendNext().sequence, kWindowMessages);
}

TEST_F(OfiOutboxTest, APeerThatIsDoneWithMoreThanItGotIsRefused) {
  Push(1);
  SendNext();
  EXPECT_EQ(outbox_.OnFinished(2).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(outbox_.OnFinished(~uint32_t{0}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(outbox_.OnFinished(1).ok());
  EXPECT_EQ(outbox_.OnFinished(0).code(), absl::StatusCode::kInvalidArgument);  // it takes back
}

TEST_F(OfiOutboxTest, APeerThatHasReadWhatWasNotToBeReadIsRefused) {
  Push(1);
  Push(100'000);
  const Frame small = SendNext();
  const Frame large = SendNext();
  EXPECT_EQ(outbox_.OnRead(small.sequence).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(outbox_.OnRead(large.sequence + 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(outbox_.OnRead(~uint32_t{0}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(outbox_.OnRead(large.sequence).ok());
  EXPECT_EQ(outbox_.OnRead(large.sequence).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(OfiOutboxTest, AllThatIsLeftComesOutInOrderAtTheEnd) {
  const absl::Time soon = absl::UnixEpoch() + absl::Seconds(1);
  Push(100'000);
  Push(2, soon);
  Push(3);
  SendNext();
  SendNext();
  EXPECT_EQ(outbox_.EarliestDeadline(), soon);
  RingQueue<SendOp> rest;
  outbox_.TakeAll(rest);
  ASSERT_EQ(rest.size(), 3u);
  EXPECT_EQ(rest[0].payload_bytes, 100'000u);
  EXPECT_EQ(rest[1].payload_bytes, 2u);
  EXPECT_EQ(rest[2].payload_bytes, 3u);
  EXPECT_FALSE(outbox_.peer_reads());
}

TEST(OfiAddress, AnUnknownParameterNamesThoseThatExist) {
  const absl::Status status = ParseParams(*Uri::Parse("ofi+net://127.0.0.1:5000?tls=tcp")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("tls"), HasSubstr("spin_us")));
}

TEST(OfiAddress, ATimeToSpinIsTakenInItsRange) {
  const auto parse = [](const std::string& value) {
    return ParseParams(*Uri::Parse("ofi://127.0.0.1:5000?spin_us=" + value));
  };
  EXPECT_EQ(parse("0")->spin_us, 0);
  for (const char* value : {"-1", "1000001", "abc", ""})
    EXPECT_EQ(parse(value).status().code(), absl::StatusCode::kInvalidArgument) << value;
}

TEST(OfiAddress, AnUnknownSchemeNamesThoseThatExist) {
  const absl::Status status = ChooseProvider("ofi+psm").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("ofi+verbs"), HasSubstr("ofi+shm")));
}

TEST(OfiAddress, TheBareSchemeNeverMeansAProviderForOneHostOnly) {
  const absl::StatusOr<const Provider*> chosen = ChooseProvider("ofi");
  if (chosen.ok()) {
    EXPECT_FALSE((*chosen)->same_host);
  }
}

}  // namespace
}  // namespace tideway::libfabric
