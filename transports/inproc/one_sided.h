// Reading a peer's memory within a process: a copy, which the owner's code has no part in.
//
// Threads: as OneSided says. Reads run, and complete, on the transport's callback queue.

#ifndef TIDEWAY_TRANSPORTS_INPROC_ONE_SIDED_H_
#define TIDEWAY_TRANSPORTS_INPROC_ONE_SIDED_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "tideway/one_sided.h"
#include "transports/inproc/callback_queue.h"

namespace tideway::inproc {

// The memory that is exposed in one transport, by the number that its descriptor holds.
class ExposedTable : public std::enable_shared_from_this<ExposedTable> {
 public:
  std::shared_ptr<ExposedMemory> Add(absl::Span<const std::byte> memory);
  void Remove(uint64_t number);
  absl::Status Copy(absl::string_view descriptor, size_t offset, absl::Span<std::byte> to) const;

 private:
  mutable absl::Mutex mutex_;
  uint64_t last_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, absl::Span<const std::byte>> memory_ ABSL_GUARDED_BY(mutex_);
};

class InprocOneSided final : public OneSided {
 public:
  InprocOneSided(std::shared_ptr<CallbackQueue> callbacks, std::shared_ptr<ExposedTable> table)
      : state_(std::make_shared<State>()),
        callbacks_(std::move(callbacks)),
        table_(std::move(table)) {}

  absl::StatusOr<std::shared_ptr<ExposedMemory>> Expose(
      absl::Span<const std::byte> memory) override;
  void Read(absl::Span<const std::byte> descriptor, size_t offset, absl::Span<std::byte> local,
            absl::Time deadline, Done done) override;

  // On the callback queue: fails what waits, and whatever comes later.
  void Close(const absl::Status& reason);

 private:
  struct Waiting {
    std::string descriptor;
    size_t offset = 0;
    absl::Span<std::byte> local;
    Done done;
  };
  struct State {
    absl::Mutex mutex;
    absl::Status closed ABSL_GUARDED_BY(mutex);
    std::deque<Waiting> waiting ABSL_GUARDED_BY(mutex);
  };

  const std::shared_ptr<State> state_;
  const std::shared_ptr<CallbackQueue> callbacks_;
  const std::shared_ptr<ExposedTable> table_;
};

}  // namespace tideway::inproc

#endif  // TIDEWAY_TRANSPORTS_INPROC_ONE_SIDED_H_
