// UcxOneSided: what the two ways to read the peer's memory have in common: operations come from any thread, wait in a bounded
// queue, and are worked off by the progress thread.
//
// Threads: Expose and Read from any thread; the rest belongs to the progress thread.

#ifndef TIDEWAY_TRANSPORTS_UCX_ONE_SIDED_H_
#define TIDEWAY_TRANSPORTS_UCX_ONE_SIDED_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "core/runtime/ring_queue.h"
#include "tideway/one_sided.h"
#include "transports/ucx/handshake.h"
#include "transports/ucx/wire.h"

namespace tideway::ucx {

// The handle for exposed memory: its descriptor, and what has to live as long.
class UcxExposedMemory final : public ExposedMemory {
 public:
  explicit UcxExposedMemory(const MemoryDescriptor& descriptor,
                            std::shared_ptr<void> keeps = nullptr)
      : descriptor_(Encode(descriptor)), keeps_(std::move(keeps)) {}
  absl::Span<const std::byte> descriptor() const override {
    return {reinterpret_cast<const std::byte*>(descriptor_.data()), descriptor_.size()};
  }

 private:
  const std::string descriptor_;
  const std::shared_ptr<void> keeps_;
};

class UcxOneSided : public OneSided {
 public:
  // `wake` makes the loop call Progress.
  UcxOneSided(std::shared_ptr<Shared> shared, Hello peer, std::function<void()> wake)
      : shared_(std::move(shared)), peer_(std::move(peer)), wake_(std::move(wake)) {}

  absl::StatusOr<std::shared_ptr<ExposedMemory>> Expose(
      absl::Span<const std::byte> memory) override;
  void Read(absl::Span<const std::byte> descriptor, size_t offset, absl::Span<std::byte> local,
            absl::Time deadline, Done done) override;

  // --- progress thread ---
  // Reads on. True if something happened. `peer_is_gone` is asked before a read is called a success.
  virtual bool Progress(const std::function<bool()>& peer_is_gone) = 0;
  // Whether Progress has nothing to do until UCX or a new read wakes the thread.
  virtual bool idle() = 0;
  // Whether an adapter may still write into memory of a read.
  virtual bool in_flight() const { return false; }
  // DEADLINE_EXCEEDED once a read was late, UNAVAILABLE once one failed.
  const absl::Status& status() const { return status_; }
  absl::Time EarliestDeadline();
  // Gives back what belongs to the worker's endpoint. Nothing is in flight any more.
  virtual void DropKeys() {}
  // Fails all. REQUIRES: nothing is in flight any more.
  void Close(const absl::Status& reason);

 protected:
  struct Operation {
    UcxOneSided* owner = nullptr;  // for what gets no more than the operation
    std::string remote_key;
    uint64_t address = 0;
    absl::Span<std::byte> local;
    size_t done_bytes = 0;
    bool started = false;
    bool finished = false;
    absl::Time deadline;
    OneSided::Done done;
    absl::Status status;  // not OK before it starts: it never does
  };

  virtual MemoryKind kind() const = 0;
  virtual absl::StatusOr<std::shared_ptr<ExposedMemory>> DoExpose(
      absl::Span<const std::byte> memory, MemoryDescriptor descriptor) = 0;

  void TakeArrived();
  bool someone_waits() const { return someone_waits_; }
  // Takes the front away and completes it.
  void CompleteFront(absl::Status status);
  void Break(absl::Status status) { status_ = std::move(status); }

  const std::shared_ptr<Shared> shared_;
  const Hello peer_;
  // Those that arrived, in their order. References stay good until one is taken away.
  RingQueue<std::unique_ptr<Operation>> operations_;

 private:
  absl::Status Resolve(absl::Span<const std::byte> descriptor, size_t offset,
                       Operation& operation) const;

  const std::function<void()> wake_;
  std::atomic<bool> someone_waits_{false};
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  RingQueue<std::unique_ptr<Operation>> arrived_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_;
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_ONE_SIDED_H_
