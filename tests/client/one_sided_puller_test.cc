// Pulls from a server's memory that is torn, hostile, slow or gone: the parameters come all the same, or the pull fails in time.

#include <cstring>
#include <functional>
#include <random>
#include <utility>

#include "core/wire/one_sided.h"
#include "tests/client/fixture.h"

namespace tideway::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using wire::FrameType;

class OneSidedPuller : public ClientTest {
 protected:
  OneSidedPuller() : plan_(std::vector<size_t>(4, 4)) {
    server.area.resize(plan_.bytes());
    server.welcome.mutable_one_sided()->set_directory_version(wire::kDirectoryVersion);
    server.welcome.mutable_one_sided()->set_memory("the area");
    server.welcome.mutable_one_sided()->set_area_bytes(plan_.bytes());
    server.parameters = Counting(16, 100.0f);  // what is asked for
    for (uint32_t fragment = 0; fragment < 4; ++fragment) Publish(fragment, 7);
  }

  // Values 1 to 16, in slot 2.
  void Publish(uint32_t fragment, uint64_t version) {
    const std::vector<float> values = Counting(4, 1.0f + 4 * static_cast<float>(fragment));
    std::byte* slot = server.area.data() + plan_.slot_offset(fragment, 2);
    std::memcpy(slot, values.data(), 16);
    wire::DirectoryEntry entry;
    entry.fragment = fragment;
    entry.elements = 4;
    entry.version = version;
    entry.slots[2] = {
        .version = version, .hash = wire::HashPayload(absl::MakeConstSpan(slot, 16)), .whole = 1};
    Write(entry, fragment);
  }

  void Write(wire::DirectoryEntry entry, uint32_t index) {
    entry = wire::Sealed(entry);
    std::memcpy(EntryBytes(index), &entry, sizeof(entry));
  }
  std::byte* EntryBytes(uint32_t index) {
    return server.area.data() + wire::AreaPlan::entry_offset(index);
  }
  static bool IsValues(size_t offset) { return offset >= wire::AreaPlan::entry_offset(4); }

  // Expects what is in the slots.
  absl::StatusOr<PullReport> PullCountingDirectoryReads() {
    server.on_read = [this](size_t offset, size_t) {
      directory_reads += IsValues(offset) ? 0 : 1;
      return absl::OkStatus();
    };
    CreateAndJoin();
    std::vector<float> theta;
    auto report = Pull(theta);
    EXPECT_EQ(theta, Counting(16));
    return report;
  }

  const wire::AreaPlan plan_;
  int directory_reads = 0;
};

TEST_F(OneSidedPuller, ReadsTheDirectoryOnceForAllFragmentsAndAsksForNothing) {
  const auto report = PullCountingDirectoryReads();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->one_sided, 4u);
  EXPECT_EQ(report->version_min, 7u);
  EXPECT_EQ(report->bytes, 64u);
  EXPECT_EQ(directory_reads, 1);
  EXPECT_THAT(server.Received(FrameType::kPull), IsEmpty());
}

TEST_F(OneSidedPuller, ATornReadIsReadAgain) {
  const size_t torn = plan_.slot_offset(1, 2);
  int reads = 0;
  server.on_read = [&](size_t offset, size_t) {
    if (offset == torn && ++reads <= 2) server.area[torn] ^= std::byte{1};  // and right again
    return absl::OkStatus();
  };
  CreateAndJoin();
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(theta, Counting(16));
  EXPECT_EQ(report->one_sided, 4u);
  EXPECT_EQ(reads, 2);
}

// The memory of this host, which is read in order: no hash is needed.
class OneSidedPullerInMemory : public OneSidedPuller {
 protected:
  OneSidedPullerInMemory() { server.in_memory = true; }

  // The first read of the directory after that of the values of fragment 1; `act` says how it ends.
  void AtConfirmation(std::function<absl::Status()> act) {
    server.on_read = [this, act = std::move(act)](size_t offset, size_t) {
      if (offset == plan_.slot_offset(1, 2)) {
        ++reads;
      } else if (!IsValues(offset) && reads > 0 && !std::exchange(acted_, true)) {
        return act();
      }
      return absl::OkStatus();
    };
  }

