// UcxConnection: a UCX worker with one endpoint, the side channel to the same peer, a Sender and an Inbox.
//
// Send and Close may come from any thread: Send puts the message into a bounded queue under a mutex and wakes the progress
// thread if it has not been woken; all else happens there. No callback is made while a mutex is held.
//
// The end. A side that closes with nothing in flight says goodbye with the number of its messages, and keeps its worker
// until the peer has taken them and closed too, or for kGoodbyePatience; its callbacks have all been made by then. A side
// that closes in mid-message, or whose peer died, drops the worker at once.
//
// The handle stays valid after its transport was destroyed, but must not be called any more, only dropped.

#ifndef TIDEWAY_TRANSPORTS_UCX_CONNECTION_H_
#define TIDEWAY_TRANSPORTS_UCX_CONNECTION_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "asio/posix/stream_descriptor.hpp"
#include "asio/steady_timer.hpp"
#include "core/runtime/ring_queue.h"
#include "core/runtime/send_queue.h"
#include "tideway/transport.h"
#include "transports/ucx/handshake.h"
#include "transports/ucx/inbox.h"
#include "transports/ucx/loop.h"
#include "transports/ucx/one_sided.h"
#include "transports/ucx/sender.h"

namespace tideway::ucx {

class UcxConnection final : public Connection,
                            public Closable,
                            public Pollable,
                            public Wakeable,
                            public std::enable_shared_from_this<UcxConnection> {
 public:
  // Progress thread. CANCELLED if the loop is stopping.
  static absl::StatusOr<std::shared_ptr<UcxConnection>> Create(std::shared_ptr<Shared> shared,
                                                               Link link);
  // Public for make_shared; use Create.
  UcxConnection(std::shared_ptr<Shared> shared, Link link);

  void Send(Message message, absl::Time deadline, Done done) override;
  void Close(absl::Status reason) override;
  ConnectionInfo info() const override { return info_; }
  OneSided* one_sided() override { return one_sided_.get(); }

  // For the acceptor: tells the client whether it was taken.
  void TellAccepted() { side_->Write(FrameType::kAccepted, ""); }
  void TellRefused(absl::string_view why) { side_->Write(FrameType::kRefused, why); }
  // Begins to receive.
  void Start(std::shared_ptr<Receiver> receiver);

  void CloseOnLoop(const absl::Status& reason) override;
  bool Progress() override;
  Armed Arm() override;
  void OnWake() override;

 private:
  bool AfterProgress();
  void AwaitSideChannel();
  void OnSideChannel(absl::StatusOr<Frame> frame);
  void OnGoodbye(uint64_t messages);
  void Drain();
  void AwaitEvent();
  void ArmDeadline(absl::Time deadline);
  void OnDeadline();
  void CloseForBadPeer(const absl::Status& status);
  bool BeginGoodbye(const absl::Status& reason);
  void EndGoodbye();
  void FinishCopies();
  void DropWorker();

  const std::shared_ptr<Shared> shared_;
  const std::shared_ptr<Loop> loop_;
  const std::shared_ptr<SideChannel> side_;
  const bool shared_memory_;
  std::atomic<bool> closing_{false};  // Close was called, or it is closed
  SendQueue queue_;

  // The rest belongs to the progress thread.
  std::unique_ptr<Worker> worker_;  // none: gone
  ConnectionInfo info_;             // constant once made
  bool copies_by_kernel_ = false;
  std::unique_ptr<UcxOneSided> one_sided_;
  std::optional<asio::posix::stream_descriptor> event_;
  std::optional<asio::steady_timer> deadline_timer_;
  std::optional<asio::steady_timer> goodbye_timer_;
  std::shared_ptr<Receiver> receiver_;
  Sender sender_;
  Inbox inbox_;
  bool started_ = false;
  bool closed_ = false;
  bool asked_to_close_ = false;
  bool lingering_ = false;
  bool awaiting_event_ = false;
  std::optional<uint64_t> goodbye_;  // the peer sent so many messages and closes
  absl::Time armed_deadline_ = absl::InfiniteFuture();
  RingQueue<SendOp> arriving_;  // reused by OnWake
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_CONNECTION_H_
