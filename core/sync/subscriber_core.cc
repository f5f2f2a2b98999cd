#include "core/sync/subscriber_core.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/sync/installed_weights.h"
#include "core/wire/weight_handshake.h"
#include "tideway/version.h"

namespace tideway::sync {
namespace {

using wire::TypeByte;
using wire::WeightFrameHeader;
using wire::WeightFrameType;

constexpr absl::Duration kConnectTimeout = absl::Seconds(5);
constexpr absl::Duration kHandshakeTimeout = absl::Seconds(10);
// A connection that lived so long was a good one, whatever came over it.
constexpr absl::Duration kStableAfter = absl::Seconds(5);
// Frames that are landing or wait to be staged: what may be under way, a frame that is larger than usual, and control messages.
constexpr size_t kPoolBytesMax =
    2 * kWeightBytesInFlight + 2 * kMessagePayloadBytesMax + kWeightTableBytesMax;

}  // namespace

// Holds the subscriber while the connection lives. All methods run on the transport's thread.
class SubscriberCore::Wire final : public Receiver {
 public:
  Wire(std::shared_ptr<SubscriberCore> core, uint64_t attempt)
      : core_(std::move(core)), attempt_(attempt) {}

  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override {
    return core_->OnMessage(attempt_, header, payload_bytes);
  }

  void OnClosed(const absl::Status& reason) override {
    core_->OnStrand(
        [core = core_, attempt = attempt_, reason] { core->OnClosed(attempt, reason); });
  }

 private:
  const std::shared_ptr<SubscriberCore> core_;
  const uint64_t attempt_;
};

SubscriberCore::SubscriberCore(Runtime* runtime, SubscriberOptions options, const Uri& uri,
                               const WeightLayout& layout)
    : runtime_(runtime),
      options_(std::move(options)),
      uri_(uri),
      layout_(layout),
      strand_(&runtime->executor()),
      waiters_(&runtime->executor()),
      pool_(kPoolBytesMax, kWeightBytesInFlight) {}

void SubscriberCore::Start() {
  // A copy that is given back is what the next version may have been waiting for.
  copies_ = std::make_shared<CopyPool>(options_.copies_max, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->OnStrand([self] { self->Ask(); });
  });
  OnStrand([self = shared_from_this()] { self->Connect(); });
}

void SubscriberCore::OnStrand(Task task) { strand_.Post(std::move(task)); }

TimerId SubscriberCore::At(absl::Time when, Task task) {
  if (when == absl::InfiniteFuture()) return 0;
  return runtime_->executor().PostAt(
      when, [weak = weak_from_this(), task = std::move(task)]() mutable {
        const auto self = weak.lock();
        if (self == nullptr) return;
        self->OnStrand([self, task = std::move(task)]() mutable { std::move(task)(); });
      });
}

void SubscriberCore::Connect() {
  if (state_ != State::kResting) return;
  const absl::StatusOr<Transport*> transport = runtime_->TransportFor(uri_.scheme);
  if (!transport.ok()) return BecomeFinal(transport.status());
  state_ = State::kConnecting;
  const uint64_t attempt = ++attempt_;
  auto wire = std::make_shared<Wire>(shared_from_this(), attempt);
  auto done = [self = shared_from_this(),
               attempt](absl::StatusOr<std::shared_ptr<Connection>> connection) {
    self->OnStrand([self, attempt, connection = std::move(connection)]() mutable {
      self->OnConnected(attempt, std::move(connection));
    });
  };
  const absl::Time deadline = runtime_->executor().Now() + kConnectTimeout;
  (*transport)->Connect(uri_, deadline, std::move(wire), std::move(done));
}

void SubscriberCore::OnConnected(uint64_t attempt,
                                 absl::StatusOr<std::shared_ptr<Connection>> connection) {
  if (state_ != State::kConnecting || attempt != attempt_) {  // closed in the meantime
    if (connection.ok()) (*connection)->Close(absl::CancelledError("the subscriber is closed"));
    return;
  }
  if (!connection.ok()) return Rest(connection.status());
  connection_ = *std::move(connection);
  state_ = State::kGreeting;
  const absl::Time now = runtime_->executor().Now();
  heard_ns_.store(absl::ToUnixNanos(now));
  timer_ = At(now + kHandshakeTimeout, [this, attempt] {
    if (attempt != attempt_ || state_ != State::kGreeting) return;
    Break(absl::UnavailableError("it did not answer the handshake"));
  });
  SendHello();
}

void SubscriberCore::OnClosed(uint64_t attempt, const absl::Status& reason) {
  if (attempt != attempt_ || connection_ == nullptr) return;
  connection_.reset();
  runtime_->executor().Cancel(std::exchange(timer_, 0));
  if (stager_ != nullptr) stager_->Abandon();
  base_.reset();
  asked_ = false;
  taken_ = frames_untold_ = 0;
  bytes_untold_ = 0;
  {
    absl::MutexLock lock(&mutex_);
    stats_.connected = false;
  }
  if (state_ == State::kFinal) return;
  if (runtime_->executor().Now() - following_since_ >= kStableAfter) backoff_.Reset();
  following_since_ = absl::InfiniteFuture();
  Rest(reason);
}

