#include "transports/ucx/one_sided.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transports/ucx/process_memory.h"

namespace tideway::ucx {
namespace {

// What one turn of the loop copies: long enough to be worth a system call, short enough not to hold messages up.
constexpr size_t kPieceBytes = size_t{1} << 20;

class ProcessMemory final : public ExposedMemory {
 public:
  explicit ProcessMemory(std::string descriptor) : descriptor_(std::move(descriptor)) {}
  absl::Span<const std::byte> descriptor() const override {
    return {reinterpret_cast<const std::byte*>(descriptor_.data()), descriptor_.size()};
  }

 private:
  const std::string descriptor_;
};

}  // namespace

UcxOneSided::UcxOneSided(std::shared_ptr<Shared> shared, Hello peer, std::function<void()> wake)
    : shared_(std::move(shared)), peer_(std::move(peer)), wake_(std::move(wake)) {}

absl::StatusOr<std::shared_ptr<ExposedMemory>> UcxOneSided::Expose(
    absl::Span<const std::byte> memory) {
  if (memory.empty()) return absl::InvalidArgumentError("nothing can't be exposed");
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return absl::CancelledError("the connection is closed");
  }
  MemoryDescriptor descriptor;
  descriptor.kind = MemoryKind::kProcess;
  descriptor.pid = OwnPid();
  descriptor.nonce = shared_->cell->nonce;
  descriptor.address = reinterpret_cast<uintptr_t>(memory.data());
  descriptor.bytes = memory.size();
  return std::make_shared<ProcessMemory>(Encode(descriptor));
}

absl::StatusOr<uint64_t> UcxOneSided::AddressOf(absl::Span<const std::byte> bytes, size_t offset,
                                                size_t size) const {
  absl::StatusOr<MemoryDescriptor> descriptor = DecodeMemoryDescriptor(bytes);
  if (!descriptor.ok()) return descriptor.status();
  if (descriptor->kind != MemoryKind::kProcess || descriptor->pid != peer_.pid ||
      descriptor->nonce != peer_.nonce) {
    return absl::InvalidArgumentError("the memory descriptor is not one of this connection's peer");
  }
  if (offset > descriptor->bytes || size > descriptor->bytes - offset) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a read of ", size, " bytes at ", offset, " goes beyond the memory's ", descriptor->bytes));
  }
  return descriptor->address + offset;
}

void UcxOneSided::Read(absl::Span<const std::byte> descriptor, size_t offset,
                       absl::Span<std::byte> local, absl::Time deadline, Done done) {
  Operation operation;
  absl::StatusOr<uint64_t> address = AddressOf(descriptor, offset, local.size());
  operation.refused = address.status();
  if (address.ok()) operation.address = *address;
  operation.local = local;
  operation.deadline = deadline;
  operation.done = std::move(done);
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) {
      status = absl::CancelledError("the connection is closed");
    } else if (waiting_ >= kReadsInFlightMax) {
      status = absl::ResourceExhaustedError(
          absl::StrCat(kReadsInFlightMax, " reads wait already (kReadsInFlightMax)"));
    } else {
      ++waiting_;
      arrived_.push_back(std::move(operation));
      someone_waits_ = true;
    }
  }
  if (status.ok()) return wake_();
  shared_->loop->Post(
      [done = std::move(operation.done), status]() mutable { std::move(done)(status); });
}

void UcxOneSided::TakeArrived() {
  if (!someone_waits_.exchange(false)) return;
  absl::MutexLock lock(&mutex_);
  while (!arrived_.empty()) operations_.push_back(arrived_.pop_front());
}

bool UcxOneSided::idle() { return operations_.empty() && !someone_waits_; }

bool UcxOneSided::Progress(const std::function<bool()>& peer_is_gone) {
  TakeArrived();
  if (operations_.empty() || !status_.ok()) return false;
  Operation& next = operations_.front();
  absl::Status status = next.refused;
  const bool begins = status.ok();
  if (begins) {
    const absl::Span<std::byte> piece = next.local.subspan(
        next.done_bytes, std::min(kPieceBytes, next.local.size() - next.done_bytes));
    status = ReadProcess(peer_.pid, next.address + next.done_bytes, piece);
    next.done_bytes += piece.size();
    if (status.ok() && next.done_bytes < next.local.size()) return true;
    // Another process may have the peer's id by now.
    if (status.ok() && peer_is_gone())
      status = absl::UnavailableError("the peer closed the connection");
  }
  if (!status.ok() && begins) {
    // The connection breaks with it, and Close fails it with the others.
    status_ = status;
    return true;
  }
  Operation finished = operations_.pop_front();
  {
    absl::MutexLock lock(&mutex_);
    --waiting_;
  }
  std::move(finished.done)(status);
  return true;
}

absl::Time UcxOneSided::EarliestDeadline() {
  TakeArrived();
  absl::Time earliest = absl::InfiniteFuture();
  for (size_t i = 0; i < operations_.size(); ++i)
    earliest = std::min(earliest, operations_[i].deadline);
  return earliest;
}

void UcxOneSided::Close(const absl::Status& reason) {
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    while (!arrived_.empty()) operations_.push_back(arrived_.pop_front());
  }
  while (!operations_.empty()) {
    Operation operation = operations_.pop_front();
    std::move(operation.done)(operation.refused.ok() ? reason : operation.refused);
  }
}

}  // namespace tideway::ucx
