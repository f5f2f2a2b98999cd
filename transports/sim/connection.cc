#include "transports/sim/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::sim {
namespace {

// What a message costs on the wire beside its own bytes.
constexpr size_t kFramingBytes = 12;

}  // namespace

SimConnection::SimConnection(std::shared_ptr<Network> network, Executor* executor,
                             Identity identity)
    : network_(std::move(network)), executor_(executor), identity_(std::move(identity)) {}

void SimConnection::Join(const std::shared_ptr<SimConnection>& a,
                         const std::shared_ptr<SimConnection>& b) {
  a->peer_ = b;
  b->peer_ = a;
}

void SimConnection::Open(std::shared_ptr<Receiver> receiver) {
  receiver_ = std::move(receiver);
  opened_ = true;
  network_->AddEnd(shared_from_this());
  KickBoth();
}

// --- out --------------------------------------------------------------------------------------------------------

void SimConnection::Send(Message message, absl::Time deadline, Done done) {
  SendOp op(std::move(message), deadline, std::move(done));
  bool wake = false;
  const absl::Status status = queue_.Push(op, wake);
  if (!status.ok()) {
    executor_->Post([done = std::move(op.done), status]() mutable { std::move(done)(status); });
  } else if (wake) {
    executor_->Post([self = shared_from_this()] { self->Pump(); });
  }
}

void SimConnection::Pump() {
  if (closing_ || frozen_) return;
  RingQueue<SendOp> arrived;
  queue_.Take(arrived);
  while (!arrived.empty()) {
    deadlines_.insert(arrived.front().deadline);
    taken_.push_back(arrived.pop_front());
  }
  ArmDeadline();
  StartTransmission();
}

void SimConnection::StartTransmission() {
  if (transmitting_ || taken_.empty() || closed_ || frozen_ || Partitioned()) return;
  const SendOp& op = taken_.front();
  const auto [begin, end] = network_->Transmit(identity_.host, identity_.peer_host,
                                               executor_->Now(), op.bytes() + kFramingBytes);
  Parcel parcel;
  parcel.header.assign(reinterpret_cast<const char*>(op.message.header.data()),
                       op.message.header.size());
  parcel.payload.reserve(op.payload_bytes);
  for (absl::Span<const std::byte> part : op.message.payload) {
    parcel.payload.insert(parcel.payload.end(), part.begin(), part.end());
  }
  parcel.header_at = std::max(begin + network_->Delay(link()), last_arrival_);
  parcel.payload_at = parcel.header_at + (end - begin);
  parcel.breaks = network_->DrawReset(link());
  last_arrival_ = parcel.payload_at;
  flight_.push_back(std::move(parcel));
  ScheduleArrival();
  transmitting_ = true;
  executor_->PostAt(end, [self = shared_from_this(), transmission = ++transmission_] {
    if (self->transmitting_ && self->transmission_ == transmission) self->OnTransmitted();
  });
}

void SimConnection::OnTransmitted() {
  transmitting_ = false;
  if (frozen_) return;
  SendOp op = taken_.pop_front();
  deadlines_.erase(deadlines_.find(op.deadline));
  queue_.Release(op.bytes(), 1);
  if (taken_.empty() && deadline_timer_ != 0) {
    executor_->Cancel(std::exchange(deadline_timer_, 0));
    deadline_armed_ = absl::InfiniteFuture();
  }
  std::move(op.done)(absl::OkStatus());
  StartTransmission();
}

void SimConnection::ArmDeadline() {
  if (deadlines_.empty() || *deadlines_.begin() >= deadline_armed_) return;
  if (deadline_timer_ != 0) executor_->Cancel(deadline_timer_);
  deadline_armed_ = *deadlines_.begin();
  deadline_timer_ =
      executor_->PostAt(deadline_armed_, [self = shared_from_this()] { self->OnDeadline(); });
}

void SimConnection::OnDeadline() {
  deadline_timer_ = 0;
  deadline_armed_ = absl::InfiniteFuture();
  if (closed_ || frozen_ || deadlines_.empty()) return;
  if (*deadlines_.begin() > executor_->Now()) {
    ArmDeadline();
    return;
  }
  CloseNow(absl::DeadlineExceededError(
      absl::StrCat("a message to ", identity_.info.peer,
                   " was not out by its deadline; the connection is closed")));
}

// --- the end ----------------------------------------------------------------------------------------------------

void SimConnection::Close(absl::Status reason) {
  if (std::exchange(closing_, true)) return;
  if (reason.ok()) reason = absl::CancelledError("the connection was closed on this side");
  executor_->Post([self = shared_from_this(), reason = std::move(reason)] {
    if (!self->frozen_) self->CloseNow(reason);
  });
}

void SimConnection::CloseNow(const absl::Status& reason, bool silently) {
  if (std::exchange(closed_, true)) return;
  const std::shared_ptr<SimConnection> self = shared_from_this();
  closing_ = true;
  network_->RemoveEnd(this);
  network_->Tell({.at = executor_->Now(),
                  .kind = SimEvent::Kind::kClosed,
                  .from = identity_.host,
                  .to = identity_.peer_host,
                  .connection = identity_.id,
                  .reason = reason.ToString()});
  const bool in_transmission = std::exchange(transmitting_, false);
  if (in_transmission && !frozen_ && !flight_.empty()) flight_.back().cut = true;
  if (deadline_timer_ != 0) executor_->Cancel(std::exchange(deadline_timer_, 0));
  if (!silently && !frozen_)
    SendClose(absl::StrCat("the peer ", identity_.info.local, " closed the connection"));
  if (std::exchange(landing_active_, false)) {
    Landing landing = std::exchange(landing_, {});
    std::move(landing.done)(reason);
  }
  deadlines_.clear();
  queue_.Close(taken_, reason);
  const std::shared_ptr<Receiver> receiver = std::move(receiver_);
  if (receiver != nullptr) receiver->OnClosed(reason);
  // Two closed ends hold each other no longer.
  if (peer_ != nullptr && peer_->closed_) {
    peer_->peer_.reset();
    peer_.reset();
  }
}

