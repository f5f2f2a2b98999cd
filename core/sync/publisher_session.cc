#include "core/sync/publisher_session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/sync/publisher_core.h"
#include "core/wire/control.h"
#include "core/wire/frame.h"
#include "core/wire/weight_handshake.h"
#include "tideway/version.h"

namespace tideway::sync {
namespace {

using wire::TypeByte;
using wire::WeightFrameHeader;
using wire::WeightFrameType;

constexpr absl::Duration kGreetingTimeout = absl::Seconds(10);
// How long a refused peer may take to read the refusal.
constexpr absl::Duration kClosingTimeout = absl::Seconds(2);

// A frame header that lives until it is sent, with what holds the payload.
struct HeldHeader {
  std::array<std::byte, wire::kWeightHeaderBytes> bytes;
  std::shared_ptr<const void> payload;
};

}  // namespace

PublisherSession::PublisherSession(std::shared_ptr<PublisherCore> core, uint64_t id,
                                   std::shared_ptr<Connection> connection)
    : core_(std::move(core)),
      id_(id),
      peer_(connection->info().peer),
      connection_(std::move(connection)),
      progress_(core_->Now()),
      heard_ns_(absl::ToUnixNanos(core_->Now())) {}

absl::StatusOr<Landing> PublisherSession::OnMessage(absl::Span<const std::byte> header_bytes,
                                                    size_t payload_bytes) {
  const auto header = wire::ReadWeightHeader(header_bytes, payload_bytes);
  if (!header.ok()) return Reject(header.status(), payload_bytes);
  heard_ns_.store(absl::ToUnixNanos(core_->Now()));
  const auto type = static_cast<WeightFrameType>(header->type);
  if (type == WeightFrameType::kHello) return LandHello(*header);
  if (payload_bytes > 0) {
    return Reject(absl::InvalidArgumentError(absl::StrCat("a subscriber must not send a ",
                                                          wire::WeightFrameName(type), " frame")),
                  payload_bytes);
  }
  return Landing{{}, [self = shared_from_this(), header = *header](const absl::Status& landed) {
                   if (!landed.ok()) return;  // OnClosed follows
                   self->core_->OnStrand([self, header] { self->OnFrame(header); });
                 }};
}

absl::StatusOr<Landing> PublisherSession::Reject(const absl::Status& why, size_t payload_bytes) {
  core_->OnStrand([self = shared_from_this(), why] { self->Refuse(why); });
  if (payload_bytes > kControlBytesMax) return why;  // not worth the memory: closes at once
  auto nowhere = core_->pool().Take(payload_bytes);
  if (!nowhere.ok()) return nowhere.status();
  const absl::Span<std::byte> destination = nowhere->span();
  return Landing{destination, [buffer = *std::move(nowhere)](const absl::Status&) {}};
}

absl::StatusOr<Landing> PublisherSession::LandHello(const WeightFrameHeader& header) {
  if (header.payload_bytes > kControlBytesMax || std::exchange(hello_came_, true)) {
    return Reject(absl::InvalidArgumentError("the hello is too long, or a second one"),
                  header.payload_bytes);
  }
  auto buffer = core_->pool().Take(header.payload_bytes);
  if (!buffer.ok()) return buffer.status();
  const absl::Span<std::byte> destination = buffer->span();
  return Landing{destination, [self = shared_from_this(), header,
                               buffer = *std::move(buffer)](const absl::Status& landed) mutable {
                   if (!landed.ok()) return;  // OnClosed follows
                   self->core_->OnStrand([self, header, buffer = std::move(buffer)]() mutable {
                     self->OnHello(header, std::move(buffer));
                   });
                 }};
}

void PublisherSession::OnClosed(const absl::Status& /*reason*/) {
  // Not on the strand: where the runtime is being stopped, what is posted there may never run.
  core_->Forget(id_);
  core_->OnStrand([self = shared_from_this()] {
    self->EndTransfer();
    self->state_ = State::kClosing;
    self->connection_.reset();
  });
}

void PublisherSession::OnHello(const WeightFrameHeader& header, Buffer payload) {
  if (state_ != State::kGreeting) return;
  absl::Status hashed = wire::CheckWeightPayload(header, payload.span());
  if (!hashed.ok()) return Refuse(hashed);
  const auto hello = wire::UnpackWeightMessage<wire::WeightHello>(payload.span());
  if (!hello.ok()) return Refuse(hello.status());
  name_ = wire::Printable(hello->subscriber(), kWorkerNameBytesMax);
  wire::WeightWelcome welcome;
  welcome.set_library_version(kVersion);
  welcome.set_layout_fingerprint(core_->table().layout().fingerprint());
  welcome.set_chunk_bytes(static_cast<uint32_t>(core_->table().chunk_bytes()));
  welcome.set_codec(core_->codec().info().wire_id);
  welcome.set_codec_spec(core_->codec().info().spec);
  const bool same = hello->layout_fingerprint() == core_->table().layout().fingerprint();
  if (!same) wire::AddTensors(core_->table().layout().tensors(), welcome);
  SendMessage({.type = TypeByte(WeightFrameType::kWelcome), .epoch = core_->epoch()}, welcome);
  if (!same) {
    core_->Refused();
    core_->Log(LogLevel::kWarning,
               absl::StrCat("publisher: subscriber ", name_, " (", peer_, ") has another model"));
    state_ = State::kClosing;
    core_->After(kClosingTimeout, [self = shared_from_this()] {
      self->Close(absl::FailedPreconditionError("the subscriber has another model"));
    });
    return;
  }
  state_ = State::kIdle;
  absl::MutexLock lock(&stats_mutex_);
  stats_.emplace(PublisherStats::Subscriber{.name = name_, .peer = peer_});
}

void PublisherSession::OnFrame(const WeightFrameHeader& header) {
  if (state_ == State::kClosing) return;
  const auto type = static_cast<WeightFrameType>(header.type);
  if (state_ == State::kGreeting) {
    return Refuse(absl::InvalidArgumentError(
        absl::StrCat("a ", wire::WeightFrameName(type), " frame came before the hello")));
  }
  switch (type) {
    case WeightFrameType::kRequest:
      return OnRequest(header);
    case WeightFrameType::kTaken:
      return OnTaken(header);
    case WeightFrameType::kPing:
      return SendPayload({.type = TypeByte(WeightFrameType::kPong)}, {}, nullptr);
    default:
      return Refuse(absl::InvalidArgumentError(
          absl::StrCat("a subscriber must not send a ", wire::WeightFrameName(type), " frame")));
  }
}

void PublisherSession::OnRequest(const WeightFrameHeader& header) {
  if (asked_ || state_ == State::kSending) {
    return Refuse(absl::InvalidArgumentError("a request came while another one was open"));
  }
  held_ = header.epoch == core_->epoch() ? header.from : 0;
  asked_ = true;
  {
    absl::MutexLock lock(&stats_mutex_);
    stats_->version = held_;
  }
  Serve();
}

void PublisherSession::Serve() {
  if (!asked_ || state_ != State::kIdle) return;
  VersionStore::Plan plan = core_->store().PlanFrom(held_);
  if (plan.kind == VersionStore::Plan::Kind::kNone ||
      plan.kind == VersionStore::Plan::Kind::kLater) {
    return;
  }
  asked_ = false;
  Begin(std::move(plan));
}

void PublisherSession::Begin(VersionStore::Plan plan) {
  plan_ = std::move(plan);
  cursor_ = {.from = plan_.from, .page = 0};
  next_chunk_ = 0;
  frames_left_ = plan_.frames;
  progress_ = core_->Now();
  state_ = State::kSending;
  core_->Began(plan_.kind == VersionStore::Plan::Kind::kWhole);
  {
    absl::MutexLock lock(&stats_mutex_);
    stats_->being_sent = true;
  }
  const std::vector<uint64_t>& checksums = *plan_.checksums;
  const auto payload = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(checksums.data()),
                                           checksums.size() * sizeof(uint64_t));
  SendPayload({.type = TypeByte(WeightFrameType::kVersion),
               .epoch = core_->epoch(),
               .from = plan_.from,
               .to = plan_.to,
               .count = plan_.frames,
               .payload_hash = wire::HashPayload(payload)},
              payload, plan_.checksums);
  SendMore();
}

