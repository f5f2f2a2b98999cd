#include "tools/measure.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tideway/executor.h"

namespace tideway::tools {
namespace {

constexpr absl::Duration kConnectPatience = absl::Seconds(5);
// What the whole may take beyond its budget before it counts as stalled.
constexpr absl::Duration kPatience = absl::Seconds(10);
constexpr double kColdShare = 0.1;

// The header of a message is its kind alone.
enum class Kind : uint8_t { kPing, kPong, kBulk, kBulkAck };
using Header = std::array<std::byte, 1>;

Header HeaderOf(Kind kind) { return {static_cast<std::byte>(kind)}; }

// Bytes that were written, since untouched pages may be one shared page of zeros, which would move too fast.
std::vector<std::byte> Payload(size_t bytes) {
  return std::vector<std::byte>(bytes, std::byte{0x5a});
}

// Sends messages whose memory lives, unchanged, as long as `owner`.
void SendKept(Connection& connection, const Header& header, absl::Span<const std::byte> payload,
              std::shared_ptr<void> owner) {
  Message message;
  message.header = header;
  if (!payload.empty()) message.payload.push_back(payload);
  connection.Send(
      std::move(message), absl::InfiniteFuture(),
      [owner = std::move(owner)](const absl::Status&) {});  // OnClosed tells of failures
}

absl::Status Unexpected(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("a stranger speaks: ", what));
}

// The listening end: answers. Used by its progress thread only.
class Answerer final : public Receiver, public std::enable_shared_from_this<Answerer> {
 public:
  explicit Answerer(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {
    for (size_t i = 0; i < kBulkInFlight; ++i) free_.push_back(Payload(kBulkBytes));
  }

  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override {
    if (header.size() != 1) return Unexpected("its header has another size");
    if (header[0] == HeaderOf(Kind::kPing)[0]) return LandPing(payload_bytes);
    if (header[0] == HeaderOf(Kind::kBulk)[0]) return LandBulk(payload_bytes);
    return Unexpected("its header is no request");
  }

  void OnClosed(const absl::Status&) override { connection_.reset(); }

 private:
  absl::StatusOr<Landing> LandPing(size_t payload_bytes) {
    if (payload_bytes != kRoundTripBytes || ping_lands_) return Unexpected("its ping is not ours");
    ping_lands_ = true;
    return Landing{absl::MakeSpan(ping_), [self = shared_from_this()](const absl::Status& status) {
                     self->ping_lands_ = false;
                     if (status.ok() && self->connection_ != nullptr) {
                       SendKept(*self->connection_, self->pong_header_, self->pong_, self);
                     }
                   }};
  }

  absl::StatusOr<Landing> LandBulk(size_t payload_bytes) {
    if (payload_bytes != kBulkBytes || free_.empty()) return Unexpected("it sends too much");
    auto buffer = std::make_shared<std::vector<std::byte>>(std::move(free_.back()));
    free_.pop_back();
    return Landing{absl::MakeSpan(*buffer),
                   [self = shared_from_this(), buffer](const absl::Status& status) {
                     self->free_.push_back(std::move(*buffer));
                     if (status.ok() && self->connection_ != nullptr) {
                       SendKept(*self->connection_, self->ack_header_, {}, self);
                     }
                   }};
  }

  const Header pong_header_ = HeaderOf(Kind::kPong);
  const Header ack_header_ = HeaderOf(Kind::kBulkAck);
  const std::vector<std::byte> pong_ = Payload(kRoundTripBytes);
  std::vector<std::byte> ping_ = Payload(kRoundTripBytes);
  bool ping_lands_ = false;
  std::vector<std::vector<std::byte>> free_;  // where bulk may land
  std::shared_ptr<Connection> connection_;    // null: closed
};

// The connecting end: asks and takes the time. Used by its progress thread only, except for Wait.
class Asker final : public Receiver, public std::enable_shared_from_this<Asker> {
 public:
  Asker(const Executor& executor, absl::Duration budget) : executor_(executor), part_(budget / 2) {
    for (size_t i = 0; i < kBulkInFlight; ++i) bulk_.push_back(Payload(kBulkBytes));
  }

  void Start(std::shared_ptr<Connection> connection) {
    connection_ = std::move(connection);
    result_.connection = connection_->info();
    result_.one_sided = connection_->one_sided() != nullptr;
    began_ = executor_.Now();
    SendPing();
  }

  // The first call settles the result.
  void Finish(absl::Status status) {
    if (std::exchange(phase_, Phase::kOver) == Phase::kOver) return;
    absl::MutexLock lock(&mutex_);
    if (status.ok()) {
      outcome_ = std::move(result_);
    } else {
      outcome_ = std::move(status);
    }
    settled_ = true;
  }

