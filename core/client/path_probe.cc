#include "core/client/path_probe.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway {
namespace {

// The first messages over a path pay for what only they pay for: lanes being wired up, pages touched, windows opening. They
// are not counted.
constexpr int kPingsCold = 4;
constexpr int kPings = 15;  // counted
constexpr size_t kTrialBytes = size_t{64} << 10;
// A path that takes longer for the trial is slow enough for the trial to tell its bandwidth. One slow trial may be the
// processor's fault, which was busy with something else.
constexpr absl::Duration kTrialSlow = absl::Milliseconds(2);
constexpr int kTrials = 3;
constexpr size_t kStreamMessages = 2;
constexpr size_t kStreamBytes = kProbeBytesMax;  // each
constexpr int kStreamsCold = 1;
constexpr int kStreams = 4;  // counted; the best of them tells what the path can do

double Rate(size_t bytes, absl::Duration span) {
  return static_cast<double>(bytes) / std::max(absl::ToDoubleSeconds(span), 1e-9);
}

}  // namespace

PathProbe::PathProbe(ClientShared* shared, Uri uri, Wish wish, Done done)
    : shared_(shared), uri_(std::move(uri)), wish_(wish), done_(std::move(done)) {}

void PathProbe::Start(absl::Duration timeout) {
  const auto self = shared_from_this();  // whoever is told of the end may drop us
  const absl::StatusOr<Transport*> transport = shared_->config.runtime->TransportFor(uri_.scheme);
  if (!transport.ok()) {
    Finish(transport.status());
    return;
  }
  const absl::Time deadline = shared_->tasks.Now() + timeout;
  timer_ = shared_->tasks.At(deadline, [self, timeout] {
    self->Finish(absl::DeadlineExceededError(
        absl::StrCat("no answer within ", absl::FormatDuration(timeout))));
  });
  // Like a link's, an attempt does not keep the client alive.
  std::weak_ptr<void> weak = shared_->tasks.owner();
  (*transport)
      ->Connect(
          uri_, deadline, self,
          [self, weak](absl::StatusOr<std::shared_ptr<Connection>> connection) {
            auto owner = weak.lock();
            if (owner == nullptr) {
              if (connection.ok()) (*connection)->Close(absl::CancelledError("the client is gone"));
              return;
            }
            if (connection.ok()) self->owner_ = owner;
            self->shared_->tasks.OnState([self, connection = std::move(connection)]() mutable {
              self->OnConnected(std::move(connection));
            });
          });
}

void PathProbe::OnConnected(absl::StatusOr<std::shared_ptr<Connection>> connection) {
  if (!connection.ok()) {
    Finish(connection.status());
    return;
  }
  if (phase_ == Phase::kDone) {
    (*connection)->Close(absl::CancelledError("the probe is over"));
    return;
  }
  connection_ = *std::move(connection);
  if (wish_.discover) {
    Discover();
  } else {
    BeginMeasuring();
  }
}

void PathProbe::Discover() {
  phase_ = Phase::kDiscovering;
  wire::Discover discover;
  discover.set_protocol_version(wire::kVersion);
  wire::FrameHeader header;
  header.type = static_cast<uint8_t>(wire::FrameType::kDiscover);
  absl::StatusOr<Buffer> frame = wire::PackControl(header, discover, shared_->pool);
  if (!frame.ok()) {
    Finish(frame.status());
    return;
  }
  auto kept = std::make_shared<Buffer>(*std::move(frame));
  Message message;
  message.header = kept->headroom(wire::kFrameHeaderBytes);
  message.payload.push_back(kept->span());
  connection_->Send(std::move(message), absl::InfiniteFuture(), [kept](const absl::Status&) {});
}

void PathProbe::OnOffer(absl::Span<const std::byte> payload) {
  auto offer = wire::UnpackControl<wire::Offer>(payload);
  if (!offer.ok()) {
    Finish(offer.status());
    return;
  }
  result_.offer = *std::move(offer);
  BeginMeasuring();
}

void PathProbe::BeginMeasuring() {
  if (!wish_.measure) {
    Finish(absl::OkStatus());
    return;
  }
  phase_ = Phase::kPinging;
  SendProbe(0);
}

// One buffer serves all probes, so that none of them waits for memory to be written for it.
absl::Status PathProbe::MakePayload() {
  if (payload_ != nullptr) return absl::OkStatus();
  absl::StatusOr<Buffer> buffer = shared_->pool.Take(kStreamBytes);
  if (!buffer.ok()) return buffer.status();
  payload_ = std::make_shared<Buffer>(*std::move(buffer));
  // Memory that was never written may be shared zero pages, which would move too fast.
  std::memset(payload_->data(), 0x5a, payload_->size());
  return absl::OkStatus();
}

void PathProbe::SendProbe(size_t payload_bytes) {
  absl::StatusOr<Buffer> frame = shared_->pool.Take(0);
  absl::Status status = frame.status();
  if (status.ok() && payload_bytes > 0) status = MakePayload();
  if (!status.ok()) {
    Finish(std::move(status));
    return;
  }
  auto kept = std::make_shared<Buffer>(*std::move(frame));
  wire::FrameHeader header;
  header.type = static_cast<uint8_t>(wire::FrameType::kProbe);
  header.sequence = ++sequence_;
  header.payload_bytes = static_cast<uint32_t>(payload_bytes);
  wire::WriteHeader(header, kept->headroom(wire::kFrameHeaderBytes));
  Message message;
  message.header = kept->headroom(wire::kFrameHeaderBytes);
  if (payload_bytes > 0) {
    message.payload.push_back(std::as_const(*payload_).span().first(payload_bytes));
  }
  if (unacknowledged_++ == 0) began_ = shared_->tasks.Now();
  connection_->Send(std::move(message), absl::InfiniteFuture(),
                    [kept, payload = payload_](const absl::Status&) {});
}