bool PublisherSession::MayBeUnderWay(size_t bytes) const {
  return under_way_.empty() || (under_way_.size() < kWeightFramesInFlight &&
                                bytes_under_way_ + bytes <= kWeightBytesInFlight);
}

void PublisherSession::SendMore() {
  while (state_ == State::kSending && frames_left_ > 0) {
    const bool whole = plan_.kind == VersionStore::Plan::Kind::kWhole;
    // How long the next one is, is known only of whole chunks; a page has no more than this, but for its last chunk.
    const size_t expected =
        whole ? core_->table().chunks()[next_chunk_].bytes : size_t{kWeightRunBytes};
    if (!MayBeUnderWay(expected)) return;
    const absl::Status sent = whole ? SendNextOfWhole() : SendNextOfChain();
    if (absl::IsOutOfRange(sent)) {
      // Dropped meanwhile: the subscriber begins anew from the version that it has.
      EndTransfer();
      asked_ = true;
      return Serve();
    }
    if (!sent.ok()) return Refuse(sent);
    --frames_left_;
  }
  if (state_ == State::kSending) EndTransfer();
}

absl::Status PublisherSession::SendNextOfChain() {
  absl::StatusOr<VersionStore::Next> next = core_->store().NextPage(cursor_);
  if (!next.ok()) return next.status();
  const absl::Span<const std::byte> payload = next->page->span();
  const WeightFrameHeader header{.type = TypeByte(WeightFrameType::kChanges),
                                 .epoch = core_->epoch(),
                                 .from = next->from,
                                 .to = next->to,
                                 .payload_hash = next->page->hash};
  Count(payload.size());
  SendPayload(header, payload, std::move(next->page));
  return absl::OkStatus();
}

