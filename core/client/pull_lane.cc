#include "core/client/pull_lane.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/wire/control.h"

namespace tideway {
namespace {

// What the transport's thread checks by itself: so little always, so much (about 50 us) while nothing else arrives.
constexpr uint32_t kElementsAtOnce = 4096;
constexpr uint32_t kElementsAlone = uint32_t{1} << 19;

constexpr size_t kAnyFragmentBytesMax = EncodedBytesMax(kFragmentBytesMax / sizeof(float));

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

bool Failed(const wire::FrameHeader& reply) { return (reply.flags & wire::kFlagFailed) != 0; }

// Why the server could not answer. Never OK.
absl::Status RefusalOf(absl::Span<const std::byte> payload) {
  const auto refusal = wire::UnpackControl<wire::Refusal>(payload);
  return refusal.ok() ? wire::FromProto(*refusal) : refusal.status();
}

}  // namespace

PullLane::PullLane(ClientShared* shared, FrameSender* sender, uint32_t server)
    : shared_(shared),
      sender_(sender),
      puller_(shared, server,
              [this](uint64_t id, OneSidedPuller::Outcome outcome, uint64_t version) {
                OnPulled(id, outcome, version);
              }) {}

size_t PullLane::BytesOf(const Part& part) const {
  return shared_->config.codec_down->Bound(
      shared_->config.layout.fragments()[part.fragment].elements);
}

absl::Span<float> PullLane::DestinationOf(const Part& part) const {
  const FragmentSpec& spec = shared_->config.layout.fragments()[part.fragment];
  return part.job->destination.subspan(spec.offset, spec.elements);
}

void PullLane::Add(std::shared_ptr<PullJob> job, uint32_t fragment) {
  if (!final_.ok()) job->Fail(final_);
  if (job->failed()) {
    job->Settle();
    return;
  }
  const uint64_t id = sender_->NextRequestId();
  {
    absl::MutexLock lock(&mutex_);
    last_id_ = id;
  }
  // A window's parameters are what they were when it closed; only the newest ones must contain the worker's own pushes.
  const uint64_t version_min = job->window == 0 ? shared_->acked_versions[fragment] : 0;
  parts_[id] = Part{.job = std::move(job), .fragment = fragment, .version_min = version_min};
  waiting_.push_back(id);
  Pump();
}

void PullLane::Pump() {
  while (!waiting_.empty() && sender_->ready() && bytes_max_ > 0) {
    const uint64_t id = waiting_.front();
    Part& part = parts_.at(id);
    const bool room =
        parts_under_way_ < parts_max_ && bytes_under_way_ + BytesOf(part) <= bytes_max_;
    if (!room && parts_under_way_ > 0) return;
    waiting_.pop_front();
    Start(id, part);
  }
}

void PullLane::Start(uint64_t id, Part& part) {
  ++parts_under_way_;
  bytes_under_way_ += BytesOf(part);
  if (!puller_.active()) return Ask(id, part);
  part.place = Place::kRead;
  puller_.Begin({.id = id,
                 .fragment = part.fragment,
                 .window = part.job->window,
                 .version_min = part.version_min,
                 .destination = DestinationOf(part)});
}

void PullLane::OnPulled(uint64_t id, OneSidedPuller::Outcome outcome, uint64_t version) {
  Part& part = parts_.at(id);
  const bool pulled = outcome == OneSidedPuller::Outcome::kPulled;
  if (!pulled && final_.ok() && !part.job->failed()) {
    if (outcome == OneSidedPuller::Outcome::kAsk && sender_->ready()) return Ask(id, part);
    BackToWaiting(id, part);
    return Pump();
  }
  if (pulled) {
    ++part.job->report.one_sided;
    Count(part, version, DestinationOf(part).size() * sizeof(float));
  } else if (!final_.ok()) {
    part.job->Fail(final_);
  }
  Settle(id);
  Pump();
}

// REQUIRES: the part is counted as under way.
void PullLane::Ask(uint64_t id, Part& part) {
  part.place = Place::kAsked;
  absl::StatusOr<Buffer> frame = shared_->pool.Take(0);
  if (!frame.ok()) {
    part.job->Fail(frame.status());
    Settle(id);
    return;
  }
  const absl::Span<float> destination = DestinationOf(part);
  {
    absl::MutexLock lock(&mutex_);
    targets_[id] = Target{.fragment = part.fragment, .destination = destination};
  }
  wire::FrameHeader header;
  header.type = static_cast<uint8_t>(wire::FrameType::kPull);
  header.session = sender_->session();
  header.sequence = id;
  header.fragment = part.fragment;
  header.elements = static_cast<uint32_t>(destination.size());
  header.base_version = part.version_min;
  header.window = part.job->window;
  header.codec = shared_->config.codec_down->info().wire_id;
  wire::WriteHeader(header, frame->headroom(wire::kFrameHeaderBytes));
  sender_->SendFrame(std::make_shared<Buffer>(*std::move(frame)));
}

absl::StatusOr<Landing> PullLane::Land(const wire::FrameHeader& reply) {
  absl::MutexLock lock(&mutex_);
  if (reply.sequence == 0 || reply.sequence > last_id_) {
    return Bad(absl::StrCat("answer to pull ", reply.sequence, ", which was never asked"));
  }
  auto it = targets_.find(reply.sequence);
  // Withdrawn in the meantime: it must land somewhere, and is then dropped.
  if (it == targets_.end()) return LandInBuffer(reply, kAnyFragmentBytesMax);
  Target& target = it->second;
  if (target.claimed) return Bad(absl::StrCat("second answer to pull ", reply.sequence));
  target.claimed = true;
  if (Failed(reply)) return LandInBuffer(reply, kControlBytesMax);
  if (reply.fragment != target.fragment || reply.elements != target.destination.size()) {
    return Bad(absl::StrCat("answer to pull ", reply.sequence, " has another fragment or length"));
  }
  if (reply.codec == kIdentityWireId) return LandInPlace(reply, target);
  if (reply.codec != shared_->config.codec_down->info().wire_id) {
    return Bad(absl::StrCat("answer to pull ", reply.sequence, " has codec ", reply.codec,
                            ", which was not agreed on"));
  }
  return LandInBuffer(reply, EncodedBytesMax(target.destination.size()));
}

absl::StatusOr<Landing> PullLane::LandInPlace(const wire::FrameHeader& reply, Target& target) {
  const size_t bytes = target.destination.size() * sizeof(float);
  if (reply.payload_bytes != bytes) {
    return Bad(absl::StrCat("answer to pull ", reply.sequence, " has ", reply.payload_bytes,
                            " bytes of fp32 instead of ", bytes));
  }
  target.in_place = true;
  Landing landing;
  landing.destination =
      absl::MakeSpan(reinterpret_cast<std::byte*>(target.destination.data()), bytes);
  shared_->answers_arriving.fetch_add(1);
  landing.done = [this, reply, payload = landing.destination](absl::Status status) {
    const bool alone = shared_->answers_arriving.fetch_sub(1) == 1;
    Arrived arrived{.id = reply.sequence, .header = reply};
    // While nothing else arrives, this thread has nothing better to do than to look at what is still in its cache.
    if (status.ok() &&
        (reply.elements <= kElementsAtOnce || (alone && reply.elements <= kElementsAlone))) {
      arrived.checked = wire::CheckPayload(reply, payload);
    }
    shared_->tasks.OnStateNow([this, arrived = std::move(arrived), status = std::move(status)] {
      OnLanded(arrived, status);
    });
  };
  return landing;
}

absl::StatusOr<Landing> PullLane::LandInBuffer(const wire::FrameHeader& reply, size_t bytes_max) {
  if (reply.payload_bytes > bytes_max) {
    return Bad(absl::StrCat("answer to pull ", reply.sequence, " has ", reply.payload_bytes,
                            " bytes, more than the ", bytes_max, " that it may have"));
  }
  absl::StatusOr<Buffer> taken = shared_->pool.Take(reply.payload_bytes);
  if (!taken.ok()) return taken.status();
  auto buffer = std::make_shared<Buffer>(*std::move(taken));
  Landing landing;
  landing.destination = buffer->span();
  landing.done = [this, reply, buffer](absl::Status status) {
    shared_->tasks.OnState([this, reply, buffer, status = std::move(status)] {
      OnLanded({.id = reply.sequence, .header = reply, .buffer = buffer}, status);
    });
  };
  return landing;
}

void PullLane::OnLanded(Arrived arrived, const absl::Status& status) {
  auto it = parts_.find(arrived.id);
  if (it == parts_.end() || it->second.place != Place::kAsked) return;  // withdrawn
  {
    absl::MutexLock lock(&mutex_);
    targets_.erase(arrived.id);
  }
  // The connection is going down; OnDisconnected makes the part wait again.
  if (!status.ok()) return;
  Part& part = it->second;
  part.place = Place::kArrived;
  if (arrived.checked.has_value()) {
    OnDecoded(arrived.id, arrived.header, *arrived.checked);
    return;
  }
  shared_->tasks.Anywhere([this, arrived = std::move(arrived), destination = DestinationOf(part)] {
    const absl::Status decoded = Decode(arrived, destination);
    shared_->tasks.OnStateNow([this, id = arrived.id, header = arrived.header, decoded] {
      OnDecoded(id, header, decoded);
    });
  });
}

absl::Status PullLane::Decode(const Arrived& arrived, absl::Span<float> destination) const {
  if (arrived.buffer == nullptr) {
    return wire::CheckPayload(
        arrived.header, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(destination.data()),
                                            destination.size() * sizeof(float)));
  }
  const absl::Span<const std::byte> payload = std::as_const(*arrived.buffer).span();
  if (absl::Status whole = wire::CheckPayload(arrived.header, payload); !whole.ok()) return whole;
  if (Failed(arrived.header)) return RefusalOf(payload);
  std::fill(destination.begin(), destination.end(), 0.0f);
  return shared_->config.codec_down->DecodeAdd(payload, 1.0f, destination);
}

