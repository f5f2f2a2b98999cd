#include "core/client/request_lane.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/wire/frame.h"

namespace tideway {
namespace {

// Unanswered requests per server. A trainer has two or three, and a server takes 64 of one session.
constexpr size_t kRequestsMax = 32;
// Where a long lease lets a stalled server go unnoticed for long, its heartbeats do not crowd out what the program asks.
constexpr size_t kHeartbeatsMax = kRequestsMax / 2;

}  // namespace

void RequestLane::Add(wire::ControlRequest request, absl::Time deadline, Done done) {
  if (!final_.ok()) {
    done(final_);
    return;
  }
  const size_t max = request.has_heartbeat() ? kHeartbeatsMax : kRequestsMax;
  if (entries_.size() >= max) {
    done(absl::ResourceExhaustedError(
        absl::StrCat(max, " requests wait for an answer; wait for some before asking more")));
    return;
  }
  const uint64_t id = sender_->NextRequestId();
  last_id_ = id;
  Entry& entry = entries_[id];
  entry.request = std::move(request);
  entry.done = std::move(done);
  entry.timer = shared_->tasks.At(deadline, [this, id] {
    Finish(id, absl::DeadlineExceededError("the deadline passed before the server had answered"));
  });
  if (sender_->ready()) Send(id, entry.request);
}

void RequestLane::Send(uint64_t id, const wire::ControlRequest& request) {
  wire::FrameHeader header;
  header.type = static_cast<uint8_t>(wire::FrameType::kRequest);
  header.session = sender_->session();
  header.sequence = id;
  absl::StatusOr<Buffer> frame = wire::PackControl(header, request, shared_->pool);
  if (!frame.ok()) {
    // Not from here: the caller may be walking over the entries.
    shared_->tasks.OnState([this, id, status = frame.status()] { Finish(id, status); });
    return;
  }
  sender_->SendFrame(std::make_shared<Buffer>(*std::move(frame)));
}

void RequestLane::OnReady() {
  for (const auto& [id, entry] : entries_) Send(id, entry.request);
}

void RequestLane::OnDisconnected() {
  for (auto it = entries_.begin(); it != entries_.end();) {
    const wire::ControlRequest& request = it->second.request;
    if (request.has_heartbeat() || request.has_share()) {
      shared_->tasks.Cancel(it->second.timer);
      it = entries_.erase(it);
    } else {
      ++it;
    }
  }
}

absl::Status RequestLane::OnReply(uint64_t id, wire::ControlReply reply) {
  if (id == 0 || id > last_id_) {
    return absl::InvalidArgumentError(
        absl::StrCat("reply to request ", id, ", which was never made"));
  }
  if (reply.has_error()) {
    Finish(id, wire::FromProto(reply.error()));
  } else {
    Finish(id, std::move(reply));
  }
  return absl::OkStatus();
}

void RequestLane::Finish(uint64_t id, absl::StatusOr<wire::ControlReply> result) {
  auto node = entries_.extract(id);  // nothing there: it came to its end before
  if (node.empty()) return;
  shared_->tasks.Cancel(node.mapped().timer);
  node.mapped().done(std::move(result));
}

void RequestLane::FailAll(const absl::Status& status) {
  final_ = status;
  while (!entries_.empty()) Finish(entries_.begin()->first, status);
}

}  // namespace tideway
