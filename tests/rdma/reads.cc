// One-sided reads between two machines.

#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/rdma/channel.h"
#include "tests/rdma/checks.h"
#include "tideway/blocking.h"

namespace tideway::rdma {
namespace {

constexpr size_t kMemoryBytes = (size_t{16} << 20) + 5;
constexpr uint64_t kRounds = 2;
constexpr char kNext[] = "next";

struct Range {
  size_t offset;
  size_t bytes;
};
constexpr Range kRanges[] = {
    {0, kMemoryBytes}, {kMemoryBytes - 1, 1}, {0, 0}, {4097, (size_t{1} << 20) + 1}, {3, 64}};

absl::Status Read(Runtime& runtime, OneSided& one_sided, absl::Span<const std::byte> descriptor,
                  size_t offset, absl::Span<std::byte> local) {
  return Await([&](auto done) {
    one_sided.Read(descriptor, offset, local, runtime.executor().Now() + kPatience,
                   std::move(done));
  });
}

absl::Status ReadAndCheckAll(Runtime& runtime, OneSided& one_sided,
                             absl::Span<const std::byte> descriptor, uint64_t round) {
  const std::vector<std::byte> expected = Pattern(kMemoryBytes, round);
  for (const Range& range : kRanges) {
    std::vector<std::byte> local(range.bytes);
    absl::Status status = Read(runtime, one_sided, descriptor, range.offset, absl::MakeSpan(local));
    if (!status.ok()) return status;
    if (!std::equal(local.begin(), local.end(),
                    expected.begin() + static_cast<std::ptrdiff_t>(range.offset))) {
      return absl::DataLossError(absl::StrCat("round ", round, ": wrong bytes from offset ",
                                              range.offset, ", length ", range.bytes));
    }
  }
  std::vector<std::byte> beyond(2);
  const absl::Status status =
      Read(runtime, one_sided, descriptor, kMemoryBytes - 1, absl::MakeSpan(beyond));
  if (absl::IsInvalidArgument(status)) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("a read beyond the memory ended with ", status.ToString()));
}

absl::StatusOr<OneSided*> OneSidedOf(Channel& channel) {
  OneSided* one_sided = channel.connection().one_sided();
  if (one_sided != nullptr) return one_sided;
  return absl::FailedPreconditionError("the connection offers no one-sided reads");
}

}  // namespace

absl::Status ServeReads(Runtime& runtime, const Uri& uri) {
  auto door = Door::Open(runtime, uri);
  if (!door.ok()) return door.status();
  auto channel = (*door)->Accept();
  if (!channel.ok()) return channel.status();
  PrintConnection((*channel)->connection().info());
  const absl::StatusOr<OneSided*> one_sided = OneSidedOf(**channel);
  if (!one_sided.ok()) return one_sided.status();

  std::vector<std::byte> memory(kMemoryBytes);
  const auto exposed = (*one_sided)->Expose(memory);
  if (!exposed.ok()) return exposed.status();
  const absl::Span<const std::byte> descriptor = (*exposed)->descriptor();
  for (uint64_t round = 0; round < kRounds; ++round) {
    if (auto message = (*channel)->Receive(); !message.ok()) return message.status();
    const std::vector<std::byte> content = Pattern(kMemoryBytes, round);
    std::memcpy(memory.data(), content.data(), content.size());
    (*channel)->Send("descriptor", {descriptor.begin(), descriptor.end()});
  }
  return (*channel)->AwaitClosed();
}

absl::Status TryReads(Runtime& runtime, const Uri& uri) {
  auto channel = Channel::To(runtime, uri);
  if (!channel.ok()) return channel.status();
  PrintConnection((*channel)->connection().info());
  const absl::StatusOr<OneSided*> one_sided = OneSidedOf(**channel);
  if (!one_sided.ok()) return one_sided.status();
  size_t bytes = 0;
  for (uint64_t round = 0; round < kRounds; ++round) {
    (*channel)->Send(kNext);
    const absl::StatusOr<Received> message = (*channel)->Receive();
    if (!message.ok()) return message.status();
    absl::Status status = ReadAndCheckAll(runtime, **one_sided, message->payload, round);
    if (!status.ok()) return status;
    for (const Range& range : kRanges) bytes += range.bytes;
  }
  PrintBytes(bytes);
  (*channel)->connection().Close(absl::CancelledError("done"));
  return (*channel)->AwaitClosed();
}

}  // namespace tideway::rdma