  int reads = 0;  // of the values of fragment 1

 private:
  bool acted_ = false;
};

TEST_F(OneSidedPullerInMemory, BelievesWhatTheDirectorySaysBeforeAndAfterTheRead) {
  const auto report = PullCountingDirectoryReads();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->one_sided, 4u);
  EXPECT_LE(directory_reads, 5) << "once before, and at most once after each";
  EXPECT_GE(directory_reads, 2);
}

TEST_F(OneSidedPullerInMemory, ASlotThatIsWrittenToMeanwhileIsReadAgain) {
  AtConfirmation([this] {
    std::byte* slot = server.area.data() + plan_.slot_offset(1, 2);
    slot[0] ^= std::byte{1};
    Publish(1, 8);  // right again, as a version of its own
    return absl::OkStatus();
  });
  CreateAndJoin();
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(theta, Counting(16));
  EXPECT_EQ(report->one_sided, 4u);
  EXPECT_EQ(reads, 2);
}

TEST_F(OneSidedPullerInMemory, ATornEntryIsNoReasonToReadTheValuesAgain) {
  int entries = 0;
  server.on_read = [&](size_t offset, size_t) {
    if (offset == plan_.slot_offset(1, 2)) ++reads;
    // Torn for one look after the values, and right again.
    if (!IsValues(offset) && reads == 1 && ++entries <= 2) EntryBytes(1)[20] ^= std::byte{1};
    return absl::OkStatus();
  };
  CreateAndJoin();
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(theta, Counting(16));
  EXPECT_EQ(report->one_sided, 4u);
  EXPECT_EQ(reads, 1);
}

TEST_F(OneSidedPullerInMemory, ALostConnectionAtTheConfirmationMeansReadingOverTheNextOne) {
  AtConfirmation([this] {
    server.last_connection->Close(absl::UnavailableError("the cable"));
    return absl::UnknownError("never");
  });
  CreateAndJoin();
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(theta, Counting(16));
  EXPECT_THAT(server.attempts, SizeIs(2));
}

TEST_F(OneSidedPuller, WhatStaysTornIsAskedFor) {
  server.area[plan_.slot_offset(1, 2)] ^= std::byte{1};  // the values
  EntryBytes(3)[20] ^= std::byte{1};                     // the entry
  CreateAndJoin();
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->one_sided, 2u);
  EXPECT_EQ(theta[0], 1.0f);
  EXPECT_EQ(theta[4], 104.0f);
  EXPECT_EQ(theta[12], 112.0f);
  EXPECT_THAT(server.Received(FrameType::kPull), SizeIs(2));
}

TEST_F(OneSidedPuller, WhatTheDirectoryDoesNotHaveIsAskedFor) {
  CreateAndJoin();
  std::vector<float> theta;
  const auto report = Pull(theta, absl::Minutes(1), /*window=*/9);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->one_sided, 0u);
  EXPECT_EQ(theta, server.parameters);
}

TEST_F(OneSidedPuller, AnOlderVersionThanWasAcknowledgedIsNotTaken) {
  server.versions = {{0, 7}, {1, 3}, {2, 7}, {3, 7}};
  CreateAndJoin();
  ASSERT_TRUE(Push(std::vector<float>(16, 1.0f)).ok());  // acknowledged as 8, 4, 8, 8
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->one_sided, 1u);
  EXPECT_EQ(theta[0], 100.0f);
  EXPECT_EQ(theta[4], 5.0f);
}

TEST_F(OneSidedPuller, AHostileDirectoryEndsOneSidedPullsWithOneSentence) {
  wire::DirectoryEntry entry;
  entry.fragment = 0;
  entry.elements = 4;
  entry.pins[1] = {.window = 5, .slot = 4000000000};
  Write(entry, 0);
  CreateAndJoin();
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(theta, server.parameters);
  EXPECT_THAT(client->connections()[0].details.at("pull"), HasSubstr("pins slot"));
}

