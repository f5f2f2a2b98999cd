// SubscriberCore: a subscriber's connection to its publisher, and the version in use.
//
//   from        event                                 action                                    to
//   resting     timer                                 connect                                   connecting
//   connecting  connected                             send hello                                greeting
//   connecting  failed                                arm a jittered timer                      resting
//   greeting    welcome of the same model             ask for what is newer                     following
//   greeting    welcome of another model              fail for good                             final
//   following   version                               begin a stage                             following
//   following   changes, whole                        to the stage; tell what was taken         following
//   following   the last frame of a stage             check it; install it; ask for the next    following
//   following   a stage's checksum is wrong           ask for the whole, over a new connection  closing
//   any open    bad frame, silence                    close the connection                      closing
//   any open    refuse: later may be better           close the connection                      closing
//   any open    refuse: not so                        fail for good                             final
//   any open    closed                                arm a jittered timer                      resting
//   any         Close                                 close, fail what waits                    final
//
// There is never more than one live connection. A stage that is under way when the connection ends is given up; the version in use
// stays in use.
//
// Threads: one strand; frames are read, and payloads placed, on the transport's thread.

#ifndef TIDEWAY_CORE_SYNC_SUBSCRIBER_CORE_H_
#define TIDEWAY_CORE_SYNC_SUBSCRIBER_CORE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "core/runtime/backoff.h"
#include "core/runtime/strand.h"
#include "core/sync/chunk_table.h"
#include "core/sync/copy_pool.h"
#include "core/sync/stager.h"
#include "core/sync/version_waiters.h"
#include "core/wire/weight_handshake.h"
#include "tideway/buffer.h"
#include "tideway/runtime.h"
#include "tideway/subscriber.h"
#include "tideway/transport.h"

namespace tideway::sync {

class InstalledWeights;

class SubscriberCore final : public std::enable_shared_from_this<SubscriberCore> {
 public:
  // `uri` is the parsed options.publisher.
  SubscriberCore(Runtime* runtime, SubscriberOptions options, const Uri& uri,
                 const WeightLayout& layout);

  // Any thread. Start once, before anything else.
  void Start();
  WeightsPtr current() const;
  void WhenNewer(WeightVersionId than, absl::Time deadline, Subscriber::Done done);
  SubscriberStats stats() const;
  void Close();

 private:
  class Wire;  // the Receiver of one connection
  enum class State { kResting, kConnecting, kGreeting, kFollowing, kClosing, kFinal };

  // On the transport's thread.
  absl::StatusOr<Landing> OnMessage(uint64_t attempt, absl::Span<const std::byte> header,
                                    size_t payload_bytes);

  // On the strand, all of the following.
  void OnStrand(Task task);
  // Runs `task` on the strand at `when`. The timer alone does not keep the subscriber alive.
  TimerId At(absl::Time when, Task task);
  void Connect();
  void OnConnected(uint64_t attempt, absl::StatusOr<std::shared_ptr<Connection>> connection);
  void OnClosed(uint64_t attempt, const absl::Status& reason);
  void Rest(const absl::Status& reason);
  void Break(const absl::Status& reason);
  void BecomeFinal(const absl::Status& why);
  void ArmPing();
  void Ping();

  void OnFrame(uint64_t attempt, const wire::WeightFrameHeader& header, Buffer payload);
  // An error breaks the connection.
  absl::Status Dispatch(const wire::WeightFrameHeader& header, absl::Span<const std::byte> payload);
  absl::Status OnWelcome(const wire::WeightFrameHeader& header,
                         absl::Span<const std::byte> payload);
  // Whether this end can follow that publisher; notes what was agreed.
  absl::Status Agree(uint64_t epoch, const wire::WeightWelcome& welcome);
  absl::Status OnRefuse(absl::Span<const std::byte> payload);
  absl::Status OnVersion(const wire::WeightFrameHeader& header,
                         absl::Span<const std::byte> payload);
  absl::Status OnWeights(const wire::WeightFrameHeader& header,
                         absl::Span<const std::byte> payload);
  void TellTaken(size_t bytes);
  // Asks for what is newer, once there is a copy to build it in.
  void Ask();
  // Goes on checking the stage, a part at a time, so that pings go out meanwhile.
  void Finish(uint64_t attempt);
  void Install();
  void AddWaiter(WeightVersionId than, absl::Time deadline, Subscriber::Done done);
  // What a wait ends with that took too long.
  absl::Status WhyNone() const;

  void SendHello();
  void SendEmpty(wire::WeightFrameHeader header);
  // What `message` points to is alive as long as `holder`.
  void Send(Message message, std::shared_ptr<const void> holder);

  Runtime* const runtime_;
  const SubscriberOptions options_;
  const Uri uri_;
  const WeightLayout layout_;
  Strand strand_;
  VersionWaiters waiters_;
  BufferPool pool_;
  std::shared_ptr<CopyPool> copies_;

  State state_ = State::kResting;
  uint64_t attempt_ = 0;  // numbers the connections
  std::shared_ptr<Connection> connection_;
  Backoff backoff_;
  absl::Time following_since_ = absl::InfiniteFuture();
  TimerId timer_ = 0;  // of the rest, the handshake or the ping: never two of them at once
  absl::Status final_;

  // What was agreed with the publisher.
  uint64_t epoch_ = 0;
  uint8_t codec_id_ = 0;
  std::shared_ptr<const ChunkTable> table_;  // null: none yet
  std::unique_ptr<Stager> stager_;
  std::unique_ptr<WeightCopy> staged_;  // reserved for the next version
  wire::WeightFrameHeader announced_;   // of the stage
  absl::Time announced_at_;
  std::shared_ptr<const InstalledWeights> base_;  // the version in use, which the stage starts from
  bool asked_ = false;                            // a request is open
  bool ask_whole_ = false;                        // what is in use can't be trusted as a start
  uint64_t taken_ = 0;                            // frames, over this connection
  uint64_t frames_untold_ = 0;
  size_t bytes_untold_ = 0;

  std::atomic<int64_t> heard_ns_{0};  // when anything last came

  mutable absl::Mutex mutex_;
  std::shared_ptr<const InstalledWeights> current_ ABSL_GUARDED_BY(mutex_);
  SubscriberStats stats_ ABSL_GUARDED_BY(mutex_);
  absl::Status last_error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_SUBSCRIBER_CORE_H_
