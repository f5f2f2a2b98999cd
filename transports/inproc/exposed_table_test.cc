#include "transports/inproc/exposed_table.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tideway/limits.h"

namespace tideway::inproc {
namespace {

absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

absl::Span<std::byte> Bytes(std::string& text) {
  return {reinterpret_cast<std::byte*>(text.data()), text.size()};
}

TEST(ExposedTable, CopiesWhatIsAtAnyOffsetInPiecesOfAnySize) {
  auto table = std::make_shared<ExposedTable>();
  std::string memory(700'000, '\0');
  for (size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<char>(i * 131 >> 3);
  auto exposed = table->Expose(Bytes(memory));
  ASSERT_TRUE(exposed.ok());
  for (size_t offset : {0u, 1u, 3u, 8u, 4097u}) {
    for (size_t bytes : {0u, 1u, 7u, 8u, 9u, 600'000u}) {
      std::string got(bytes, '?');
      ASSERT_TRUE(table->Copy((*exposed)->descriptor(), offset, Bytes(got)).ok());
      EXPECT_TRUE(got == memory.substr(offset, bytes)) << bytes << " bytes from " << offset;
    }
  }
}

TEST(ExposedTable, MemoryMayChangeWhileItIsCopied) {
  auto table = std::make_shared<ExposedTable>();
  std::vector<std::byte> memory(1 << 20);
  auto exposed = table->Expose(memory);
  ASSERT_TRUE(exposed.ok());
  std::atomic<bool> stop = false;
  std::thread owner([&] {  // a plain write of each byte, again and again
    for (int round = 1; !stop; ++round) {
      for (std::byte& byte : memory) byte = static_cast<std::byte>(round % 2 == 0 ? 'a' : 'b');
    }
  });
  std::string got(memory.size(), '?');
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(table->Copy((*exposed)->descriptor(), 0, Bytes(got)).ok());
    EXPECT_EQ(got.find_first_not_of(std::string("ab\0", 3)), std::string::npos);
  }
  stop = true;
  owner.join();
}

TEST(ExposedTable, WhatIsNoLongerExposedCannotBeReadAndMayBeFreed) {
  auto table = std::make_shared<ExposedTable>();
  auto memory = std::make_unique<std::string>(2 << 20, 'm');
  auto exposed = table->Expose(Bytes(std::as_const(*memory)));
  ASSERT_TRUE(exposed.ok());
  const std::vector<std::byte> descriptor((*exposed)->descriptor().begin(),
                                          (*exposed)->descriptor().end());
  std::atomic<int> copied = 0;
  absl::Status last;
  std::thread reader([&] {
    std::string got(memory->size(), '?');
    while (last.ok()) {
      last = table->Copy(descriptor, 0, Bytes(got));
      ++copied;
    }
  });
  while (copied == 0) std::this_thread::yield();
  exposed->reset();
  memory.reset();  // the address sanitizer sees a copy that goes on
  reader.join();
  EXPECT_EQ(last.code(), absl::StatusCode::kInvalidArgument) << last;
}

TEST(ExposedTable, ExposingTheSameMemoryAgainSharesItsHandleUntilTheLastIsGone) {
  auto table = std::make_shared<ExposedTable>();
  const std::string memory = "memory";
  auto first = table->Expose(Bytes(memory));
  auto second = table->Expose(Bytes(memory));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(*first, *second);
  const std::vector<std::byte> descriptor((*first)->descriptor().begin(),
                                          (*first)->descriptor().end());
  first->reset();
  std::string got(memory.size(), '?');
  EXPECT_TRUE(table->Copy(descriptor, 0, Bytes(got)).ok());
  second->reset();
  EXPECT_FALSE(table->Copy(descriptor, 0, Bytes(got)).ok());
  auto anew = table->Expose(Bytes(memory));
  ASSERT_TRUE(anew.ok());
  EXPECT_FALSE(table->Copy(descriptor, 0, Bytes(got)).ok())
      << "an old descriptor came back to life";
}

TEST(ExposedTable, IsBoundedAndSaysSo) {
  auto table = std::make_shared<ExposedTable>();
  const std::string memory(kExposedMemoriesMax + 1, 'm');
  std::vector<std::shared_ptr<ExposedMemory>> exposed;
  for (size_t i = 0; i < kExposedMemoriesMax; ++i) {
    auto handle = table->Expose(Bytes(memory).subspan(i, 1));
    ASSERT_TRUE(handle.ok()) << handle.status();
    exposed.push_back(*std::move(handle));
  }
  EXPECT_EQ(table->Expose(Bytes(memory).subspan(kExposedMemoriesMax, 1)).status().code(),
            absl::StatusCode::kResourceExhausted);
  exposed.pop_back();
  EXPECT_TRUE(table->Expose(Bytes(memory).subspan(kExposedMemoriesMax, 1)).ok());
}

}  // namespace
}  // namespace tideway::inproc
