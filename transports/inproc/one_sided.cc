#include "transports/inproc/one_sided.h"

#include <cstring>
#include <utility>

#include "tideway/limits.h"

namespace tideway::inproc {
namespace {

class Handle final : public ExposedMemory {
 public:
  Handle(std::shared_ptr<ExposedTable> table, uint64_t number)
      : table_(std::move(table)), number_(number) {}
  ~Handle() override { table_->Remove(number_); }
  absl::Span<const std::byte> descriptor() const override {
    return {reinterpret_cast<const std::byte*>(&number_), sizeof(number_)};
  }

 private:
  const std::shared_ptr<ExposedTable> table_;
  const uint64_t number_;
};

// The owner may be writing: that is what one-sided reads are like, and no race that a sanitizer should report.
__attribute__((no_sanitize("thread"))) void CopyWhileWritten(const std::byte* from, std::byte* to,
                                                             size_t bytes) {
  const volatile std::byte* source = from;
  for (size_t i = 0; i < bytes; ++i) to[i] = source[i];
}

}  // namespace

std::shared_ptr<ExposedMemory> ExposedTable::Add(absl::Span<const std::byte> memory) {
  absl::MutexLock lock(&mutex_);
  memory_[++last_] = memory;
  return std::make_shared<Handle>(shared_from_this(), last_);
}

void ExposedTable::Remove(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  memory_.erase(number);
}

absl::Status ExposedTable::Copy(absl::string_view descriptor, size_t offset,
                                absl::Span<std::byte> to) const {
  uint64_t number = 0;
  if (descriptor.size() != sizeof(number)) return absl::InvalidArgumentError("damaged descriptor");
  std::memcpy(&number, descriptor.data(), sizeof(number));
  absl::MutexLock lock(&mutex_);
  auto found = memory_.find(number);
  if (found == memory_.end() || offset > found->second.size() ||
      to.size() > found->second.size() - offset) {
    return absl::InvalidArgumentError("no such memory is exposed");
  }
  CopyWhileWritten(found->second.data() + offset, to.data(), to.size());
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<ExposedMemory>> InprocOneSided::Expose(
    absl::Span<const std::byte> memory) {
  absl::MutexLock lock(&state_->mutex);
  if (!state_->closed.ok()) return absl::CancelledError("the connection is closed");
  return table_->Add(memory);
}

void InprocOneSided::Read(absl::Span<const std::byte> descriptor, size_t offset,
                          absl::Span<std::byte> local, absl::Time, Done done) {
  {
    absl::MutexLock lock(&state_->mutex);
    if (!state_->closed.ok()) {
      callbacks_->Post(
          [done = std::move(done), closed = state_->closed]() mutable { std::move(done)(closed); });
      return;
    }
    state_->waiting.push_back(
        {std::string(reinterpret_cast<const char*>(descriptor.data()), descriptor.size()), offset,
         local, std::move(done)});
  }
  callbacks_->Post([state = state_, table = table_] {
    Waiting next;
    {
      absl::MutexLock lock(&state->mutex);
      if (state->waiting.empty()) return;  // closed
      next = std::move(state->waiting.front());
      state->waiting.pop_front();
    }
    std::move(next.done)(table->Copy(next.descriptor, next.offset, next.local));
  });
}

void InprocOneSided::Close(const absl::Status& reason) {
  std::deque<Waiting> waiting;
  {
    absl::MutexLock lock(&state_->mutex);
    state_->closed = reason;
    waiting = std::move(state_->waiting);
    state_->waiting.clear();
  }
  for (Waiting& read : waiting) std::move(read.done)(reason);
}

}  // namespace tideway::inproc