TEST_F(OneSidedPuller, RandomBytesInTheAreaNeverDoHarm) {
  std::mt19937_64 random(3);
  CreateAndJoin();
  for (int round = 0; round < 200; ++round) {
    for (uint32_t fragment = 0; fragment < 4; ++fragment) Publish(fragment, 7);
    for (int flip = 0; flip < 5; ++flip) {
      server.area[random() % server.area.size()] ^= std::byte(1u << (random() % 8));
    }
    std::vector<float> theta;
    ASSERT_TRUE(Pull(theta).ok()) << "round " << round << ", seed 3";
    for (size_t i = 0; i < theta.size(); ++i) {
      const float one_sided = 1.0f + static_cast<float>(i);
      ASSERT_TRUE(theta[i] == one_sided || theta[i] == 99.0f + one_sided) << "round " << round;
    }
  }
}

TEST_F(OneSidedPuller, AnOfferThatDoesNotFitIsLoggedAndIgnored) {
  server.welcome.mutable_one_sided()->set_area_bytes(1);
  CreateAndJoin();
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta).ok());
  EXPECT_EQ(theta, server.parameters);
  EXPECT_THAT(warnings, ::testing::Contains(HasSubstr("its area has 1 bytes")));
}

TEST_F(OneSidedPuller, AReadThatFailsIsAskedForInstead) {
  server.on_read = [&](size_t offset, size_t) {
    return IsValues(offset) ? absl::InvalidArgumentError("no such memory") : absl::OkStatus();
  };
  CreateAndJoin();
  std::vector<float> theta;
  ASSERT_TRUE(Pull(theta).ok());
  EXPECT_EQ(theta, server.parameters);
}

TEST_F(OneSidedPuller, ADeadlineDuringAReadClosesTheConnectionBeforeThePullSettles) {
  server.on_read = [&](size_t offset, size_t) {
    return IsValues(offset) ? absl::UnknownError("never") : absl::OkStatus();
  };
  CreateAndJoin();
  std::vector<float> theta;
  const auto report = Pull(theta, absl::Seconds(2));
  EXPECT_TRUE(absl::IsDeadlineExceeded(report.status())) << report.status();
  server.on_read = [](size_t, size_t) { return absl::OkStatus(); };
  ASSERT_TRUE(Pull(theta).ok());
  EXPECT_EQ(theta, Counting(16));
  EXPECT_THAT(server.attempts, SizeIs(2));
}

TEST_F(OneSidedPuller, ADeadlineDuringTheDirectoryLeavesTheConnectionAlone) {
  server.on_read = [](size_t, size_t) { return absl::UnknownError("never"); };
  CreateAndJoin();
  std::vector<float> theta;
  EXPECT_TRUE(absl::IsDeadlineExceeded(Pull(theta, absl::Seconds(2)).status()));
  EXPECT_THAT(server.attempts, SizeIs(1));
}

TEST_F(OneSidedPuller, ALostConnectionMeansReadingOverTheNextOne) {
  int reads = 0;
  server.on_read = [&](size_t offset, size_t) {
    if (!IsValues(offset) || ++reads != 2) return absl::OkStatus();
    server.last_connection->Close(absl::UnavailableError("the cable"));
    return absl::UnknownError("never");
  };
  CreateAndJoin();
  std::vector<float> theta;
  const auto report = Pull(theta);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(theta, Counting(16));
  EXPECT_EQ(report->one_sided, 4u);
  EXPECT_THAT(server.attempts, SizeIs(2));
}

TEST_F(OneSidedPuller, ClosingTheClientDuringAReadSettlesThePull) {
  server.on_read = [&](size_t offset, size_t) {
    return IsValues(offset) ? absl::UnknownError("never") : absl::OkStatus();
  };
  CreateAndJoin();
  std::vector<float> theta(16);
  std::optional<absl::StatusOr<PullReport>> result;
  client->Pull(absl::MakeSpan(theta), {}, In(absl::Minutes(5)),
               [&](absl::StatusOr<PullReport> report) { result = std::move(report); });
  executor.RunFor(absl::Milliseconds(10));
  client->Close();
  EXPECT_TRUE(absl::IsCancelled(Wait(result).status()));
}

}  // namespace
}  // namespace tideway::testing
