// Session: the server's end of one connection: reads frames, checks what a client may send in its state, says where payloads
// land, and sends the answers. What a frame means for parameters, workers and schedule is the ServerCore's business.
//
//   from       event                          action                                    to
//   greeting   hello, admitted                send welcome                              open
//   greeting   hello, not admitted            send refuse                               closing
//   greeting   discover, probe                answer                                    greeting
//   greeting   any other frame; time-out      send refuse                               closing
//   open       push, pull, request            hand to the core                          open
//   open       bad frame; limit overrun       send refuse, log the reason               closing
//   open       fenced, lease lost, stop       send refuse                               closing
//   closing    any frame                      let it land nowhere                       closing
//   closing    time-out                       close the connection                      closing
//   any        connection closed              forget the session                        closed
//
// Threads: OnMessage, OnClosed and landings come from the transport, one at a time; all other methods may be called from any
// thread. Owned by its connection (as receiver) and by the core's table until closed.

#ifndef TIDEWAY_CORE_SERVER_SESSION_H_
#define TIDEWAY_CORE_SERVER_SESSION_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/runtime/shared_block.h"
#include "core/server/arrived_push.h"
#include "core/server/worker_table.h"
#include "core/wire/control.h"
#include "core/wire/frame.h"
#include "tideway/buffer.h"
#include "tideway/codec.h"
#include "tideway/transport.h"

namespace tideway {

class ServerCore;

class Session final : public Receiver, public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<ServerCore> core, uint64_t id, std::shared_ptr<Connection> connection);

  // What the handshake settled. Set once, before the session is open.
  struct Identity {
    std::string name;                // for logs: the worker's, or "observer"
    std::shared_ptr<Worker> worker;  // null: an observer
    uint64_t incarnation = 0;
    std::vector<std::unique_ptr<Codec>> codecs_up;  // each with a wire id of its own
    std::unique_ptr<Codec> codec_down;
    std::shared_ptr<const Codec> differences;  // null: pulls are answered with codec_down
    size_t credit_bytes = 0;
    bool unhashed = false;  // payloads go without a hash, both ways

    // The one of codecs_up that a push's frame names, or null.
    const Codec* CodecUp(uint8_t wire_id) const;
    // Their specs, for people.
    std::string CodecsUp() const;
  };

  uint64_t id() const { return id_; }
  // REQUIRES: the session has been open.
  const Identity& identity() const { return identity_; }
  // The worker that this session speaks for; null for observers and before the handshake.
  const std::shared_ptr<Worker>& worker() const { return identity_.worker; }
  // Of its connection. False once it is closed.
  bool in_memory() const;

  // Lets the peer read `memory`, which outlives the core, until the session is closed. Returns the descriptor that it needs for
  // it. FAILED_PRECONDITION: the connection can't. May take long.
  absl::StatusOr<std::string> Expose(absl::Span<const std::byte> memory);

  // From now on pushes may lie in that memory of the worker's, under that number; the latest request for a number counts.
  void Map(size_t number, uint64_t request, std::shared_ptr<const SharedMapping> mapping);

  void Open(Identity identity, const wire::Welcome& welcome);

  // The answer to a push: gives its credit back and sends the ack.
  void AckPush(const wire::FrameHeader& ack, size_t payload_bytes);
  // The answer to a pull, sent straight from `bytes`, whose hash is `hash` and which live as long as `memory`; or the reason why
  // there is none.
  void AnswerPull(wire::FrameHeader reply, absl::Span<const std::byte> bytes, uint64_t hash,
                  std::shared_ptr<const void> memory);
  void FailPull(wire::FrameHeader reply, const absl::Status& why);
  void AnswerRequest(uint64_t sequence, const wire::ControlReply& reply);

  // Tells the peer why, logs it, and closes once the peer has closed or a moment has passed.
  void Refuse(const absl::Status& why);
  // Closes without a word.
  void Close(const absl::Status& why);

  // Refuses the peer if it has not been admitted within a moment.
  void StartGreetingTimer();
  bool IsOpenFor(uint64_t worker) const;

  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override;
  void OnClosed(const absl::Status& reason) override;

 private:
  enum class State { kGreeting, kOpen, kClosing, kClosed };

  absl::StatusOr<Landing> LandHello(const wire::FrameHeader& header);
  // Before the hello: a client that chooses its path.
  absl::StatusOr<Landing> LandDiscover(const wire::FrameHeader& header);
  absl::StatusOr<Landing> LandProbe(const wire::FrameHeader& header);
  absl::StatusOr<Landing> LandPush(const wire::FrameHeader& header);
  // OK, and the credit is taken, if a push with so many bytes may come.
  absl::Status AdmitPush(const wire::FrameHeader& header, size_t bytes);
  // A push whose payload lies in memory of the worker's.
  absl::StatusOr<Landing> LandShared(const wire::FrameHeader& header);
  Landing LandPushIn(std::unique_ptr<ArrivedPush> push, absl::Span<std::byte> destination);
  absl::StatusOr<Landing> LandPull(const wire::FrameHeader& header);
  absl::StatusOr<Landing> LandRequest(const wire::FrameHeader& header);
  absl::StatusOr<Landing> LandRefuse(const wire::FrameHeader& header);
  // Refuses, and lets the payload that is under way land nowhere.
  absl::StatusOr<Landing> Reject(const absl::Status& why, size_t payload_bytes);
  absl::StatusOr<Landing> Discard(size_t payload_bytes);
  // A landing in a pooled buffer; `use` gets it once it is there and its hash is right.
  absl::StatusOr<Landing> LandPooled(const wire::FrameHeader& header,
                                     absl::AnyInvocable<void(Buffer)> use);

  void SendControl(wire::FrameType type, uint64_t sequence,
                   const google::protobuf::MessageLite& message, Done done);
  std::shared_ptr<Connection> connection() const;
  std::string PeerName(State state) const;

  const std::shared_ptr<ServerCore> core_;
  const uint64_t id_;
  const std::string peer_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<Connection> connection_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<ExposedMemory> exposed_ ABSL_GUARDED_BY(mutex_);  // null: nothing
  struct Mapped {
    uint64_t request = 0;
    std::shared_ptr<const SharedMapping> mapping;  // null: none
  };
  std::array<Mapped, kSharedBlocksMax> mapped_ ABSL_GUARDED_BY(mutex_);
  bool greeted_ = false;  // the transport's thread
  std::atomic<State> state_{State::kGreeting};
  Identity identity_;  // written before state_ becomes kOpen

  // What the client has under way, against what it was granted.
  std::atomic<size_t> push_bytes_{0};
  std::atomic<size_t> pushes_{0};
  std::atomic<size_t> pulls_{0};
  std::atomic<size_t> requests_{0};
  size_t questions_ = 0;  // discovers and probes; the transport's thread only
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_SESSION_H_
