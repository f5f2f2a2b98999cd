// UcxOneSided: reads of the peer's memory that cost the peer no processor time.
//
// Two processes of one host: the kernel copies (process_vm_readv), a piece in each turn of the loop. UCX 1.13 offers no such
// read by itself: its ucp_get over posix, sysv and cma lanes is emulated with messages to the peer, so it isn't used here.
//
// Threads: Expose and Read from any thread; the rest belongs to the progress thread.

#ifndef TIDEWAY_TRANSPORTS_UCX_ONE_SIDED_H_
#define TIDEWAY_TRANSPORTS_UCX_ONE_SIDED_H_

#include <atomic>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "core/runtime/ring_queue.h"
#include "tideway/one_sided.h"
#include "transports/ucx/handshake.h"
#include "transports/ucx/wire.h"

namespace tideway::ucx {

class UcxOneSided final : public OneSided {
 public:
  // `wake` makes the loop call Progress. `fail_later(done, status)` runs done on the progress thread.
  UcxOneSided(std::shared_ptr<Shared> shared, Hello peer, std::function<void()> wake);

  absl::StatusOr<std::shared_ptr<ExposedMemory>> Expose(
      absl::Span<const std::byte> memory) override;
  void Read(absl::Span<const std::byte> descriptor, size_t offset, absl::Span<std::byte> local,
            absl::Time deadline, Done done) override;

  // --- progress thread ---
  // Reads on. True if something happened. `peer_is_gone` is asked before a read is called a success.
  bool Progress(const std::function<bool()>& peer_is_gone);
  bool idle();
  // DEADLINE_EXCEEDED once a read was late, UNAVAILABLE once the kernel refused.
  const absl::Status& status() const { return status_; }
  absl::Time EarliestDeadline();
  void Close(const absl::Status& reason);

 private:
  struct Operation {
    uint64_t address = 0;
    absl::Span<std::byte> local;
    size_t done_bytes = 0;
    absl::Time deadline;
    OneSided::Done done;
    absl::Status refused;  // of an operation that never begins
  };

  absl::StatusOr<uint64_t> AddressOf(absl::Span<const std::byte> descriptor, size_t offset,
                                     size_t bytes) const;
  void TakeArrived();

  const std::shared_ptr<Shared> shared_;
  const Hello peer_;
  const std::function<void()> wake_;
  std::atomic<bool> someone_waits_{false};
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  RingQueue<Operation> arrived_ ABSL_GUARDED_BY(mutex_);
  RingQueue<Operation> operations_;
  absl::Status status_;
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_ONE_SIDED_H_
