#include "core/runtime/shared_block.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/limits.h"

namespace tideway {
namespace {

constexpr size_t kBytes = 100000;  // no whole number of pages
constexpr uint64_t kNonce = 77;

std::shared_ptr<SharedBlock> NewBlock() {
  auto block = SharedBlock::Create(kBytes, kNonce);
  EXPECT_TRUE(block.ok()) << block.status();
  return block.ok() ? *block : nullptr;
}

bool AllAre(absl::Span<const std::byte> bytes, int value) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [value](std::byte byte) { return byte == std::byte(value); });
}

void Fill(SharedBlock& block, int value) {
  std::fill(block.span().begin(), block.span().end(), std::byte(value));
}

TEST(SharedBlock, AReaderSeesWhatTheOwnerWritesAndItBeginsWithZeros) {
  const auto block = NewBlock();
  const auto mapping = SharedMapping::Open(block->descriptor());
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  ASSERT_EQ((*mapping)->span().size(), kBytes);
  EXPECT_TRUE(AllAre((*mapping)->span(), 0));
  Fill(*block, 5);
  EXPECT_TRUE(AllAre((*mapping)->span(), 5));
}

TEST(SharedBlock, AnotherProcessReadsItAlsoAfterTheOwnerHasGone) {
  std::array<int, 2> told;
  std::array<int, 2> leave;
  ASSERT_EQ(pipe(told.data()), 0);
  ASSERT_EQ(pipe(leave.data()), 0);
  const pid_t owner = fork();
  if (owner == 0) {
    const auto block = SharedBlock::Create(kBytes, kNonce);
    if (!block.ok()) _exit(1);
    Fill(**block, 9);
    const SharedDescriptor descriptor = (*block)->descriptor();
    if (write(told[1], &descriptor, sizeof(descriptor)) != sizeof(descriptor)) _exit(1);
    close(leave[1]);
    char until_closed = 0;
    (void)!read(leave[0], &until_closed, 1);
    _exit(0);
  }
  SharedDescriptor descriptor;
  ASSERT_EQ(read(told[0], &descriptor, sizeof(descriptor)), ssize_t{sizeof(descriptor)});
  const auto mapping = SharedMapping::Open(descriptor);
  close(leave[0]);
  close(leave[1]);
  int status = 0;
  waitpid(owner, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  EXPECT_TRUE(AllAre((*mapping)->span(), 9));
  EXPECT_TRUE(absl::IsUnavailable(SharedMapping::Open(descriptor).status()));
  close(told[0]);
  close(told[1]);
}

TEST(SharedBlock, AfterLeaveTheOwnersWritesReachNoFormerReader) {
  const auto block = NewBlock();
  Fill(*block, 1);
  const std::byte* const address = block->span().data();
  const SharedDescriptor before = block->descriptor();
  const auto former = SharedMapping::Open(before);
  ASSERT_TRUE(former.ok());
  ASSERT_TRUE(block->Leave(kNonce + 1).ok());
  EXPECT_EQ(block->span().data(), address);
  EXPECT_TRUE(AllAre(block->span(), 1)) << "the values come along";
  Fill(*block, 2);
  EXPECT_TRUE(AllAre((*former)->span(), 1));
  EXPECT_FALSE(SharedMapping::Open(before).ok());
  const auto later = SharedMapping::Open(block->descriptor());
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_TRUE(AllAre((*later)->span(), 2));
}

TEST(SharedBlock, ADescriptorThatFitsNoBlockIsRefusedWithASentence) {
  const auto block = NewBlock();
  const SharedDescriptor right = block->descriptor();
  SharedDescriptor wrong = right;
  wrong.nonce ^= 1;
  EXPECT_TRUE(absl::IsInvalidArgument(SharedMapping::Open(wrong).status()));
  for (const uint64_t bytes : {uint64_t{0}, right.bytes - 1, right.bytes + 1, right.bytes + 4096,
                               std::numeric_limits<uint64_t>::max()}) {
    wrong = right;
    wrong.bytes = bytes;
    EXPECT_TRUE(absl::IsInvalidArgument(SharedMapping::Open(wrong).status())) << bytes;
  }
  wrong = right;
  wrong.file = 1 << 20;
  EXPECT_TRUE(absl::IsUnavailable(SharedMapping::Open(wrong).status()));
  wrong.pid = 0;
  EXPECT_FALSE(SharedMapping::Open(wrong).ok());
}

TEST(SharedBlock, NoOtherFileIsOpenedOrMapped) {
  const auto block = NewBlock();
  SharedDescriptor descriptor = block->descriptor();
  std::array<int, 2> ends;
  ASSERT_EQ(pipe(ends.data()), 0);
  descriptor.file = static_cast<uint32_t>(ends[0]);  // to open a pipe for reading would wait
  EXPECT_TRUE(absl::IsUnavailable(SharedMapping::Open(descriptor).status()));
  close(ends[0]);
  close(ends[1]);
  // One that looks like ours, and can shrink under its reader.
  const int unsealed = memfd_create("tideway", MFD_CLOEXEC);
  ASSERT_GE(unsealed, 0);
  ASSERT_EQ(ftruncate(unsealed, static_cast<off_t>(4096 + descriptor.bytes)), 0);
  descriptor.file = static_cast<uint32_t>(unsealed);
  absl::Status status = SharedMapping::Open(descriptor).status();
  EXPECT_THAT(status.message(), ::testing::HasSubstr("holes"));
  ASSERT_EQ(fallocate(unsealed, 0, 0, static_cast<off_t>(4096 + descriptor.bytes)), 0);
  status = SharedMapping::Open(descriptor).status();
  EXPECT_THAT(status.message(), ::testing::HasSubstr("can shrink"));
  close(unsealed);
}

TEST(SharedBlock, MoreThanThereIsIsRefused) {
  EXPECT_TRUE(absl::IsResourceExhausted(SharedBlock::Create(0, kNonce).status()));
  EXPECT_TRUE(
      absl::IsResourceExhausted(SharedBlock::Create(kSharedBlockBytesMax + 1, kNonce).status()));
}

}  // namespace
}  // namespace tideway
