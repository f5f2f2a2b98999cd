// Messages of all sizes between two machines, and the two ways in which a server goes away.

#include <cstdlib>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "tests/rdma/channel.h"
#include "tests/rdma/checks.h"
#include "tideway/limits.h"

namespace tideway::rdma {
namespace {

// Around the sizes at which transports change their way of sending, and the largest.
constexpr size_t kSizes[] = {
    0, 1, 7, 255, 4096, 8191, 65536, 1 << 20, (8 << 20) + 3, kMessagePayloadBytesMax, 5};

constexpr char kClose[] = "close";
constexpr char kDie[] = "die";

std::string HeaderOf(size_t index) { return absl::StrCat("message ", index); }

absl::Status Check(const Received& message, size_t index) {
  if (message.header != HeaderOf(index)) {
    return absl::DataLossError(absl::StrCat("'", message.header, "' in place of ", index));
  }
  if (message.payload != Pattern(kSizes[index], index)) {
    return absl::DataLossError(absl::StrCat("message ", index, " has wrong bytes"));
  }
  return absl::OkStatus();
}

absl::Status Echo(Channel& channel) {
  for (size_t i = 0; i < std::size(kSizes); ++i) {
    absl::StatusOr<Received> message = channel.Receive();
    if (!message.ok()) return message.status();
    if (absl::Status status = Check(*message, i); !status.ok()) return status;
    channel.Send(std::move(message->header), std::move(message->payload));
  }
  return absl::OkStatus();
}

absl::Status Expect(Channel& channel, const std::string& header) {
  const absl::StatusOr<Received> message = channel.Receive();
  if (!message.ok()) return message.status();
  if (message->header == header) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("'", message->header, "' in place of '", header, "'"));
}

absl::Status SendAndCheckAll(Channel& channel) {
  size_t bytes = 0;
  for (size_t i = 0; i < std::size(kSizes); ++i) {
    channel.Send(HeaderOf(i), Pattern(kSizes[i], i));
    bytes += 2 * kSizes[i];
  }
  for (size_t i = 0; i < std::size(kSizes); ++i) {
    const absl::StatusOr<Received> message = channel.Receive();
    if (!message.ok()) return message.status();
    if (absl::Status status = Check(*message, i); !status.ok()) return status;
  }
  PrintBytes(bytes);
  return absl::OkStatus();
}

// Asks the server to go away in the way of `header`, and waits until this end has noticed.
absl::Status SeeItGo(Channel& channel, const char* header) {
  channel.Send(header);
  return channel.AwaitClosed();
}

}  // namespace

absl::Status ServeMessages(Runtime& runtime, const Uri& uri) {
  auto door = Door::Open(runtime, uri);
  if (!door.ok()) return door.status();
  auto first = (*door)->Accept();
  if (!first.ok()) return first.status();
  PrintConnection((*first)->connection().info());
  if (absl::Status status = Echo(**first); !status.ok()) return status;
  if (absl::Status status = Expect(**first, kClose); !status.ok()) return status;
  (*first)->connection().Close(absl::CancelledError("asked to close"));

  auto second = (*door)->Accept();
  if (!second.ok()) return second.status();
  if (absl::Status status = Expect(**second, kDie); !status.ok()) return status;
  std::cout << "check passed; now dies without closing" << std::endl;
  std::_Exit(0);
}

absl::Status TryMessages(Runtime& runtime, const Uri& uri) {
  auto first = Channel::To(runtime, uri);
  if (!first.ok()) return first.status();
  PrintConnection((*first)->connection().info());
  if (absl::Status status = SendAndCheckAll(**first); !status.ok()) return status;
  if (absl::Status status = SeeItGo(**first, kClose); !status.ok()) return status;
  auto second = Channel::To(runtime, uri);
  if (!second.ok()) return second.status();
  return SeeItGo(**second, kDie);
}

}  // namespace tideway::rdma
