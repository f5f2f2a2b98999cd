#include "core/client/pull_lane.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/client/finite.h"
#include "core/wire/control.h"

namespace tideway {
namespace {

bool Failed(const wire::FrameHeader& reply) { return (reply.flags & wire::kFlagFailed) != 0; }

bool HasDifferences(const wire::FrameHeader& reply) {
  return (reply.flags & wire::kFlagDifferences) != 0;
}

// Why the server could not answer. Never OK.
absl::Status RefusalOf(absl::Span<const std::byte> payload) {
  const auto refusal = wire::UnpackControl<wire::Refusal>(payload);
  return refusal.ok() ? wire::FromProto(*refusal) : refusal.status();
}

}  // namespace

PullLane::PullLane(ClientShared* shared, FrameSender* sender, uint32_t server)
    : shared_(shared),
      sender_(sender),
      server_(server),
      puller_(shared, server,
              [this](uint64_t id, OneSidedPuller::Outcome outcome, uint64_t version) {
                OnPulled(id, outcome, version);
              }),
      copies_(shared->config.layout.fragments_of(server)) {}

void PullLane::OnWelcome(std::shared_ptr<Connection> connection, const wire::Welcome& welcome) {
  const Codec* const wanted = shared_->config.differences.get();
  differences_agreed_ = wanted != nullptr && welcome.pull_differences() == wanted->info().spec;
  if (differences_agreed_) {
    return puller_.LeaveToAsking(absl::StrCat("as differences, ", wanted->info().spec));
  }
  puller_.OnWelcome(std::move(connection), welcome);
  if (wanted == nullptr) return;
  const std::string why = welcome.differences_refused().empty()
                              ? "the server knows of none"
                              : wire::Printable(welcome.differences_refused());
  puller_.AddToMode(absl::StrCat("; no differences: ", why));
  if (std::exchange(no_differences_because_, why) == why) return;
  shared_->config.runtime->Log(
      LogLevel::kWarning,
      absl::StrCat("server ", server_,
                   " answers pulls with the whole parameters, not differences: ", why));
}

// The most that an answer may have.
size_t PullLane::BytesOf(const Part& part) const {
  const size_t elements = shared_->config.layout.fragments()[part.fragment].elements;
  const size_t plain = shared_->config.codec_down->Bound(elements);
  return shared_->config.differences == nullptr ? plain : std::max(plain, elements * sizeof(float));
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
  while (sender_->ready() && bytes_max_ > 0) {
    const auto next = NextToStart();
    if (next == waiting_.end()) return;
    const uint64_t id = *next;
    Part& part = parts_.at(id);
    const bool room =
        parts_under_way_ < parts_max_ && bytes_under_way_ + BytesOf(part) <= bytes_max_;
    if (!room && parts_under_way_ > 0) return;
    waiting_.erase(next);
    Start(id, part);
  }
}

std::deque<uint64_t>::iterator PullLane::NextToStart() {
  return std::find_if(waiting_.begin(), waiting_.end(), [this](uint64_t id) {
    return !fragments_under_way_.contains(parts_.at(id).fragment);
  });
}

void PullLane::Start(uint64_t id, Part& part) {
  ++parts_under_way_;
  bytes_under_way_ += BytesOf(part);
  if (shared_->config.differences != nullptr) fragments_under_way_.insert(part.fragment);
  if (!puller_.active()) return Ask(id, part);
  part.place = Place::kRead;
  puller_.Begin({.id = id,
                 .fragment = part.fragment,
                 .window = part.job->window,
                 .version_min = part.version_min,
                 .destination = DestinationOf(part)});
}

void PullLane::LeavesFlight(const Part& part) {
  bytes_under_way_ -= BytesOf(part);
  --parts_under_way_;
  fragments_under_way_.erase(part.fragment);
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
  part.held.reset();
  if (differences_agreed_) part.held = copies_.Held(part.fragment);
  const wire::ChainPosition held = part.held.value_or(wire::ChainPosition{});
  {
    absl::MutexLock lock(&mutex_);
    targets_[id] = Target{.fragment = part.fragment, .destination = destination, .held = held};
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
  if (part.held.has_value()) {
    header.codec = shared_->config.differences->info().wire_id;
    wire::SetHeld(held, header);
  }
  wire::WriteHeader(header, frame->headroom(wire::kFrameHeaderBytes));
  sender_->SendFrame(std::make_shared<Buffer>(*std::move(frame)));
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
  arrived.keep = part.held.has_value();
  if (arrived.checked.has_value() && !arrived.keep) {
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

absl::Status PullLane::Decode(const Arrived& arrived, absl::Span<float> destination) {
  const wire::FrameHeader& reply = arrived.header;
  if (arrived.buffer == nullptr) {
    absl::Status whole = arrived.checked.has_value()
                             ? *arrived.checked
                             : wire::CheckPayload(reply, tideway::BytesOf(destination));
    if (whole.ok() && arrived.keep) {
      copies_.Keep(reply.fragment, wire::ReachedOf(reply), destination);
    }
    return whole;
  }
  const absl::Span<const std::byte> payload = std::as_const(*arrived.buffer).span();
  if (absl::Status whole = wire::CheckPayload(reply, payload); !whole.ok()) return whole;
  if (Failed(reply)) return RefusalOf(payload);
  if (HasDifferences(reply)) {
    return copies_.Advance(reply.fragment, *shared_->config.differences, wire::ReachedOf(reply),
                           payload, destination);
  }
  std::fill(destination.begin(), destination.end(), 0.0f);
  return shared_->config.codec_down->DecodeAdd(payload, 1.0f, destination);
}

void PullLane::OnDecoded(uint64_t id, const wire::FrameHeader& reply, const absl::Status& status) {
  Part& part = parts_.at(id);  // an arrived part is never withdrawn
  // Our copy was another one than the server's. It is dropped, so the next answer is the whole one.
  const bool mismatch =
      HasDifferences(reply) && !Failed(reply) && absl::IsFailedPrecondition(status);
  if (mismatch) TellOfMismatch(status);
  if (mismatch && final_.ok() && !part.job->failed()) {
    part.job->report.bytes += reply.payload_bytes;
    BackToWaiting(id, part);
    Pump();
    return;
  }
  if (!status.ok() && !Failed(reply) && final_.ok() && !part.job->failed()) {
    // Damaged on the way, or no encoding at all: the answer of a healthier connection may be better.
    sender_->Break(status);
    BackToWaiting(id, part);
    Pump();
    return;
  }
  if (status.ok()) {
    if (HasDifferences(reply)) ++part.job->report.differences;
    Count(part, reply.fragment_version, reply.payload_bytes);
  } else {
    part.job->Fail(final_.ok() ? status : final_);
  }
  Settle(id);
  Pump();
}

void PullLane::TellOfMismatch(const absl::Status& status) {
  if (std::exchange(told_of_mismatch_, true)) return;
  shared_->config.runtime->Log(
      LogLevel::kWarning,
      absl::StrCat("server ", server_, ": ", status.message(),
                   "; the whole parameters are pulled instead (said once). Do both ends run the "
                   "same release?"));
}

void PullLane::Count(const Part& part, uint64_t version, uint64_t bytes) {
  PullReport& report = part.job->report;
  part.job->versions[part.fragment] = version;
  report.bytes += bytes;
  report.bytes_fp32 += DestinationOf(part).size() * sizeof(float);
}

void PullLane::BackToWaiting(uint64_t id, Part& part) {
  part.place = Place::kWaiting;
  LeavesFlight(part);
  waiting_.push_back(id);
  std::sort(waiting_.begin(), waiting_.end());  // in the order of the calls
}

void PullLane::Settle(uint64_t id) {
  auto node = parts_.extract(id);
  Part& part = node.mapped();
  if (part.place != Place::kWaiting) LeavesFlight(part);
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