void PullLane::OnDecoded(uint64_t id, const wire::FrameHeader& reply, const absl::Status& status) {
  Part& part = parts_.at(id);  // an arrived part is never withdrawn
  if (!status.ok() && !Failed(reply) && final_.ok() && !part.job->failed()) {
    // Damaged on the way, or no encoding at all: the answer of a healthier connection may be better.
    sender_->Break(status);
    BackToWaiting(id, part);
    Pump();
    return;
  }
  if (status.ok()) {
    Count(part, reply.fragment_version, reply.payload_bytes);
  } else {
    part.job->Fail(final_.ok() ? status : final_);
  }
  Settle(id);
  Pump();
}

void PullLane::Count(const Part& part, uint64_t version, uint64_t bytes) {
  PullReport& report = part.job->report;
  part.job->versions[part.fragment] = version;
  report.bytes += bytes;
  report.bytes_fp32 += DestinationOf(part).size() * sizeof(float);
}

void PullLane::BackToWaiting(uint64_t id, Part& part) {
  part.place = Place::kWaiting;
  bytes_under_way_ -= BytesOf(part);
  --parts_under_way_;
  waiting_.push_back(id);
  std::sort(waiting_.begin(), waiting_.end());  // in the order of the calls
}

void PullLane::Settle(uint64_t id) {
  auto node = parts_.extract(id);
  Part& part = node.mapped();
  if (part.place != Place::kWaiting) {
    bytes_under_way_ -= BytesOf(part);
    --parts_under_way_;
  }
  part.job->Settle();
}

