// What a server says to its ServerLink.

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/client/server_link.h"
#include "core/wire/control.h"

namespace tideway {
namespace {

constexpr absl::Duration kLeaseMin = absl::Milliseconds(30);
constexpr absl::Duration kLeaseMax = absl::Hours(24);

bool MayBeBetterLater(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsDataLoss(status);
}

}  // namespace

absl::StatusOr<Landing> ServerLink::OnMessage(uint64_t attempt,
                                              absl::Span<const std::byte> header_bytes,
                                              size_t payload_bytes) {
  SignOfLife();
  absl::StatusOr<wire::FrameHeader> header =
      wire::ReadHeader(header_bytes, payload_bytes, unhashed_);
  if (!header.ok()) return header.status();
  const auto type = static_cast<wire::FrameType>(header->type);
  switch (type) {
    case wire::FrameType::kPullReply:
      return pulls_.Land(*header);
    case wire::FrameType::kWelcome:
    case wire::FrameType::kRefuse:
    case wire::FrameType::kReply:
      return LandControl(attempt, *header);
    case wire::FrameType::kPushAck:
      return LandAck(attempt, *header);
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("a server never sends a ", wire::TypeName(type), " frame"));
  }
}

absl::StatusOr<Landing> ServerLink::LandControl(uint64_t attempt, const wire::FrameHeader& header) {
  if (header.payload_bytes > kControlBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ", wire::TypeName(static_cast<wire::FrameType>(header.type)), " frame of ",
                     header.payload_bytes, " bytes is over its limit"));
  }
  absl::StatusOr<Buffer> taken = shared_->pool.Take(header.payload_bytes);
  if (!taken.ok()) return taken.status();
  auto buffer = std::make_shared<Buffer>(*std::move(taken));
  Landing landing;
  landing.destination = buffer->span();
  landing.done = [this, attempt, header, buffer](const absl::Status& status) {
    if (!status.ok()) return;  // OnClosed follows
    shared_->tasks.OnState([this, attempt, header, buffer] {
      OnFrame(attempt, header, std::as_const(*buffer).span());
    });
  };
  return landing;
}

absl::StatusOr<Landing> ServerLink::LandAck(uint64_t attempt, const wire::FrameHeader& header) {
  if (header.payload_bytes != 0) {
    return absl::InvalidArgumentError("a push-ack frame has no payload");
  }
  Landing landing;
  landing.done = [this, attempt, header](const absl::Status& status) {
    if (!status.ok()) return;
    shared_->tasks.OnStateNow([this, attempt, header] { OnFrame(attempt, header, {}); });
  };
  return landing;
}

void ServerLink::OnFrame(uint64_t attempt, const wire::FrameHeader& header,
                         absl::Span<const std::byte> payload) {
  if (attempt != attempt_ || (state_ != State::kShaking && state_ != State::kReady)) return;
  absl::Status status = wire::CheckPayload(header, payload);
  if (status.ok()) status = Dispatch(header, payload);
  if (!status.ok()) Break(std::move(status));
}

absl::Status ServerLink::Dispatch(const wire::FrameHeader& header,
                                  absl::Span<const std::byte> payload) {
  const auto type = static_cast<wire::FrameType>(header.type);
  if (type == wire::FrameType::kRefuse) return OnRefuse(payload);
  if (type == wire::FrameType::kWelcome) return OnWelcome(payload);
  if (state_ != State::kReady) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ", wire::TypeName(type), " frame came before the welcome"));
  }
  absl::Status status =
      type == wire::FrameType::kPushAck ? pushes_.OnAck(header) : OnReply(header, payload);
  if (status.ok()) {  // a useful answer
    away_since_ = absl::InfiniteFuture();
    backoff_.Reset();
  }
  return status;
}

absl::Status ServerLink::OnWelcome(absl::Span<const std::byte> payload) {
  const auto welcome = wire::UnpackControl<wire::Welcome>(payload);
  if (!welcome.ok()) return welcome.status();
  if (state_ != State::kShaking) return absl::InvalidArgumentError("a second welcome");
  CancelTimers();
  state_ = State::kReady;
  session_ = welcome->session();
  const ConnectionInfo about = connection_->info();
  unhashed_ = welcome->unhashed() && about.in_memory;
  send_ahead_bytes_ = about.send_ahead_bytes;
  offers_.OnReady(unhashed_ && welcome->maps_memory());
  ready_since_ = shared_->tasks.Now();
  ReportPath();
  if (was_ready_) {
    shared_->config.runtime->Log(LogLevel::kInfo, absl::StrCat("connected again to ", name()));
  }
  const uint64_t lease_ms =
      std::min<uint64_t>(welcome->lease_ms(), absl::ToInt64Milliseconds(kLeaseMax));
  lease_ = lease_ms == 0 ? absl::ZeroDuration()
                         : std::max(absl::Milliseconds(static_cast<int64_t>(lease_ms)), kLeaseMin);
  const size_t credit =
      std::min<uint64_t>(shared_->config.options.bytes_in_flight_max, welcome->credit_bytes());
  pushes_.OnReady(credit, std::min<size_t>(welcome->pushes_in_flight_max(), kPushesInFlightMax));
  requests_.OnReady();
  pulls_.OnWelcome(connection_, *welcome);
  // A server counts a pull until the answer has left it, which it may notice later than we do: half of what it allows.
  pulls_.OnReady(shared_->config.options.bytes_in_flight_max,
                 std::min<size_t>(welcome->pulls_in_flight_max(), kPullsInFlightMax) / 2);
  told_ = {};
  ArmHeartbeat();
  if (!std::exchange(was_ready_, true)) {
    if (auto event = std::exchange(events_.first_ready, nullptr); event != nullptr) event();
  }
  return absl::OkStatus();
}

absl::Status ServerLink::OnRefuse(absl::Span<const std::byte> payload) {
  const auto refusal = wire::UnpackControl<wire::Refusal>(payload);
  if (!refusal.ok()) return refusal.status();
  const absl::Status reason = wire::FromProto(*refusal);
  absl::Status status(reason.code(), absl::StrCat(name(), " refused: ", reason.message()));
  if (MayBeBetterLater(status)) return status;
  shared_->config.runtime->Log(LogLevel::kError, status.message());
  Shutdown(status);
  return absl::OkStatus();
}

absl::Status ServerLink::OnReply(const wire::FrameHeader& header,
                                 absl::Span<const std::byte> payload) {
  auto reply = wire::UnpackControl<wire::ControlReply>(payload);
  if (!reply.ok()) return reply.status();
  return requests_.OnReply(header.sequence, *std::move(reply));
}

}  // namespace tideway
