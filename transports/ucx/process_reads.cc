#include "transports/ucx/process_reads.h"

#include <algorithm>
#include <utility>

#include "transports/ucx/process_memory.h"

namespace tideway::ucx {
namespace {

// What one turn of the loop copies: long enough to be worth a system call, short enough not to hold messages up.
constexpr size_t kPieceBytes = size_t{1} << 20;

}  // namespace

absl::StatusOr<std::shared_ptr<ExposedMemory>> ProcessReads::DoExpose(absl::Span<const std::byte>,
                                                                      MemoryDescriptor descriptor) {
  descriptor.pid = OwnPid();
  return std::make_shared<UcxExposedMemory>(descriptor);
}

bool ProcessReads::Progress(const std::function<bool()>& peer_is_gone) {
  TakeArrived();
  if (operations_.empty() || !status().ok()) return false;
  Operation& next = *operations_.front();
  if (!next.status.ok()) {
    CompleteFront(next.status);
    return true;
  }
  next.started = true;
  const absl::Span<std::byte> piece = next.local.subspan(
      next.done_bytes, std::min(kPieceBytes, next.local.size() - next.done_bytes));
  absl::Status read = ReadProcess(peer_.pid, next.address + next.done_bytes, piece);
  next.done_bytes += piece.size();
  if (read.ok() && next.done_bytes < next.local.size()) return true;
  // Another process may have the peer's id by now.
  if (read.ok() && peer_is_gone()) read = absl::UnavailableError("the peer closed the connection");
  if (read.ok()) {
    CompleteFront(absl::OkStatus());
  } else {
    Break(std::move(read));  // and Close fails it with the others
  }
  return true;
}

}  // namespace tideway::ucx