absl::Status PublisherSession::SendNextOfWhole() {
  const Chunk& chunk = core_->table().chunks()[next_chunk_];
  absl::StatusOr<Buffer> frame = core_->pool().Take(chunk.bytes);
  if (!frame.ok()) return frame.status();
  core_->store().ReadChunk(*plan_.anchor, next_chunk_, frame->span());
  ++next_chunk_;
  wire::WriteWeightHeader({.type = TypeByte(WeightFrameType::kWhole),
                           .epoch = core_->epoch(),
                           .to = plan_.to,
                           .tensor = chunk.tensor,
                           .chunk = chunk.index,
                           .payload_hash = wire::HashPayload(frame->span()),
                           .payload_bytes = chunk.bytes},
                          frame->headroom(wire::kWeightHeaderBytes));
  Count(chunk.bytes);
  SendFrame(*std::move(frame));
  return absl::OkStatus();
}

void PublisherSession::Count(size_t bytes) {
  if (under_way_.empty()) progress_ = core_->Now();
  under_way_.push_back(static_cast<uint32_t>(bytes));
  bytes_under_way_ += bytes;
  core_->Sent(bytes);
  absl::MutexLock lock(&stats_mutex_);
  stats_->bytes_sent += bytes;
}

void PublisherSession::EndTransfer() {
  if (state_ == State::kSending) state_ = State::kIdle;
  frames_left_ = 0;
  std::shared_ptr<Anchor> anchor = std::move(plan_.anchor);
  plan_ = {};
  {
    absl::MutexLock lock(&stats_mutex_);
    if (stats_.has_value()) stats_->being_sent = false;
  }
  if (anchor == nullptr) return;
  core_->store().DropAnchor(std::move(anchor));
  core_->OnStrand([core = core_] { core->ServeWaiting(); });
}

