// One end of a connection as straight-line code, for a program that has a thread to wait on: a Door accepts, a Channel sends
// and receives.
//
// Threads: used on one thread, which is none of the runtime's. Every wait is bounded by kPatience and then ends with
// DEADLINE_EXCEEDED; only a hang takes that long. The runtime outlives both.

#ifndef TIDEWAY_TESTS_RDMA_CHANNEL_H_
#define TIDEWAY_TESTS_RDMA_CHANNEL_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tideway/runtime.h"
#include "tideway/transport.h"
#include "tideway/uri.h"

namespace tideway::rdma {

inline constexpr absl::Duration kPatience = absl::Seconds(120);

struct Received {
  std::string header;
  std::vector<std::byte> payload;
};

// Keeps what arrives, in the order of arrival.
class Inbox : public Receiver {
 public:
  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override;
  void OnClosed(const absl::Status& reason) override;

  // Waits. UNAVAILABLE, with the reason of the close, once all that came before it is taken.
  absl::StatusOr<Received> Next();
  // Waits for the close: OK if it came.
  absl::Status AwaitClosed();

 private:
  struct Slot {
    Received message;
    bool landed = false;
  };

  bool FirstLanded() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !slots_.empty() && slots_.front()->landed;
  }

  absl::Mutex mutex_;
  std::deque<std::shared_ptr<Slot>> slots_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status reason_ ABSL_GUARDED_BY(mutex_);
};

class Channel {
 public:
  Channel(Runtime& runtime, std::shared_ptr<Connection> connection, std::shared_ptr<Inbox> inbox)
      : runtime_(runtime), connection_(std::move(connection)), inbox_(std::move(inbox)) {}

  // Connects, and tries again as long as nobody listens there.
  static absl::StatusOr<std::unique_ptr<Channel>> To(Runtime& runtime, const Uri& uri);

  // Returns at once; a failure closes the connection, which Receive tells.
  void Send(std::string header, std::vector<std::byte> payload = {});
  absl::StatusOr<Received> Receive() { return inbox_->Next(); }
  absl::Status AwaitClosed() { return inbox_->AwaitClosed(); }

  Connection& connection() { return *connection_; }

 private:
  Runtime& runtime_;
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Inbox> inbox_;
};

// Listens, says where, and keeps who connects until somebody asks.
class Door {
 public:
  static absl::StatusOr<std::unique_ptr<Door>> Open(Runtime& runtime, const Uri& uri);

  absl::StatusOr<std::unique_ptr<Channel>> Accept();

 private:
  using Arrival = std::pair<std::shared_ptr<Connection>, std::shared_ptr<Inbox>>;
  // Shared with the accept handler, which may outlive the door.
  struct Hall {
    absl::Mutex mutex;
    std::deque<Arrival> waiting ABSL_GUARDED_BY(mutex);
  };

  explicit Door(Runtime& runtime) : runtime_(runtime) {}

  Runtime& runtime_;
  std::shared_ptr<Hall> hall_ = std::make_shared<Hall>();
  std::unique_ptr<Listener> listener_;
};

// Waits for `duration` of the executor's time: between two attempts, where there is no event to wait for.
void Pause(Executor& executor, absl::Duration duration);

}  // namespace tideway::rdma

#endif  // TIDEWAY_TESTS_RDMA_CHANNEL_H_
