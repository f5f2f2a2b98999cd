#include "transports/ucx/connection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "transports/ucx/process_reads.h"
#include "transports/ucx/remote_key_reads.h"

namespace tideway::ucx {
namespace {

// How long an end that has said goodbye waits for the other's, and how long the other tries to take what was promised.
constexpr absl::Duration kGoodbyePatience = absl::Seconds(2);
// What a dead peer can have left in our queues.
constexpr int kDrainTurnsMax = 1000;
// Copies by the kernel that are under way when the worker goes. They need nothing of the peer, so they end.
constexpr int kFetchTurnsMax = 1 << 17;
// A copy that failed (the peer gave its memory back) is reported before its last piece has left UCX's queue.
constexpr int kQuietTurns = 64;

ConnectionInfo Describe(const Link& link) {
  ConnectionInfo info;
  info.transport = "ucx";
  info.local = link.side->local();
  info.peer = link.side->peer();
  info.in_memory = link.shared_memory;
  info.details["ucx"] = ucp_get_version_string();
  info.details["tls"] = link.settings.UcxTls();
  info.details["lanes"] = link.worker->Lanes();
  info.details["wait"] = link.worker->event_fd() < 0 ? "sleeps 100 us at a time" : "blocks";
  if (!link.settings.net_devices.empty()) info.details["net_devices"] = link.settings.net_devices;
  info.details["error_mode"] =
      link.shared_memory
          ? "none (with peer, UCX would give up the CMA lane); the side connection tells when "
            "the peer dies"
          : "peer (UCX watches the endpoint; it leaves out lanes that can't report a dead peer)";
  if (link.worker->reads_by_rdma()) {
    info.details["one_sided"] = "the adapter reads (ucp_get_nbx)";
  } else if (!link.shared_memory) {
    info.details["one_sided"] =
        link.peer.shared_memory_allowed && link.settings.SharedMemoryAllowed()
            ? "missing: the peer runs on another host or in another container"
            : "missing: over these lanes UCX would emulate a read with messages";
  } else if (!link.cma_missing.empty()) {
    info.details["one_sided"] = absl::StrCat("missing: ", link.cma_missing);
    info.details["cma"] = absl::StrCat("not used: ", link.cma_missing);
  } else {
    info.details["one_sided"] = "the kernel copies between the two processes (process_vm_readv)";
  }
  return info;
}

}  // namespace

absl::StatusOr<std::shared_ptr<UcxConnection>> UcxConnection::Create(std::shared_ptr<Shared> shared,
                                                                     Link link) {
  auto connection = std::make_shared<UcxConnection>(std::move(shared), std::move(link));
  if (connection->loop_->Register(connection)) return connection;
  connection->CloseOnLoop(absl::CancelledError("the transport was stopped"));
  return absl::CancelledError("the transport was stopped");
}

UcxConnection::UcxConnection(std::shared_ptr<Shared> shared, Link link)
    : shared_(std::move(shared)),
      loop_(shared_->loop),
      side_(link.side),
      shared_memory_(link.shared_memory),
      info_(Describe(link)),
      deadline_timer_(loop_->io()),
      goodbye_timer_(loop_->io()) {
  worker_ = std::move(link.worker);
  auto wake = [this] { loop_->Wake(shared_from_this()); };
  if (link.shared_memory && link.cma_missing.empty()) {
    copies_by_kernel_ = true;
    one_sided_ = std::make_unique<ProcessReads>(shared_, std::move(link.peer), std::move(wake));
  } else if (worker_->reads_by_rdma()) {
    one_sided_ = std::make_unique<RemoteKeyReads>(shared_, std::move(link.peer), std::move(wake),
                                                  worker_.get());
  }
  if (worker_->event_fd() >= 0) event_.emplace(loop_->io(), worker_->event_fd());
}

void UcxConnection::Send(Message message, absl::Time deadline, Done done) {
  SendOp op(std::move(message), deadline, std::move(done));
  bool wake = false;
  const absl::Status status = queue_.Push(op, wake);
  if (!status.ok()) {
    loop_->Post([done = std::move(op.done), status]() mutable { std::move(done)(status); });
    return;
  }
  if (wake) loop_->Wake(shared_from_this());
}

void UcxConnection::Close(absl::Status reason) {
  if (closing_.exchange(true)) return;
  if (reason.ok()) reason = absl::CancelledError("the connection was closed on this side");
  loop_->Post([self = shared_from_this(), reason = std::move(reason)] {
    self->asked_to_close_ = true;
    self->CloseOnLoop(reason);
  });
}

void UcxConnection::Start(std::shared_ptr<Receiver> receiver) {
  if (closed_) return;
  receiver_ = std::move(receiver);
  started_ = true;
  inbox_.Start(*worker_, *side_, shared_memory_, receiver_.get(), &closing_);
  AwaitSideChannel();
  loop_->Activate(this);
  OnWake();  // what was sent from the accept handler
}

// --- the progress thread ----------------------------------------------------------------------------------------

void UcxConnection::OnWake() {
  if (closing_ || !started_) return;  // what waits is about to be failed, or comes with Start
  queue_.Take(arriving_);
  absl::Time earliest =
      one_sided_ != nullptr ? one_sided_->EarliestDeadline() : absl::InfiniteFuture();
  while (!arriving_.empty()) {
    earliest = std::min(earliest, arriving_.front().deadline);
    sender_.Push(arriving_.pop_front());
  }
  ArmDeadline(earliest);
  if (closed_) return;
  loop_->Activate(this);
  if (sender_.Pump(*worker_).ok()) sender_.Finish(queue_, closing_);
  AfterProgress();
}

bool UcxConnection::Progress() {
  const bool worked = worker_->Progress();
  if (lingering_) return worked;
  return AfterProgress() || worked;
}

// Completes what is out, sends on, and closes if something broke. True if there was something to do.
bool UcxConnection::AfterProgress() {
  bool worked = sender_.Finish(queue_, closing_);
  if (!closing_ && sender_.Pump(*worker_).ok() && one_sided_ != nullptr) {
    if (one_sided_->Progress([this] { return side_->PeerIsGone(); })) worked = true;
  }
  absl::Status broken = inbox_.status();
  if (broken.ok()) broken = sender_.status();
  if (broken.ok() && one_sided_ != nullptr) broken = one_sided_->status();
  if (broken.ok() && worker_->endpoint_error() != UCS_OK) {
    broken = UcxError(absl::StrCat("the connection with ", info_.peer, " broke"),
                      worker_->endpoint_error());
  }
  if (closing_) return worked;  // Close's task is on the way, with its own reason
  if (!broken.ok()) {
    CloseForBadPeer(broken);
    return true;
  }
  if (goodbye_.has_value() && inbox_.messages_taken() >= *goodbye_ && inbox_.idle()) {
    CloseOnLoop(
        absl::UnavailableError(absl::StrCat("the peer ", info_.peer, " closed the connection")));
    return true;
  }
  return worked;
}

Armed UcxConnection::Arm() {
  if (one_sided_ != nullptr && !lingering_ && !one_sided_->idle()) return Armed::kNo;
  if (!event_.has_value()) return Armed::kNo;
  if (!worker_->Arm()) return Armed::kBusy;
  const std::shared_ptr<UcxConnection> self = shared_from_this();
  // A completion that came between the last look and the arming is not announced by verbs: look once more.
  if (worker_->Progress() || worker_ == nullptr) return Armed::kBusy;
  AwaitEvent();
  return Armed::kYes;
}

void UcxConnection::AwaitEvent() {
  if (std::exchange(awaiting_event_, true)) return;
  event_->async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const asio::error_code& error) {
                       self->awaiting_event_ = false;
                       if (!error && self->worker_ != nullptr) self->loop_->Activate(self.get());
                     });
}