void PublisherSession::OnTaken(const WeightFrameHeader& header) {
  const uint64_t count = header.count - taken_;
  if (header.count < taken_ || count > under_way_.size()) {
    return Refuse(absl::InvalidArgumentError("more frames were taken than had been sent"));
  }
  for (uint64_t i = 0; i < count; ++i) {
    bytes_under_way_ -= under_way_.front();
    under_way_.pop_front();
  }
  taken_ = header.count;
  progress_ = core_->Now();
  SendMore();
}

void PublisherSession::CheckSince(absl::Time moment) {
  if (state_ == State::kClosing) return;
  const absl::Time heard = absl::FromUnixNanos(heard_ns_.load());
  if (state_ == State::kGreeting) {
    if (heard < core_->Now() - kGreetingTimeout) {
      Refuse(absl::DeadlineExceededError("no hello came"));
    }
    return;
  }
  if (heard < moment) return Refuse(absl::DeadlineExceededError("it is silent"));
  if (!under_way_.empty() && progress_ < moment) {
    Refuse(absl::DeadlineExceededError("it takes nothing of what it is sent"));
  }
}

void PublisherSession::Refuse(const absl::Status& why) {
  if (state_ == State::kClosing) return;
  EndTransfer();
  state_ = State::kClosing;
  if (connection_ == nullptr) return;
  core_->Refused();
  core_->Log(LogLevel::kWarning,
             absl::StrCat("publisher: closing ", name_, " (", peer_, "): ", why.message()));
  SendMessage({.type = TypeByte(WeightFrameType::kRefuse)}, wire::ToProto(why));
  core_->After(kClosingTimeout, [self = shared_from_this(), why] { self->Close(why); });
}

void PublisherSession::Close(const absl::Status& why) {
  if (state_ == State::kSending) EndTransfer();
  state_ = State::kClosing;
  if (connection_ != nullptr) connection_->Close(why);
}

std::optional<PublisherStats::Subscriber> PublisherSession::stats() const {
  absl::MutexLock lock(&stats_mutex_);
  return stats_;
}

void PublisherSession::SendMessage(WeightFrameHeader header,
                                   const google::protobuf::MessageLite& message) {
  if (connection_ == nullptr) return;
  absl::StatusOr<Buffer> frame = wire::PackWeightMessage(header, message, core_->pool());
  if (!frame.ok()) return connection_->Close(frame.status());
  SendFrame(*std::move(frame));
}

void PublisherSession::SendFrame(Buffer frame) {
  auto held = std::make_shared<Buffer>(std::move(frame));
  Message message;
  message.header = held->headroom(wire::kWeightHeaderBytes);
  if (!held->empty()) message.payload.push_back(held->span());
  Send(std::move(message), std::move(held));
}

void PublisherSession::SendPayload(WeightFrameHeader header, absl::Span<const std::byte> payload,
                                   std::shared_ptr<const void> holder) {
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  auto held = std::make_shared<HeldHeader>();
  held->payload = std::move(holder);
  wire::WriteWeightHeader(header, absl::MakeSpan(held->bytes));
  Message message;
  message.header = held->bytes;
  if (!payload.empty()) message.payload.push_back(payload);
  Send(std::move(message), std::move(held));
}

void PublisherSession::Send(Message message, std::shared_ptr<const void> holder) {
  if (connection_ == nullptr) return;
  // No deadline of its own: a stalled connection is found by its silence.
  connection_->Send(
      std::move(message), absl::InfiniteFuture(),
      [self = shared_from_this(), holder = std::move(holder)](const absl::Status& sent) {
        if (sent.ok()) return;
        self->core_->OnStrand([self, sent] { self->Close(sent); });
      });
}

}  // namespace tideway::sync
