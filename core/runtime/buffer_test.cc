#include "tideway/buffer.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace tideway {
namespace {

TEST(BufferPool, GivesAlignedBuffersWithHeadroomOfEverySize) {
  BufferPool pool(size_t{1} << 30);
  for (size_t bytes :
       {0, 1, 63, 64, 255, 256, 257, 4096, 100'000, 1 << 20, (2 << 20) + 1, 9 << 20}) {
    auto buffer = pool.Take(bytes);
    ASSERT_TRUE(buffer.ok()) << bytes << ": " << buffer.status();
    EXPECT_EQ(buffer->size(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % kBufferAlignment, 0u) << bytes;
    std::memset(buffer->headroom(kBufferHeadroom).data(), 1, kBufferHeadroom);
    if (bytes > 0) std::memset(buffer->data(), 2, bytes);
    EXPECT_EQ(buffer->headroom(8).data() + 8, buffer->data());
  }
}

TEST(BufferPool, ReusesWhatWasGivenBack) {
  BufferPool pool(size_t{1} << 30);
  auto first = pool.Take(100'000);
  ASSERT_TRUE(first.ok());
  const std::byte* place = first->data();
  *first = Buffer();
  EXPECT_EQ(pool.lent_bytes(), 0u);
  EXPECT_GT(pool.idle_bytes(), 100'000u);
  auto second = pool.Take(99'999);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->data(), place);
  EXPECT_EQ(pool.idle_bytes(), 0u);
}

TEST(BufferPool, AnswersResourceExhaustedOverItsBoundAndRecoversWhenBuffersComeBack) {
  BufferPool pool(1 << 20);
  auto first = pool.Take(600'000);
  ASSERT_TRUE(first.ok());
  auto second = pool.Take(600'000);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kResourceExhausted) << second.status();
  EXPECT_EQ(pool.Take(SIZE_MAX).status().code(), absl::StatusCode::kResourceExhausted);
  *first = Buffer();
  EXPECT_TRUE(pool.Take(600'000).ok());
}

TEST(BufferPool, KeepsNoMoreIdleThanItsBound) {
  BufferPool pool(size_t{1} << 30, /*idle_bytes_max=*/100'000);
  {
    std::vector<Buffer> buffers;
    for (int i = 0; i < 10; ++i) buffers.push_back(*pool.Take(40'000));
  }
  EXPECT_EQ(pool.lent_bytes(), 0u);
  EXPECT_LE(pool.idle_bytes(), 100'000u);
  EXPECT_GT(pool.idle_bytes(), 0u);
}

TEST(Buffer, MayOutliveItsPool) {
  Buffer buffer;
  {
    BufferPool pool(1 << 20);
    buffer = *pool.Take(1000);
  }
  std::memset(buffer.data(), 3, buffer.size());
  buffer.Truncate(10);
  EXPECT_EQ(buffer.size(), 10u);
}

TEST(Buffer, AMovedFromBufferIsEmptyAndReturnsNothing) {
  BufferPool pool(1 << 20);
  Buffer first = *pool.Take(1000);
  Buffer second = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(first.data(), nullptr);
  second = *pool.Take(10);
  second = Buffer();
  EXPECT_EQ(pool.lent_bytes(), 0u);
}

TEST(BufferPool, ThreadsTakingAndGivingBackLeaveItsBooksBalanced) {
  BufferPool pool(size_t{64} << 20, size_t{1} << 20);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, t] {
      std::mt19937 random(t);
      std::vector<Buffer> held(16);
      for (int i = 0; i < 5000; ++i) {
        auto buffer = pool.Take(random() % 100'000);
        ASSERT_TRUE(buffer.ok()) << buffer.status();
        if (!buffer->empty()) buffer->data()[buffer->size() - 1] = std::byte{1};
        held[random() % held.size()] = *std::move(buffer);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.lent_bytes(), 0u);
  EXPECT_LE(pool.idle_bytes(), size_t{1} << 20);
}

}  // namespace
}  // namespace tideway