// --- the side channel -------------------------------------------------------------------------------------------

void UcxConnection::AwaitSideChannel() {
  side_->Read([self = shared_from_this()](absl::StatusOr<Frame> frame) {
    self->OnSideChannel(std::move(frame));
  });
}

void UcxConnection::OnSideChannel(absl::StatusOr<Frame> frame) {
  if (lingering_) {
    if (frame.ok()) {
      AwaitSideChannel();  // both say goodbye at once
    } else {
      EndGoodbye();
    }
    return;
  }
  if (closed_) return;
  if (!frame.ok()) {
    Drain();
    if (!closing_) CloseOnLoop(frame.status());
    return;
  }
  absl::StatusOr<uint64_t> messages = DecodeNumber(frame->body);
  if (frame->type != FrameType::kGoodbye || !messages.ok()) {
    CloseForBadPeer(absl::UnavailableError(
        absl::StrCat("the peer ", info_.peer, " does not keep to the ucx transport's protocol")));
    return;
  }
  AwaitSideChannel();
  OnGoodbye(*messages);
}

void UcxConnection::OnGoodbye(uint64_t messages) {
  goodbye_ = messages;
  loop_->Activate(this);
  goodbye_timer_->expires_after(absl::ToChronoNanoseconds(kGoodbyePatience));
  goodbye_timer_->async_wait([self = shared_from_this()](const asio::error_code& error) {
    if (error || self->closed_ || self->closing_) return;
    self->CloseOnLoop(absl::UnavailableError(
        absl::StrCat("the peer ", self->info_.peer, " closed the connection in mid-message")));
  });
  if (!closing_) AfterProgress();
}

