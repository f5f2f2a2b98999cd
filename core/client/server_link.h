// ServerLink: one client's connection to one server, made anew as often as it dies.
//
//   from        event                                     action                          to
//   idle        Start, an auto:// address                 look for a path                 selecting
//   idle        Start                                     connect                         connecting
//   selecting   path found                                connect                         connecting
//   selecting   server unreachable                        arm a jittered timer            resting
//   selecting   no path will do, and none ever did        fail what is pending            final
//   connecting  connected                                 send Hello                      shaking
//   connecting  refused, unreachable                      arm a jittered timer            resting
//   shaking     Welcome                                   lanes send what waits           ready
//   shaking     silence for kHandshakeTimeout             close the connection            closing
//   ready       bad frame, silence, damaged answer        close the connection            closing
//   shaking, ready  Refuse: final status                  close the connection            closing
//   (connected) closed                                    arm a jittered timer            resting
//   (connected) closed, with a final status               fail what is pending            final
//   resting     timer                                     as idle                         selecting, connecting
//   resting     away for reconnect_timeout                fail what is pending            final
//   any         Shutdown, Leave answered and closed       close, fail what is pending     final
//
// A Refuse is final unless its code says that later may be better (UNAVAILABLE, RESOURCE_EXHAUSTED, DATA_LOSS). There is never
// more than one live connection: the next one is made after the former has reported its end, and with it has let go of
// every buffer.
//
// With an auto:// address, a path that breaks is given up, and the next one is looked for: what was not acknowledged is sent
// again over that.
//
// Heartbeats go out every third of the lease, and within a second where the worker's status is new. A connection that shows no
// sign of life for two thirds of the lease is closed: what the network has swallowed silently is then sent again before the
// lease is lost.
//
// Threads: the state strand. Frames are checked, and payloads placed, on the transport's thread.

#ifndef TIDEWAY_CORE_CLIENT_SERVER_LINK_H_
#define TIDEWAY_CORE_CLIENT_SERVER_LINK_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/client/client_shared.h"
#include "core/client/frame_sender.h"
#include "core/client/path_report.h"
#include "core/client/path_selector.h"
#include "core/client/pull_lane.h"
#include "core/client/push_lane.h"
#include "core/client/request_lane.h"
#include "core/client/shared_offers.h"
#include "core/runtime/backoff.h"
#include "core/wire/frame.h"
#include "tideway/transport.h"

namespace tideway {

class ServerLink final : public FrameSender {
 public:
  struct Events {
    absl::AnyInvocable<void()> first_ready;                      // at most once
    absl::AnyInvocable<void(const absl::Status&)> became_final;  // at most once
  };

  ServerLink(ClientShared* shared, uint32_t index, Events events);

  void Start();
  // Fails what is pending with `status` as soon as the transport has let go of it.
  void Shutdown(const absl::Status& status);
  // Says goodbye. After that a closed connection is not made anew.
  void Leave(absl::Time deadline, RequestLane::Done done);

  PushLane& pushes() { return pushes_; }
  const PushLane& pushes() const { return pushes_; }
  PullLane& pulls() { return pulls_; }
  RequestLane& requests() { return requests_; }

  // Why the latest attempt failed. OK: none did.
  const absl::Status& last_error() const { return last_error_; }
  // "server 1 (tcp://head:5000)"
  std::string name() const;
  // From any thread.
  ConnectionInfo info() const;
  TransportReport report() const;

  bool ready() const override { return state_ == State::kReady; }
  uint64_t session() const override { return session_; }
  bool unhashed() const override { return unhashed_; }
  std::optional<wire::SharedPlace> SharedPlaceOf(const SharedDelta& delta,
                                                 absl::Span<const std::byte> payload) override {
    return offers_.PlaceOf(delta, payload);
  }
  size_t send_ahead_bytes() const override { return send_ahead_bytes_; }
  uint64_t NextRequestId() override { return ++last_request_id_; }
  void SendFrame(std::shared_ptr<Buffer> frame) override;
  void SendFrame(std::shared_ptr<Buffer> frame, absl::Span<const std::byte> payload,
                 Task let_go) override;
  void Break(absl::Status reason) override;

 private:
  class Wire;  // the Receiver of one connection
  enum class State { kIdle, kSelecting, kConnecting, kShaking, kReady, kClosing, kResting, kFinal };

  void Connect();
  void OnSelected(uint64_t attempt, absl::StatusOr<PathSelector::Choice> choice);
  void ConnectTo(const Uri& uri);
  void OnConnected(uint64_t attempt, absl::StatusOr<std::shared_ptr<Connection>> connection);
  void SendHello();
  void OnClosed(uint64_t attempt, const absl::Status& reason);
  void Rest(const absl::Status& reason);
  void BecomeFinal();
  void CancelTimers();
  // The path did not hold.
  void GiveUpPath(const absl::Status& why);
  // The path holds: hands are shaken over it.
  void ReportPath();

  // On the transport's thread.
  absl::StatusOr<Landing> OnMessage(uint64_t attempt, absl::Span<const std::byte> header,
                                    size_t payload_bytes);
  absl::StatusOr<Landing> LandControl(uint64_t attempt, const wire::FrameHeader& header);
  absl::StatusOr<Landing> LandAck(uint64_t attempt, const wire::FrameHeader& header);
  void SignOfLife() { alive_ns_.store(absl::ToUnixNanos(shared_->tasks.Now())); }

  // Whole frames. An error breaks the connection.
  void OnFrame(uint64_t attempt, const wire::FrameHeader& header,
               absl::Span<const std::byte> payload);
  absl::Status Dispatch(const wire::FrameHeader& header, absl::Span<const std::byte> payload);
  absl::Status OnWelcome(absl::Span<const std::byte> payload);
  absl::Status OnRefuse(absl::Span<const std::byte> payload);
  absl::Status OnReply(const wire::FrameHeader& header, absl::Span<const std::byte> payload);

  void ArmHeartbeat();
  void Heartbeat();
  void SendStatus();

  ClientShared* const shared_;
  const uint32_t index_;
  Events events_;
  PushLane pushes_;
  PullLane pulls_;
  RequestLane requests_;
  SharedOffers offers_;

  const std::unique_ptr<PathSelector> selector_;  // null: the address names the path
  PathSelector::Choice path_;                     // of the present attempt
  PathReport report_;

  State state_ = State::kIdle;
  uint64_t attempt_ = 0;  // numbers the connections
  std::shared_ptr<Connection> connection_;
  std::atomic<bool> unhashed_{false};  // as the welcome says; the transport's thread reads it
  size_t send_ahead_bytes_ = 0;
  uint64_t session_ = 0;
  uint64_t last_request_id_ = 0;
  absl::Duration lease_ = absl::ZeroDuration();
  int looks_per_heartbeat_ = 1;  // at whether the peer lives and the status is new
  struct Told {                  // what the last heartbeat said
    WorkerStatus status = {};
    uint64_t switches = UINT64_MAX;  // none was sent
    int looks = 0;                   // since then
  };
  Told told_;
  Backoff backoff_;
  TimerId timer_ = 0;  // of the rest, the handshake or the heartbeat: never two of them at once
  // Since when the server gave no useful answer. A handshake alone does not end it: a server that shakes hands and drops
  // the connection, over and over, is away.
  absl::Time away_since_ = absl::InfiniteFuture();
  absl::Time ready_since_ = absl::InfiniteFuture();
  bool leaving_ = false;
  bool was_ready_ = false;
  absl::Status last_error_;
  absl::Status final_;

  std::atomic<int64_t> alive_ns_{0};  // when the connection last showed a sign of life
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_SERVER_LINK_H_
