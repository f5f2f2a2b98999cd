#include "transports/ucx/one_sided.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::ucx {

absl::StatusOr<std::shared_ptr<ExposedMemory>> UcxOneSided::Expose(
    absl::Span<const std::byte> memory) {
  if (memory.empty()) return absl::InvalidArgumentError("nothing can't be exposed");
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return absl::CancelledError("the connection is closed");
  }
  MemoryDescriptor descriptor;
  descriptor.kind = kind();
  descriptor.nonce = shared_->cell->nonce;
  descriptor.address = reinterpret_cast<uintptr_t>(memory.data());
  descriptor.bytes = memory.size();
  return DoExpose(memory, std::move(descriptor));
}

absl::Status UcxOneSided::Resolve(absl::Span<const std::byte> bytes, size_t offset,
                                  Operation& operation) const {
  absl::StatusOr<MemoryDescriptor> descriptor = DecodeMemoryDescriptor(bytes);
  if (!descriptor.ok()) return descriptor.status();
  if (descriptor->kind != kind() || descriptor->nonce != peer_.nonce ||
      (kind() == MemoryKind::kProcess && descriptor->pid != peer_.pid)) {
    return absl::InvalidArgumentError("the memory descriptor is not one of this connection's peer");
  }
  const size_t size = operation.local.size();
  if (offset > descriptor->bytes || size > descriptor->bytes - offset) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a read of ", size, " bytes at ", offset, " goes beyond the memory's ", descriptor->bytes));
  }
  operation.address = descriptor->address + offset;
  operation.remote_key = std::move(descriptor->remote_key);
  return absl::OkStatus();
}

void UcxOneSided::Read(absl::Span<const std::byte> descriptor, size_t offset,
                       absl::Span<std::byte> local, absl::Time deadline, Done done) {
  auto operation = std::make_unique<Operation>();
  operation->owner = this;
  operation->local = local;
  operation->deadline = deadline;
  operation->done = std::move(done);
  operation->status = Resolve(descriptor, offset, *operation);
  absl::Status status;
  Done refused;
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) {
      status = absl::CancelledError("the connection is closed");
    } else if (waiting_ >= kReadsInFlightMax) {
      status = absl::ResourceExhaustedError(
          absl::StrCat(kReadsInFlightMax, " reads wait already (kReadsInFlightMax)"));
    }
    if (status.ok()) {
      ++waiting_;
      arrived_.push_back(std::move(operation));
      someone_waits_ = true;
    } else {
      refused = std::move(operation->done);
    }
  }
  if (status.ok()) return wake_();
  shared_->loop->Post([done = std::move(refused), status]() mutable { std::move(done)(status); });
}

void UcxOneSided::TakeArrived() {
  if (!someone_waits_.exchange(false)) return;
  absl::MutexLock lock(&mutex_);
  while (!arrived_.empty()) operations_.push_back(arrived_.pop_front());
}

void UcxOneSided::CompleteFront(absl::Status status) {
  const std::unique_ptr<Operation> finished = operations_.pop_front();
  {
    absl::MutexLock lock(&mutex_);
    --waiting_;
  }
  std::move(finished->done)(std::move(status));
}

absl::Time UcxOneSided::EarliestDeadline() {
  TakeArrived();
  absl::Time earliest = absl::InfiniteFuture();
  for (size_t i = 0; i < operations_.size(); ++i)
    earliest = std::min(earliest, operations_[i]->deadline);
  return earliest;
}

void UcxOneSided::Close(const absl::Status& reason) {
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    while (!arrived_.empty()) operations_.push_back(arrived_.pop_front());
  }
  while (!operations_.empty()) {
    const bool refused = !operations_.front()->started && !operations_.front()->status.ok();
    CompleteFront(refused ? operations_.front()->status : reason);
  }
}

}  // namespace tideway::ucx