  absl::StatusOr<Measurement> Wait(absl::Duration patience) {
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&settled_), patience)) return outcome_;
    return absl::DeadlineExceededError(
        absl::StrCat("it stalled: no end within ", absl::FormatDuration(patience)));
  }

  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override {
    if (header.size() != 1) return Unexpected("its header has another size");
    const auto kind = static_cast<Kind>(header[0]);
    if (kind == Kind::kPong && payload_bytes == kRoundTripBytes) {
      return Landing{absl::MakeSpan(pong_),
                     [self = shared_from_this()](const absl::Status& status) {
                       if (status.ok()) self->OnPong();
                     }};
    }
    if (kind != Kind::kBulkAck || payload_bytes != 0) return Unexpected("it is no answer");
    return Landing{{}, [self = shared_from_this()](const absl::Status& status) {
                     if (status.ok()) self->OnBulkAck();
                   }};
  }

  void OnClosed(const absl::Status& reason) override {
    Finish(reason.ok() ? absl::UnavailableError("the connection was closed") : reason);
    connection_.reset();
  }

 private:
  enum class Phase { kRoundTrips, kBulk, kOver };

  void SendPing() {
    sent_ = executor_.Now();
    SendKept(*connection_, ping_header_, ping_, shared_from_this());
  }

  void OnPong() {
    if (phase_ != Phase::kRoundTrips) return;
    const absl::Time now = executor_.Now();
    if (now >= began_ + kColdShare * part_) round_trips_.push_back(now - sent_);
    if (now < began_ + part_ && round_trips_.size() < kRoundTripsMax) {
      SendPing();
    } else if (round_trips_.empty()) {
      Finish(absl::DeadlineExceededError(absl::StrCat("a single round trip took ",
                                                      absl::FormatDuration(now - sent_),
                                                      "; give it more --seconds")));
    } else {
      TakeRoundTrips();
      BeginBulk();
    }
  }

  void TakeRoundTrips() {
    const auto at = [&](double share) {
      const auto place =
          round_trips_.begin() +
          static_cast<ptrdiff_t>(share * static_cast<double>(round_trips_.size() - 1));
      std::nth_element(round_trips_.begin(), place, round_trips_.end());
      return *place;
    };
    result_.round_trip_median = at(0.5);
    result_.round_trip_p99 = at(0.99);
    result_.round_trips = round_trips_.size();
  }

  void BeginBulk() {
    phase_ = Phase::kBulk;
    began_ = executor_.Now();
    for (size_t i = 0; i < kBulkInFlight; ++i) SendBulk();
  }

  void SendBulk() {
    SendKept(*connection_, bulk_header_, bulk_[bulk_sent_++ % bulk_.size()], shared_from_this());
  }

  // Counts from one acknowledgement to another, with the pipe full at both.
  void OnBulkAck() {
    if (phase_ != Phase::kBulk) return;
    const absl::Time now = executor_.Now();
    if (counted_from_ != absl::InfiniteFuture()) {
      result_.bulk_bytes += kBulkBytes;
    } else if (now >= began_ + kColdShare * part_) {
      counted_from_ = now;
    }
    if (now < began_ + part_ || result_.bulk_bytes == 0) {
      SendBulk();
      return;
    }
    result_.bandwidth_bytes_per_s = static_cast<double>(result_.bulk_bytes) /
                                    std::max(absl::ToDoubleSeconds(now - counted_from_), 1e-9);
    Finish(absl::OkStatus());
  }

  const Executor& executor_;
  const absl::Duration part_;
  const Header ping_header_ = HeaderOf(Kind::kPing);
  const Header bulk_header_ = HeaderOf(Kind::kBulk);
  const std::vector<std::byte> ping_ = Payload(kRoundTripBytes);
  std::vector<std::byte> pong_ = Payload(kRoundTripBytes);
  std::vector<std::vector<std::byte>> bulk_;
  std::shared_ptr<Connection> connection_;  // null: not yet connected, or closed
  Phase phase_ = Phase::kRoundTrips;
  absl::Time began_;  // this part
  absl::Time sent_;   // the ping
  std::vector<absl::Duration> round_trips_;
  size_t bulk_sent_ = 0;
  absl::Time counted_from_ = absl::InfiniteFuture();
  Measurement result_;

  absl::Mutex mutex_;
  bool settled_ ABSL_GUARDED_BY(mutex_) = false;
  absl::StatusOr<Measurement> outcome_ ABSL_GUARDED_BY(mutex_);
};

// Whoever comes first is us; others are refused.
AcceptHandler AcceptOne() {
  return [taken = false](std::shared_ptr<Connection> connection) mutable {
    if (std::exchange(taken, true)) return std::shared_ptr<Receiver>();
    return std::shared_ptr<Receiver>(std::make_shared<Answerer>(std::move(connection)));
  };
}

absl::StatusOr<Measurement> MeasureBetween(Transport& server, Transport& client, const Uri& address,
                                           const Executor& executor, absl::Duration budget) {
  auto listener = server.Listen(address, AcceptOne());
  if (!listener.ok()) return listener.status();
  auto asker = std::make_shared<Asker>(executor, budget);
  client.Connect((*listener)->address(), executor.Now() + kConnectPatience, asker,
                 [asker](absl::StatusOr<std::shared_ptr<Connection>> connection) {
                   if (connection.ok()) {
                     asker->Start(*std::move(connection));
                   } else {
                     asker->Finish(connection.status());
                   }
                 });
  absl::StatusOr<Measurement> result = asker->Wait(budget + kConnectPatience + kPatience);
  listener->reset();
  client.Stop();
  server.Stop();
  return result;
}

}  // namespace

absl::StatusOr<Measurement> MeasureProvider(const TransportEntry& entry,
                                            const ProviderInfo& provider,
                                            const MeasureOptions& options) {
  const std::unique_ptr<Executor> executor = NewThreadExecutor({.threads = 2});
  const TransportContext context = {.executor = executor.get(), .log = options.log};
  const Uri address = {.scheme = provider.scheme,
                       .host = options.host,
                       .port = uint16_t{0},
                       .params = provider.params};
  auto server = entry.create(context);
  if (!server.ok()) return server.status();
  if (!(*server)->info().crosses_processes) {
    return MeasureBetween(**server, **server, address, *executor, options.budget);
  }
  auto client = entry.create(context);
  if (!client.ok()) return client.status();
  return MeasureBetween(**server, **client, address, *executor, options.budget);
}

}  // namespace tideway::tools
