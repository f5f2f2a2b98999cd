// What a PushLane does with the parts of a push that gives up, and with all of them when there is no connection any more.

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "core/client/push_lane.h"

namespace tideway {

void PushLane::ReturnDelta(Part part) {
  Strand& strand = CodecStrandOf(part);
  shared_->tasks.On(strand, [this, part = std::move(part)]() mutable {
    residual_.Add(part.fragment, DeltaOf(part));
    shared_->tasks.OnStateNow(
        [this, part = std::move(part)]() mutable { Settle(std::move(part)); });
  });
}

void PushLane::ReturnEncoded(Part part) {
  Strand& strand = CodecStrandOf(part);
  shared_->tasks.On(strand, [this, part = std::move(part)]() mutable {
    // Our own encoding of our own floats: it decodes.
    const absl::Status status =
        residual_.AddEncoded(*part.codec, part.fragment, part.frame->payload);
    assert(status.ok());
    (void)status;
    shared_->tasks.OnStateNow(
        [this, part = std::move(part)]() mutable { Settle(std::move(part)); });
  });
}

void PushLane::Withdraw(const PushJob* job) {
  codecs_.Disturbed();
  const auto mine = [job](const Part& part) { return part.job.get() == job; };
  const auto take = [&mine](std::deque<Part>& from) {
    std::deque<Part> taken;
    auto rest = std::stable_partition(from.begin(), from.end(),
                                      [&mine](const Part& part) { return !mine(part); });
    std::move(rest, from.end(), std::back_inserter(taken));
    from.erase(rest, from.end());
    return taken;
  };
  for (Part& part : take(waiting_)) ReturnDelta(std::move(part));
  for (Part& part : take(unsent_)) {
    Release(part);
    ReturnEncoded(std::move(part));
  }
  for (auto it = sent_.begin(); it != sent_.end();) {
    const auto at = it++;
    if (!mine(at->second)) continue;
    // The memory can't go back to the user then: the push ends when the server has answered, or is out of reach.
    if (!LeaveShared(at->second)) continue;
    Part given_up = at->second;
    if (!GoOnAlone(at->second)) {
      Release(at->second);
      sent_.erase(at);
    }
    Settle(std::move(given_up));
  }
  const bool stuck = std::any_of(leaving_.begin(), leaving_.end(), mine);
  if (stuck) sender_->Break(absl::CancelledError("a push gave up while it was leaving"));
  Pump();
}

bool PushLane::LeaveShared(const Part& part) {
  if (part.job == nullptr || part.frame->shared_nonce == 0) return true;
  return shared_->shared_deltas.Abandon(part.job->shared, part.frame->shared_nonce).ok();
}

bool PushLane::GoOnAlone(Part& part) {
  part.job = nullptr;
  if (!part.frame->lent) return true;
  const auto payload = part.frame->payload;
  absl::StatusOr<Buffer> copy = shared_->pool.Take(payload.size());
  if (!copy.ok()) return false;
  std::copy(payload.begin(), payload.end(), copy->data());
  part.frame = std::make_shared<PushFrame>(*std::move(copy));
  return true;
}

void PushLane::FailAll(const absl::Status& status) {
  final_ = status;
  for (Part& part : std::exchange(waiting_, {})) {
    part.job->Fail(status);
    ReturnDelta(std::move(part));
  }
  for (Part& part : std::exchange(unsent_, {})) {
    part.job->Fail(status);
    Release(part);
    ReturnEncoded(std::move(part));
  }
  for (auto& [sequence, part] : std::exchange(sent_, {})) {
    if (part.job != nullptr) part.job->Fail(status);
    (void)LeaveShared(
        part);  // where there is no memory for that, the user gets back what the server may read once more
    Release(part);
    Settle(std::move(part));
  }
}

}  // namespace tideway
