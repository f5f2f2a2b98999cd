#include "transports/ucx/inbox.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transports/ucx/sender.h"

namespace tideway::ucx {

void Inbox::Start(Worker& worker, SideChannel& side, bool reads_peer, Receiver* receiver,
                  const std::atomic<bool>* closing) {
  worker_ = &worker;
  side_ = &side;
  reads_peer_ = reads_peer;
  receiver_ = receiver;
  closing_ = closing;
  worker.OnMessage(kMessageId, &OnArrival, this);
}

bool Inbox::Deaf() const {
  return receiver_ == nullptr || !status_.ok() || closing_->load(std::memory_order_relaxed);
}

ucs_status_t Inbox::OnArrival(void* inbox, const void* header, size_t header_bytes, void* data,
                              size_t bytes, const ucp_am_recv_param_t* params) {
  return static_cast<Inbox*>(inbox)->Arrived(
      absl::MakeConstSpan(static_cast<const std::byte*>(header), header_bytes), data, bytes,
      params->recv_attr);
}

ucs_status_t Inbox::Arrived(absl::Span<const std::byte> header, void* data, size_t bytes,
                            uint64_t attributes) {
  if (Deaf()) return UCS_OK;
  absl::StatusOr<MessagePrefix> prefix = DecodeMessagePrefix(header, bytes);
  if (!prefix.ok()) {
    status_ = prefix.status();
    return UCS_OK;
  }
  const Arrival arrival = {*prefix, header.subspan(kMessagePrefixBytes), data,
                           (attributes & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0};
  if (prefix->sequence != expected_) return Keep(arrival, bytes, attributes);
  const bool taken = Take(arrival);
  TakeKept();
  return taken ? UCS_INPROGRESS : UCS_OK;
}

ucs_status_t Inbox::Keep(const Arrival& arrival, size_t bytes, uint64_t attributes) {
  const uint64_t sequence = arrival.prefix.sequence;
  // A sequence below `expected_` wraps around to a large difference.
  if (sequence - expected_ >= kSendsInFlightMax || kept_.contains(sequence)) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat("message ", sequence, " came when ", expected_, " was expected"));
    return UCS_OK;
  }
  Kept kept = {arrival.prefix,     {arrival.header.begin(), arrival.header.end()}, {}, arrival.data,
               arrival.rendezvous, (attributes & UCP_AM_RECV_ATTR_FLAG_DATA) != 0};
  const bool held_by_ucx = kept.rendezvous || kept.ucx_keeps;
  if (!held_by_ucx) {
    const auto* first = static_cast<const std::byte*>(arrival.data);
    kept.copy.assign(first, first + bytes);
    kept.data = kept.copy.data();
  }
  kept_.emplace(sequence, std::move(kept));
  return held_by_ucx ? UCS_INPROGRESS : UCS_OK;
}

void Inbox::TakeKept() {
  while (!kept_.empty() && kept_.begin()->first == expected_ && !Deaf()) {
    Kept kept = std::move(kept_.begin()->second);
    kept_.erase(kept_.begin());
    const bool taken = Take({kept.prefix, kept.header, kept.data, kept.rendezvous});
    if (!taken && (kept.rendezvous || kept.ucx_keeps))
      ucp_am_data_release(worker_->handle(), kept.data);
  }
}

bool Inbox::Take(const Arrival& arrival) {
  ++expected_;
  if (arrival.rendezvous && reads_peer_ && (peer_is_dead_ || side_->PeerIsGone())) {
    status_ = absl::UnavailableError(
        absl::StrCat("the peer ", side_->peer(), " closed the connection in mid-message"));
    return false;
  }
  if (arrival.rendezvous && landings_ >= kSendsInFlightMax) {
    status_ = absl::InvalidArgumentError("the peer has more messages in flight than it may");
    return false;
  }
  absl::StatusOr<Landing> landing =
      receiver_->OnMessage(arrival.header, arrival.prefix.payload_bytes);
  if (!landing.ok()) {
    status_ = landing.status();
    return false;
  }
  if (landing->destination.size() != arrival.prefix.payload_bytes) {
    status_ =
        absl::InternalError(absl::StrCat("the receiver gave ", landing->destination.size(),
                                         " bytes for a payload of ", arrival.prefix.payload_bytes));
    if (landing->done) std::move(landing->done)(status_);
    return false;
  }
  if (arrival.rendezvous) return Fetch(arrival, *std::move(landing));
  if (!landing->destination.empty())
    std::memcpy(landing->destination.data(), arrival.data, landing->destination.size());
  if (landing->done) std::move(landing->done)(absl::OkStatus());
  return false;
}

bool Inbox::Fetch(const Arrival& arrival, Landing landing) {
  LandingSlot* const slot = FreeSlot();
  slot->done = std::move(landing.done);
  ++landings_;
  ucp_request_param_t params = {};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  params.cb.recv_am = &OnLanded;
  params.user_data = slot;
  void* const request =
      ucp_am_recv_data_nbx(worker_->handle(), arrival.data, landing.destination.data(),
                           landing.destination.size(), &params);
  if (request == nullptr) {
    Landed(*slot, absl::OkStatus());
  } else if (UCS_PTR_IS_ERR(request)) {
    Landed(*slot, UcxError("UCX can't fetch a payload", UCS_PTR_STATUS(request)));
  }
  return true;
}

Inbox::LandingSlot* Inbox::FreeSlot() {
  for (const auto& slot : slots_) {
    if (!std::exchange(slot->used, true)) return slot.get();
  }
  slots_.push_back(std::make_unique<LandingSlot>());
  slots_.back()->inbox = this;
  slots_.back()->used = true;
  return slots_.back().get();
}

void Inbox::OnLanded(void* request, ucs_status_t status, size_t, void* slot) {
  auto& landed = *static_cast<LandingSlot*>(slot);
  ucp_request_free(request);
  landed.inbox->Landed(
      landed, status == UCS_OK ? absl::OkStatus() : UcxError("a payload did not arrive", status));
}

void Inbox::Landed(LandingSlot& slot, absl::Status status) {
  if (abandoned_) {
    --fetching_;
    return;
  }
  // The peer may have gone on to use its memory for something else once it had closed; but not before.
  if (status.ok() && reads_peer_ && side_->PeerIsGone()) {
    status = absl::UnavailableError(
        absl::StrCat("the peer ", side_->peer(), " closed the connection in mid-message"));
  }
  if (!status.ok() && status_.ok()) status_ = status;
  --landings_;
  slot.used = false;
  Done done = std::exchange(slot.done, nullptr);
  if (done) std::move(done)(std::move(status));
}

void Inbox::Abandon() {
  receiver_ = nullptr;
  if (!std::exchange(abandoned_, true)) fetching_ = landings_;
}

void Inbox::ReleaseKept() {
  for (auto& [sequence, kept] : kept_) {
    if (kept.ucx_keeps) ucp_am_data_release(worker_->handle(), kept.data);
  }
  kept_.clear();
}

void Inbox::Fail(const absl::Status& reason) {
  receiver_ = nullptr;
  for (const auto& slot : slots_) {
    if (!std::exchange(slot->used, false)) continue;
    --landings_;
    Done done = std::exchange(slot->done, nullptr);
    if (done) std::move(done)(reason);
  }
}

}  // namespace tideway::ucx