void PathProbe::OnProbeAck(absl::Time arrived) {
  if (phase_ == Phase::kDone || unacknowledged_ == 0) return;
  if (--unacknowledged_ > 0) return;
  const absl::Duration span = arrived - began_;
  switch (phase_) {
    case Phase::kPinging:
      OnPing(span);
      break;
    case Phase::kTrying:
      OnTrial(span);
      break;
    case Phase::kStreaming:
      OnStream(span);
      break;
    default:
      Finish(absl::InvalidArgumentError("the server acknowledged a probe that was not sent"));
  }
}

void PathProbe::OnPing(absl::Duration round_trip) {
  round_trips_.push_back(round_trip);
  if (round_trips_.size() < kPingsCold + kPings) {
    SendProbe(0);
    return;
  }
  result_.latency = *std::min_element(round_trips_.begin() + kPingsCold, round_trips_.end());
  phase_ = Phase::kTrying;
  SendProbe(kTrialBytes);
}

void PathProbe::OnTrial(absl::Duration span) {
  if (span < result_.latency + kTrialSlow) {
    phase_ = Phase::kStreaming;
    SendStream();
    return;
  }
  result_.bandwidth_bytes_per_s =
      std::max(result_.bandwidth_bytes_per_s, Rate(kTrialBytes, span - result_.latency));
  if (++trials_ < kTrials) {
    SendProbe(kTrialBytes);
  } else {
    Finish(absl::OkStatus());
  }
}

void PathProbe::OnStream(absl::Duration span) {
  if (++streams_ > kStreamsCold) {
    result_.bandwidth_bytes_per_s =
        std::max(result_.bandwidth_bytes_per_s, Rate(kStreamMessages * kStreamBytes, span));
  }
  if (streams_ < kStreamsCold + kStreams) {
    SendStream();
  } else {
    Finish(absl::OkStatus());
  }
}

void PathProbe::SendStream() {
  for (size_t i = 0; i < kStreamMessages && phase_ == Phase::kStreaming; ++i) {
    SendProbe(kStreamBytes);
  }
}

absl::StatusOr<Landing> PathProbe::OnMessage(absl::Span<const std::byte> bytes,
                                             size_t payload_bytes) {
  if (owner_ == nullptr) return absl::CancelledError("the client is gone");
  const absl::Time arrived = shared_->tasks.Now();
  const absl::StatusOr<wire::FrameHeader> header = wire::ReadHeader(bytes, payload_bytes);
  if (!header.ok()) return header.status();
  const auto type = static_cast<wire::FrameType>(header->type);
  if (type == wire::FrameType::kProbeAck && payload_bytes == 0) {
    shared_->tasks.OnState([self = shared_from_this(), arrived] { self->OnProbeAck(arrived); });
    return Landing{{}, [](const absl::Status&) {}};
  }
  if (type != wire::FrameType::kOffer && type != wire::FrameType::kRefuse) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ", wire::TypeName(type), " frame is no answer to a probe"));
  }
  return LandControl(*header);
}

absl::StatusOr<Landing> PathProbe::LandControl(const wire::FrameHeader& header) {
  if (header.payload_bytes > kControlBytesMax) {
    return absl::InvalidArgumentError("the answer to a probe is over its limit");
  }
  absl::StatusOr<Buffer> taken = shared_->pool.Take(header.payload_bytes);
  if (!taken.ok()) return taken.status();
  auto buffer = std::make_shared<Buffer>(*std::move(taken));
  Landing landing;
  landing.destination = buffer->span();
  landing.done = [self = shared_from_this(), header, buffer](const absl::Status& landed) {
    if (!landed.ok()) return;  // OnClosed follows
    self->shared_->tasks.OnState([self, header, buffer] {
      const absl::Span<const std::byte> payload = std::as_const(*buffer).span();
      if (absl::Status whole = wire::CheckPayload(header, payload); !whole.ok()) {
        self->Finish(whole);
      } else if (header.type == static_cast<uint8_t>(wire::FrameType::kOffer)) {
        if (self->phase_ == Phase::kDiscovering) self->OnOffer(payload);
      } else {
        const auto refusal = wire::UnpackControl<wire::Refusal>(payload);
        self->Finish(refusal.ok() ? wire::FromProto(*refusal) : refusal.status());
      }
    });
  };
  return landing;
}

void PathProbe::OnClosed(const absl::Status& reason) {
  if (owner_ == nullptr) return;
  shared_->tasks.OnState([self = shared_from_this(), reason] { self->Finish(reason); });
  owner_.reset();
}

void PathProbe::Finish(absl::Status status) {
  if (phase_ == Phase::kDone) return;
  phase_ = Phase::kDone;
  shared_->tasks.Cancel(timer_);
  if (connection_ != nullptr) connection_->Close(absl::CancelledError("the probe is over"));
  connection_.reset();
  result_.status = std::move(status);
  Done done = std::exchange(done_, nullptr);
  done(std::move(result_));
}

}  // namespace tideway