void SubscriberCore::Rest(const absl::Status& reason) {
  state_ = State::kResting;
  bool news = false;
  {
    absl::MutexLock lock(&mutex_);
    // The first of a row of failures is news, the rest of them is not.
    news = last_error_.code() != reason.code();
    last_error_ = reason;
    stats_.last_error = std::string(reason.message());
  }
  if (news) {
    runtime_->Log(LogLevel::kWarning, absl::StrCat("subscriber: no connection to ", uri_.ToString(),
                                                   ", trying on: ", reason.ToString()));
  }
  const absl::Duration rest = backoff_.Next(runtime_->executor().Random());
  timer_ = At(runtime_->executor().Now() + rest, [this] { Connect(); });
}

void SubscriberCore::Break(const absl::Status& reason) {
  if (state_ != State::kGreeting && state_ != State::kFollowing) return;
  state_ = State::kClosing;
  runtime_->executor().Cancel(std::exchange(timer_, 0));
  connection_->Close(reason);
}

void SubscriberCore::BecomeFinal(const absl::Status& why) {
  if (state_ == State::kFinal) return;
  state_ = State::kFinal;
  final_ = why;
  runtime_->executor().Cancel(std::exchange(timer_, 0));
  if (connection_ != nullptr) connection_->Close(why);
  if (!absl::IsCancelled(why)) {
    runtime_->Log(LogLevel::kError,
                  absl::StrCat("subscriber of ", uri_.ToString(), ": ", why.message()));
  }
  {
    absl::MutexLock lock(&mutex_);
    stats_.last_error = std::string(why.message());
  }
  waiters_.Fail(why);
}

void SubscriberCore::ArmPing() {
  timer_ = At(runtime_->executor().Now() + options_.ping_interval, [this] { Ping(); });
}

void SubscriberCore::Ping() {
  if (state_ != State::kFollowing) return;
  const absl::Time heard = absl::FromUnixNanos(heard_ns_.load());
  if (runtime_->executor().Now() - heard > options_.silence_max) {
    return Break(absl::UnavailableError("the publisher is silent"));
  }
  SendEmpty({.type = TypeByte(WeightFrameType::kPing)});
  ArmPing();
}

WeightsPtr SubscriberCore::current() const {
  absl::MutexLock lock(&mutex_);
  return current_;
}

SubscriberStats SubscriberCore::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

void SubscriberCore::WhenNewer(WeightVersionId than, absl::Time deadline, Subscriber::Done done) {
  OnStrand([self = shared_from_this(), than, deadline, done = std::move(done)]() mutable {
    self->AddWaiter(than, deadline, std::move(done));
  });
}

void SubscriberCore::AddWaiter(WeightVersionId than, absl::Time deadline, Subscriber::Done done) {
  WeightsPtr weights = current();
  if (weights != nullptr && weights->id() != than) {
    return waiters_.Complete(std::move(done), std::move(weights));
  }
  if (state_ == State::kFinal) return waiters_.Complete(std::move(done), final_);
  const uint64_t id = waiters_.Add(than, std::move(done));
  if (id == 0) return;
  waiters_.SetTimer(id, At(deadline, [this, id] { waiters_.Expire(id, WhyNone()); }));
}

absl::Status SubscriberCore::WhyNone() const {
  std::string why = "no other version came in time";
  absl::MutexLock lock(&mutex_);
  if (!stats_.connected) {
    absl::StrAppend(&why, "; there is no connection to ", uri_.ToString());
    if (!last_error_.ok()) absl::StrAppend(&why, ": ", last_error_.message());
  }
  return absl::DeadlineExceededError(why);
}

void SubscriberCore::Close() {
  OnStrand([self = shared_from_this()] {
    self->BecomeFinal(absl::CancelledError("the subscriber is closed"));
  });
}

void SubscriberCore::SendHello() {
  wire::WeightHello hello;
  hello.set_library_version(kVersion);
  hello.set_subscriber(options_.name);
  hello.set_layout_fingerprint(layout_.fingerprint());
  auto frame = wire::PackWeightMessage({.type = TypeByte(WeightFrameType::kHello)}, hello, pool_);
  if (!frame.ok()) return Break(frame.status());
  auto held = std::make_shared<Buffer>(*std::move(frame));
  Message message;
  message.header = held->headroom(wire::kWeightHeaderBytes);
  message.payload.push_back(held->span());
  Send(std::move(message), std::move(held));
}

void SubscriberCore::SendEmpty(WeightFrameHeader header) {
  auto held = std::make_shared<std::array<std::byte, wire::kWeightHeaderBytes>>();
  wire::WriteWeightHeader(header, absl::MakeSpan(*held));
  Message message;
  message.header = *held;
  Send(std::move(message), std::move(held));
}

void SubscriberCore::Send(Message message, std::shared_ptr<const void> holder) {
  connection_->Send(std::move(message), absl::InfiniteFuture(),
                    [self = shared_from_this(), attempt = attempt_,
                     holder = std::move(holder)](const absl::Status& sent) {
                      if (sent.ok()) return;
                      self->OnStrand([self, attempt, sent] {
                        if (attempt == self->attempt_) self->Break(sent);
                      });
                    });
}

}  // namespace tideway::sync
