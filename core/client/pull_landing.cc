// The part of PullLane that runs on the transport's thread: where an answer may land, or why it breaks the protocol.

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/client/pull_lane.h"
#include "core/wire/payload_scan.h"

namespace tideway {
namespace {

// What the transport's thread checks by itself: so little always, so much (about 50 us) while nothing else arrives.
constexpr size_t kBytesAtOnce = size_t{16} << 10;
constexpr size_t kBytesAlone = size_t{2} << 20;

constexpr size_t kAnyFragmentBytesMax = EncodedBytesMax(kFragmentBytesMax / sizeof(float));

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

// An answer that lands where the user wants it.
struct ArrivingAnswer {
  wire::FrameHeader header;
  wire::PayloadScanner scanner;

  absl::Status Check() {
    const bool hashed = (header.flags & wire::kFlagUnhashed) == 0;
    if (!hashed || scanner.Finish().hash == header.payload_hash) return absl::OkStatus();
    return wire::DamagedPayload(header);
  }
};

}  // namespace

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
  if ((reply.flags & wire::kFlagFailed) != 0) return LandInBuffer(reply, kControlBytesMax);
  if (reply.fragment != target.fragment || reply.elements != target.destination.size()) {
    return Bad(absl::StrCat("answer to pull ", reply.sequence, " has another fragment or length"));
  }
  if ((reply.flags & wire::kFlagDifferences) != 0) {
    if (absl::Status status = CheckDifferences(reply, target); !status.ok()) return status;
    return LandInBuffer(reply, target.destination.size() * sizeof(float));
  }
  if (reply.codec == kIdentityWireId) return LandInPlace(reply, target);
  if (reply.codec != shared_->config.codec_down->info().wire_id) {
    return Bad(absl::StrCat("answer to pull ", reply.sequence, " has codec ", reply.codec,
                            ", which was not agreed on"));
  }
  return LandInBuffer(reply, EncodedBytesMax(target.destination.size()));
}

absl::Status PullLane::CheckDifferences(const wire::FrameHeader& reply,
                                        const Target& target) const {
  if (target.held.none() || wire::StartOf(reply) != target.held) {
    return Bad(absl::StrCat("answer to pull ", reply.sequence,
                            " has differences from a copy that is not here"));
  }
  if (reply.codec == shared_->config.differences->info().wire_id) return absl::OkStatus();
  return Bad(absl::StrCat("answer to pull ", reply.sequence, " has differences by codec ",
                          reply.codec, ", which was not agreed on"));
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
  auto answer = std::make_unique<ArrivingAnswer>(
      ArrivingAnswer{reply, wire::PayloadScanner(landing.destination)});
  if ((reply.flags & wire::kFlagUnhashed) == 0) {
    landing.progress = [scanner = &answer->scanner](size_t landed) { scanner->Advance(landed); };
  }
  landing.done = [this, answer = std::move(answer)](absl::Status status) {
    const bool alone = shared_->answers_arriving.fetch_sub(1) == 1;
    Arrived arrived{.id = answer->header.sequence, .header = answer->header};
    // While nothing else arrives, this thread has nothing better to do than to look at what is still in its cache.
    const size_t left = answer->scanner.left();
    if (status.ok() && (left <= kBytesAtOnce || (alone && left <= kBytesAlone))) {
      arrived.checked = answer->Check();
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

}  // namespace tideway