void SimConnection::Freeze() {
  if (closed_ || std::exchange(frozen_, true)) return;
  if (deadline_timer_ != 0) executor_->Cancel(std::exchange(deadline_timer_, 0));
  flight_.clear();
  ++arrival_epoch_;
  arrival_scheduled_ = false;
  last_arrival_ = absl::InfinitePast();
  SendClose(absl::StrCat("the connection with ", identity_.info.local, " broke: its process died"));
}

void SimConnection::SendClose(std::string reason) {
  Parcel parcel;
  parcel.header_at = std::max(executor_->Now() + network_->Delay(link()), last_arrival_);
  parcel.close_reason = std::move(reason);
  last_arrival_ = parcel.header_at;
  flight_.push_back(std::move(parcel));
  ScheduleArrival();
}

// --- in, at the peer --------------------------------------------------------------------------------------------

void SimConnection::KickBoth() {
  Kick();
  if (peer_ != nullptr) peer_->Kick();
}

void SimConnection::BreakSoon() {
  executor_->Post([self = shared_from_this()] {
    const absl::Status reason = absl::UnavailableError("the connection broke");
    const std::shared_ptr<SimConnection> peer = self->peer_;
    if (!self->frozen_) self->CloseNow(reason, /*silently=*/true);
    if (peer != nullptr && !peer->frozen_) peer->CloseNow(reason, /*silently=*/true);
  });
}

void SimConnection::Kick() {
  StartTransmission();
  ScheduleArrival();
}

void SimConnection::ScheduleArrival() {
  if (arrival_scheduled_ || flight_.empty()) return;
  arrival_scheduled_ = true;
  const Parcel& next = flight_.front();
  executor_->PostAt(
      next.header_arrived ? next.payload_at : next.header_at,
      [self = shared_from_this(), epoch = arrival_epoch_] { self->OnArrival(epoch); });
}

void SimConnection::OnArrival(uint64_t epoch) {
  if (epoch != arrival_epoch_) return;
  arrival_scheduled_ = false;
  if (peer_ == nullptr || peer_->closed_ || peer_->frozen_) {
    flight_.clear();
    return;
  }
  if (Partitioned() || !peer_->opened_) return;  // until Kick
  Parcel& parcel = flight_.front();
  if (peer_->closing_ || parcel.cut) {
    flight_.pop_front();
  } else if (!parcel.close_reason.empty()) {
    const absl::Status reason = absl::UnavailableError(parcel.close_reason);
    flight_.clear();
    peer_->CloseNow(reason, /*silently=*/true);
  } else if (!parcel.header_arrived) {
    ArriveHeader(parcel);
  } else if (parcel.breaks) {
    const std::shared_ptr<SimConnection> peer = peer_;
    flight_.clear();
    peer->CloseNow(absl::UnavailableError("the connection broke in mid-message"),
                   /*silently=*/true);
    if (!frozen_) CloseNow(absl::UnavailableError("the connection broke"), /*silently=*/true);
  } else {
    ArrivePayload(parcel);
  }
  ScheduleArrival();
}

void SimConnection::ArriveHeader(Parcel& parcel) {
  parcel.header_arrived = true;
  const std::shared_ptr<SimConnection> peer = peer_;
  const std::string header = std::move(parcel.header);
  parcel.header_bytes = header.size();
  const size_t payload_bytes = parcel.payload.size();
  // From here on the parcel may be gone: the receiver may crash a host.
  absl::StatusOr<Landing> landing = peer->receiver_->OnMessage(
      {reinterpret_cast<const std::byte*>(header.data()), header.size()}, payload_bytes);
  if (!landing.ok()) {
    peer->CloseNow(landing.status());
    return;
  }
  peer->landing_ = *std::move(landing);
  peer->landing_active_ = true;
  if (peer->landing_.destination.size() == payload_bytes) return;
  peer->CloseNow(
      absl::InternalError(absl::StrCat("the receiver gave ", peer->landing_.destination.size(),
                                       " bytes for a payload of ", payload_bytes)));
}

void SimConnection::ArrivePayload(Parcel& parcel) {
  network_->Tell({.at = executor_->Now(),
                  .kind = SimEvent::Kind::kDelivered,
                  .from = identity_.host,
                  .to = identity_.peer_host,
                  .connection = identity_.id,
                  .header_bytes = parcel.header_bytes,
                  .payload_bytes = parcel.payload.size(),
                  .reason = {}});
  peer_->landing_active_ = false;
  Landing landing = std::exchange(peer_->landing_, {});
  if (!parcel.payload.empty()) {
    std::memcpy(landing.destination.data(), parcel.payload.data(), parcel.payload.size());
  }
  flight_.pop_front();
  std::move(landing.done)(absl::OkStatus());
}

}  // namespace tideway::sim