// Takes what the peer had sent before it died.
void UcxConnection::Drain() {
  inbox_.PeerIsDead();
  for (int i = 0; i < kDrainTurnsMax && !closing_ && worker_->Progress(); ++i) {
  }
}

// --- deadlines --------------------------------------------------------------------------------------------------

// The timer stays at the earliest deadline that it was ever set to; when it fires, it is set to what is the earliest
// then. So messages with rising deadlines do not move it.
void UcxConnection::ArmDeadline(absl::Time deadline) {
  if (deadline >= armed_deadline_) return;
  const absl::Duration left = deadline - loop_->executor().Now();
  if (left <= absl::ZeroDuration()) {
    OnDeadline();
    return;
  }
  armed_deadline_ = deadline;
  deadline_timer_->expires_after(absl::ToChronoNanoseconds(std::min(left, absl::Hours(24))));
  deadline_timer_->async_wait([self = shared_from_this()](const asio::error_code& error) {
    if (!error && !self->closed_) self->OnDeadline();
  });
}

void UcxConnection::OnDeadline() {
  armed_deadline_ = absl::InfiniteFuture();
  absl::Time earliest = sender_.EarliestDeadline();
  if (one_sided_ != nullptr) earliest = std::min(earliest, one_sided_->EarliestDeadline());
  if (earliest > loop_->executor().Now()) {
    ArmDeadline(earliest);
    return;
  }
  CloseOnLoop(absl::DeadlineExceededError(
      absl::StrCat("a message to or a read from ", info_.peer,
                   " was not done by its deadline; the connection is closed")));
}

// --- the end ----------------------------------------------------------------------------------------------------

void UcxConnection::CloseForBadPeer(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) {
    loop_->Log(LogLevel::kWarning, absl::StrCat("ucx: closing the connection with ", info_.peer,
                                                ": ", status.message()));
  }
  CloseOnLoop(status);
}

void UcxConnection::CloseOnLoop(const absl::Status& reason) {
  if (std::exchange(closed_, true)) return;
  const std::shared_ptr<UcxConnection> self = shared_from_this();
  closing_ = true;
  deadline_timer_.reset();
  if (!BeginGoodbye(reason)) DropWorker();
  inbox_.Fail(reason);
  if (one_sided_ != nullptr) one_sided_->Close(reason);
  queue_.Close(sender_.ops(), reason);
  loop_->Unregister(this);
  const std::shared_ptr<Receiver> receiver = std::move(receiver_);
  if (receiver != nullptr) receiver->OnClosed(reason);
}

// False if there is nothing to wait for: the peer has gone, or is to see a broken connection.
bool UcxConnection::BeginGoodbye(const absl::Status& reason) {
  if (!started_ || goodbye_.has_value() || sender_.in_flight() || !inbox_.idle() ||
      !(asked_to_close_ || absl::IsCancelled(reason)) || !inbox_.status().ok() ||
      (one_sided_ != nullptr && one_sided_->in_flight()) || side_->PeerIsGone()) {
    return false;
  }
  inbox_.Mute();
  lingering_ = true;
  loop_->LingerBegins();
  loop_->Activate(this);
  side_->Write(FrameType::kGoodbye, EncodeNumber(sender_.messages_started()));
  goodbye_timer_->expires_after(absl::ToChronoNanoseconds(kGoodbyePatience));
  goodbye_timer_->async_wait([self = shared_from_this()](const asio::error_code& error) {
    if (!error) self->EndGoodbye();
  });
  return true;
}

void UcxConnection::EndGoodbye() {
  if (!std::exchange(lingering_, false)) return;
  DropWorker();
  loop_->LingerEnds();
}

// UCX aborts the process if a worker is destroyed with a copy by the kernel unfinished.
void UcxConnection::FinishCopies() {
  if (!inbox_.fetching()) return;
  int quiet = 0;
  for (int i = 0; i < kFetchTurnsMax && quiet < kQuietTurns; ++i)
    quiet = worker_->Progress() || inbox_.fetching() ? 0 : quiet + 1;
}

void UcxConnection::DropWorker() {
  loop_->Deactivate(this);
  goodbye_timer_.reset();
  // First: from now on the peer does not believe what it reads of this process's memory.
  side_->Close();
  if (event_.has_value()) event_->release();  // the descriptor is UCX's
  event_.reset();
  inbox_.Abandon();
  if (copies_by_kernel_) FinishCopies();
  inbox_.ReleaseKept();
  worker_->CloseEndpoint();
  if (one_sided_ != nullptr) one_sided_->DropKeys();
  worker_.reset();
}

}  // namespace tideway::ucx
