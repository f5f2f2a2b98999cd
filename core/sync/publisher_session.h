// PublisherSession: the publisher's end of one subscriber's connection.
//
//   from       event                              action                                       to
//   greeting   hello of the same model            send welcome                                 idle
//   greeting   hello of another model             send welcome with our tensors                closing
//   greeting   any other frame; time-out          send refuse                                  closing
//   idle       request; something newer           announce it                                  sending
//   idle       request; nothing newer             wait for a Publish                           idle
//   sending    taken                              send as much as may be under way             sending
//   sending    the last frame is out                                                           idle
//   sending    the difference is no longer kept   announce anew, from what the subscriber has  sending
//   any open   bad frame; silence                 send refuse, log the reason                  closing
//   closing    time-out, connection closed        forget the session                           closed
//
// Threads: OnMessage, OnClosed and landings come from the transport; everything else runs on the publisher's strand.

#ifndef TIDEWAY_CORE_SYNC_PUBLISHER_SESSION_H_
#define TIDEWAY_CORE_SYNC_PUBLISHER_SESSION_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "core/sync/version_store.h"
#include "core/wire/weight_frames.h"
#include "tideway/buffer.h"
#include "tideway/publisher.h"
#include "tideway/transport.h"

namespace google::protobuf {
class MessageLite;
}

namespace tideway::sync {

class PublisherCore;

class PublisherSession final : public Receiver,
                               public std::enable_shared_from_this<PublisherSession> {
 public:
  PublisherSession(std::shared_ptr<PublisherCore> core, uint64_t id,
                   std::shared_ptr<Connection> connection);

  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override;
  void OnClosed(const absl::Status& reason) override;

  // On the strand.
  // Something may have become available.
  void Serve();
  // Refuses the peer if it has been silent, or has taken nothing, since `moment`.
  void CheckSince(absl::Time moment);
  void Refuse(const absl::Status& why);
  void Close(const absl::Status& why);

  // Any thread. Nothing before the handshake.
  std::optional<PublisherStats::Subscriber> stats() const;

 private:
  enum class State { kGreeting, kIdle, kSending, kClosing };

  // Refuses the peer, and lets the payload that is under way land nowhere.
  absl::StatusOr<Landing> Reject(const absl::Status& why, size_t payload_bytes);
  absl::StatusOr<Landing> LandHello(const wire::WeightFrameHeader& header);
  void OnHello(const wire::WeightFrameHeader& header, Buffer payload);
  void OnFrame(const wire::WeightFrameHeader& header);
  void OnRequest(const wire::WeightFrameHeader& header);
  void OnTaken(const wire::WeightFrameHeader& header);

  void Begin(VersionStore::Plan plan);
  void SendMore();
  bool MayBeUnderWay(size_t bytes) const;
  // OUT_OF_RANGE: the difference is no longer kept.
  absl::Status SendNextOfChain();
  absl::Status SendNextOfWhole();
  // A frame with weights is about to be sent.
  void Count(size_t bytes);
  void EndTransfer();

  void SendMessage(wire::WeightFrameHeader header, const google::protobuf::MessageLite& message);
  // A frame whose header stands in the headroom of `frame` and whose payload is the rest.
  void SendFrame(Buffer frame);
  // `payload` is alive as long as `holder`.
  void SendPayload(wire::WeightFrameHeader header, absl::Span<const std::byte> payload,
                   std::shared_ptr<const void> holder);
  void Send(Message message, std::shared_ptr<const void> holder);

  const std::shared_ptr<PublisherCore> core_;
  const uint64_t id_;
  const std::string peer_;
  std::shared_ptr<Connection> connection_;  // null once it is closed

  State state_ = State::kGreeting;
  std::string name_ = "a newcomer";
  bool hello_came_ = false;  // the transport's thread
  bool asked_ = false;       // a request waits to be served
  uint64_t held_ = 0;        // the version that the subscriber has, of this epoch

  // What is being sent.
  VersionStore::Plan plan_;
  VersionStore::Cursor cursor_;  // of a chain
  uint64_t frames_left_ = 0;
  size_t next_chunk_ = 0;           // of the whole
  std::deque<uint32_t> under_way_;  // payloads that were sent and not taken
  size_t bytes_under_way_ = 0;
  uint64_t taken_ = 0;             // frames, over this connection
  absl::Time progress_;            // when frames were last taken, or there was none under way
  std::atomic<int64_t> heard_ns_;  // when anything last came

  mutable absl::Mutex stats_mutex_;
  std::optional<PublisherStats::Subscriber> stats_ ABSL_GUARDED_BY(stats_mutex_);
};

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_PUBLISHER_SESSION_H_
