// What a server does with a push that has landed.

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/server/server_core.h"
#include "core/wire/payload_scan.h"

namespace tideway {
namespace {

constexpr uint32_t kElementsAtOnce = 4096;
constexpr uint32_t kElementsAlone = uint32_t{1} << 19;  // about 200 us
// The same where the payload lies in the worker's own memory, and in a cache of another core.
constexpr uint32_t kElementsAloneElsewhere = uint32_t{1} << 16;

// The hash of a push, if it has one. `finite`: the payload is fp32 values, and they were looked through on the way.
absl::Status CheckPush(ArrivedPush& push, bool& finite) {
  const wire::FrameHeader& header = push.header;
  if ((header.flags & wire::kFlagUnhashed) != 0) return absl::OkStatus();
  const wire::PayloadScan scan = push.scanner.Finish();
  if (scan.hash != header.payload_hash) return wire::DamagedPayload(header);
  finite =
      header.codec == kIdentityWireId && header.payload_bytes % sizeof(float) == 0 && scan.finite;
  return absl::OkStatus();
}

}  // namespace

void ServerCore::HandlePush(std::unique_ptr<ArrivedPush> push) {
  push->marks.Mark(&ServerPushTimes::landed);
  const wire::FrameHeader& header = push->header;
  Slot& slot = this->slot(header.fragment);
  const uint32_t alone_max = push->shared == nullptr ? kElementsAlone : kElementsAloneElsewhere;
  auto apply = [self = shared_from_this(), &slot, push = std::move(push)] {
    if (!self->stopped_) self->ApplyPush(slot, *push);
  };
  // This is the transport's thread. While nothing else arrives, it has nothing better to do than to step, with the payload still
  // in its cache; and stepping few elements always takes less than a hop to another thread.
  const bool alone = pushes_arriving_.fetch_sub(1) == 1;
  if (header.elements <= kElementsAtOnce || (alone && header.elements <= alone_max)) {
    slot.strand.Dispatch(std::move(apply));
  } else {
    slot.strand.Post(std::move(apply));
  }
}

void ServerCore::ApplyPush(Slot& slot, ArrivedPush& push) {
  const std::shared_ptr<Session>& session = push.session;
  const wire::FrameHeader& header = push.header;
  const absl::Span<const std::byte> payload = push.payload;
  const StageMarks<ServerPushTimes>& marks = push.marks;
  marks.Mark(&ServerPushTimes::apply_begun);
  bool finite = false;
  absl::Status status = CheckPush(push, finite);
  if (!status.ok()) return session->Refuse(status);
  Worker& worker = *session->worker();
  const uint64_t incarnation = session->identity().incarnation;
  if (worker.incarnation() != incarnation || !worker.active()) {
    return session->Refuse(absl::FailedPreconditionError(
        absl::StrCat("late push of ", worker.name(), ": its incarnation has ended")));
  }
  auto output = slot.fragment->Push({.worker = worker.id(),
                                     .incarnation = incarnation,
                                     .sequence = header.sequence,
                                     .floor = header.floor,
                                     .base_version = header.base_version,
                                     .active_workers = std::max(1u, workers_.active_count()),
                                     .codec = session->identity().CodecUp(header.codec),
                                     .payload = payload,
                                     .known_finite = finite,
                                     .marks = &marks},
                                    pool_);
  if (!output.ok()) return session->Refuse(output.status());
  CountPush(*output);
  if (marks.on()) TellTimes(worker, header, *output, marks.times());
  if (!output->duplicate && output->verdict == wire::Verdict::kApplied) PublishSoon(slot);
  worker.CountPush(output->verdict, output->duplicate, output->staleness, payload.size(),
                   header.elements * sizeof(float));
  Emit({.kind = ServerEvent::Kind::kPush,
        .worker = worker.id(),
        .sequence = header.sequence,
        .fragment = header.fragment,
        .version = output->version,
        .staleness = output->staleness,
        .verdict = output->duplicate ? "duplicate" : wire::VerdictName(output->verdict).data()});
  wire::FrameHeader ack;
  ack.type = static_cast<uint8_t>(wire::FrameType::kPushAck);
  ack.flags = output->duplicate ? wire::kFlagDuplicate : 0;
  ack.session = session->id();
  ack.sequence = header.sequence;
  ack.fragment = header.fragment;
  ack.elements = header.elements;
  ack.base_version = header.base_version;
  ack.fragment_version = output->version;
  ack.durable_version = slot.fragment->durable_version();
  ack.verdict = static_cast<uint8_t>(output->verdict);
  session->AckPush(ack, payload.size());
}

void ServerCore::TellTimes(const Worker& worker, const wire::FrameHeader& header,
                           const Fragment::PushOutput& output, ServerPushTimes& times) {
  if (output.duplicate || output.verdict == wire::Verdict::kRejected) return;
  times.worker = worker.id();
  times.fragment = header.fragment;
  times.sequence = header.sequence;
  absl::MutexLock lock(&event_mutex_);
  if (!stopped_) options_.on_push_times(times);
}

void ServerCore::CountPush(const Fragment::PushOutput& output) {
  if (output.duplicate) {
    duplicates_.fetch_add(1);
    return;
  }
  if (output.verdict == wire::Verdict::kApplied) outer_steps_.fetch_add(1);
  if (output.verdict == wire::Verdict::kBuffered) buffered_.fetch_add(1);
  if (output.verdict == wire::Verdict::kRejected) rejected_.fetch_add(1);
  staleness_bins_[std::min<uint64_t>(output.staleness, kStalenessBins - 1)].fetch_add(1);
}

}  // namespace tideway