void PullLane::OnReady(size_t credit_bytes, size_t pulls_max) {
  bytes_max_ = std::max<size_t>(credit_bytes, 1);
  parts_max_ = std::max<size_t>(pulls_max, 1);
  Pump();
}

void PullLane::OnDisconnected() {
  {
    absl::MutexLock lock(&mutex_);
    targets_.clear();
  }
  const std::vector<uint64_t> unread = puller_.OnDisconnected();
  std::vector<uint64_t> given_up;  // and held until now by an answer that was landing in place
  for (auto& [id, part] : parts_) {
    const bool read =
        part.place == Place::kRead && std::binary_search(unread.begin(), unread.end(), id);
    if (part.place != Place::kAsked && !read) continue;
    if (part.job->failed()) {
      given_up.push_back(id);
    } else {
      BackToWaiting(id, part);
    }
  }
  for (uint64_t id : given_up) Settle(id);
}

void PullLane::Withdraw(const PullJob* job) {
  std::vector<uint64_t> free;
  bool in_users_memory = false;
  {
    absl::MutexLock lock(&mutex_);
    for (auto& [id, part] : parts_) {
      if (part.job.get() != job || part.place == Place::kArrived) continue;
      if (part.place == Place::kRead) {
        const OneSidedPuller::Hold hold = puller_.Withdraw(id);
        if (hold == OneSidedPuller::Hold::kFree) free.push_back(id);
        in_users_memory |= hold == OneSidedPuller::Hold::kReading;
        continue;
      }
      auto target = targets_.find(id);
      if (target != targets_.end() && target->second.in_place) {
        in_users_memory = true;
      } else {
        free.push_back(id);
        if (target != targets_.end()) targets_.erase(target);
      }
    }
  }
  std::erase_if(waiting_,
                [&free](uint64_t id) { return std::binary_search(free.begin(), free.end(), id); });
  for (uint64_t id : free) Settle(id);
  if (in_users_memory) {
    sender_->Break(absl::CancelledError("a pull gave up while its answer was arriving"));
  }
  Pump();
}

void PullLane::FailAll(const absl::Status& status) {
  final_ = status;
  waiting_.clear();
  std::vector<uint64_t> free;
  for (const auto& [id, part] : parts_) {
    // The others are being decoded or checked, and settle then.
    if (part.place != Place::kArrived && !puller_.checking(id)) free.push_back(id);
  }
  for (uint64_t id : free) {
    parts_.at(id).job->Fail(status);
    Settle(id);
  }
}

}  // namespace tideway
