#include "core/client/server_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/wire/control.h"
#include "core/wire/layout_outline.h"
#include "tideway/version.h"

namespace tideway {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(5);
constexpr absl::Duration kHandshakeTimeout = absl::Seconds(10);
// A connection that lived so long was a good one, whatever came over it.
constexpr absl::Duration kStableAfter = absl::Seconds(5);
// People watch the worker's status: what is new in it goes out as soon as this.
constexpr absl::Duration kStatusAge = absl::Seconds(1);

}  // namespace

// Holds the client while the connection lives. All methods run on the transport's thread.
class ServerLink::Wire final : public Receiver {
 public:
  Wire(ServerLink* link, uint64_t attempt) : link_(link), attempt_(attempt) {}

  void Keep(std::shared_ptr<void> owner) { owner_ = std::move(owner); }

  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override {
    if (owner_ == nullptr) return absl::CancelledError("the client is gone");
    return link_->OnMessage(attempt_, header, payload_bytes);
  }

  void OnClosed(const absl::Status& reason) override {
    if (owner_ == nullptr) return;
    link_->shared_->tasks.OnState(
        [link = link_, attempt = attempt_, reason] { link->OnClosed(attempt, reason); });
    owner_.reset();
  }

 private:
  ServerLink* const link_;  // alive as long as owner_ is
  const uint64_t attempt_;
  std::shared_ptr<void> owner_;
};

ServerLink::ServerLink(ClientShared* shared, uint32_t index, Events events)
    : shared_(shared),
      index_(index),
      events_(std::move(events)),
      pushes_(shared, this, index),
      pulls_(shared, this, index),
      requests_(shared, this),
      offers_(&shared->tasks, &requests_),
      selector_(shared->config.servers[index].scheme == kAutoScheme
                    ? std::make_unique<PathSelector>(shared, shared->config.servers[index])
                    : nullptr),
      report_(name(), shared->config.servers[index].ToString()) {}

std::string ServerLink::name() const {
  return absl::StrCat("server ", index_, " (", shared_->config.servers[index_].ToString(), ")");
}

ConnectionInfo ServerLink::info() const {
  ConnectionInfo info = report_.connection();
  info.details["pull"] = pulls_.mode();
  info.details["codec_up"] = pushes_.codec_report();
  return info;
}

TransportReport ServerLink::report() const {
  TransportReport report = report_.report();
  report.connection.details["pull"] = pulls_.mode();
  report.connection.details["codec_up"] = pushes_.codec_report();
  return report;
}

void ServerLink::Start() {
  if (state_ != State::kIdle) return;
  away_since_ = shared_->tasks.Now();
  Connect();
}

void ServerLink::Connect() {
  const Uri& uri = shared_->config.servers[index_];
  const uint64_t attempt = ++attempt_;
  if (selector_ == nullptr) {
    if (path_.provider.empty()) {  // naming it probes the transport: once is enough
      path_ = {.uri = uri,
               .provider = ProviderNameOf(shared_->config.runtime->transports(), uri),
               .why = "the address names it"};
    }
    ConnectTo(uri);
    return;
  }
  state_ = State::kSelecting;
  selector_->Select([this, attempt](absl::StatusOr<PathSelector::Choice> choice) {
    OnSelected(attempt, std::move(choice));
  });
}

void ServerLink::OnSelected(uint64_t attempt, absl::StatusOr<PathSelector::Choice> choice) {
  if (state_ != State::kSelecting || attempt != attempt_) return;  // shut down in the meantime
  report_.SetCandidates(selector_->Candidates());
  if (choice.ok()) {
    path_ = *std::move(choice);
    ConnectTo(path_.uri);
  } else if (absl::IsFailedPrecondition(choice.status()) && !was_ready_) {
    final_ = choice.status();
    shared_->config.runtime->Log(LogLevel::kError, absl::StrCat(name(), ": ", final_.message()));
    BecomeFinal();
  } else {
    Rest(choice.status());
  }
}

void ServerLink::ConnectTo(const Uri& uri) {
  absl::StatusOr<Transport*> transport = shared_->config.runtime->TransportFor(uri.scheme);
  if (!transport.ok()) {
    final_ = transport.status();
    shared_->config.runtime->Log(LogLevel::kError, absl::StrCat(name(), ": ", final_.message()));
    BecomeFinal();
    return;
  }
  state_ = State::kConnecting;
  const uint64_t attempt = attempt_;
  auto wire = std::make_shared<Wire>(this, attempt);
  // An attempt does not keep the client alive: whoever closes it need not wait for an unreachable host.
  std::weak_ptr<void> weak = shared_->tasks.owner();
  auto done = [this, weak, wire, attempt](absl::StatusOr<std::shared_ptr<Connection>> connection) {
    auto owner = weak.lock();
    if (owner == nullptr) {
      if (connection.ok()) (*connection)->Close(absl::CancelledError("the client is gone"));
      return;
    }
    if (connection.ok()) wire->Keep(owner);
    shared_->tasks.OnState([this, attempt, connection = std::move(connection)]() mutable {
      OnConnected(attempt, std::move(connection));
    });
  };
  (*transport)->Connect(uri, shared_->tasks.Now() + kConnectTimeout, wire, std::move(done));
}

void ServerLink::OnConnected(uint64_t attempt,
                             absl::StatusOr<std::shared_ptr<Connection>> connection) {
  if (state_ != State::kConnecting || attempt != attempt_) {  // shut down in the meantime
    if (connection.ok()) (*connection)->Close(absl::CancelledError("closed"));
    return;
  }
  if (!connection.ok()) {
    GiveUpPath(connection.status());
    Rest(connection.status());
    return;
  }
  connection_ = *std::move(connection);
  unhashed_ = false;
  state_ = State::kShaking;
  timer_ = shared_->tasks.At(shared_->tasks.Now() + kHandshakeTimeout, [this, attempt] {
    if (attempt != attempt_ || state_ != State::kShaking) return;
    Break(absl::UnavailableError("it did not answer the handshake"));
  });
  SendHello();
}

void ServerLink::SendHello() {
  const ClientConfig& config = shared_->config;
  wire::Hello hello;
  hello.set_protocol_version(wire::kVersion);
  hello.set_library_version(kVersion);
  hello.set_worker(config.options.worker);
  hello.set_incarnation(config.incarnation);
  hello.set_observer(config.options.observer);
  hello.set_layout_fingerprint(config.layout.fingerprint());
  wire::DescribeLayout(config.layout, hello);
  hello.set_server_index(index_);
  hello.set_servers(config.layout.servers());
  hello.set_unhashed(connection_->info().in_memory);
  hello.set_codec_up(config.codec_up->info().spec);
  for (const auto& codec : config.codecs_up_also) hello.add_codecs_up_also(codec->info().spec);
  hello.set_codec_down(config.codec_down->info().spec);
  hello.set_bytes_in_flight_max(config.options.bytes_in_flight_max);
  if (config.differences != nullptr) hello.set_pull_differences(config.differences->info().spec);
  hello.set_one_sided(pulls_.WantsOneSided(*connection_));
  wire::FrameHeader header;
  header.type = static_cast<uint8_t>(wire::FrameType::kHello);
  absl::StatusOr<Buffer> frame = wire::PackControl(header, hello, shared_->pool);
  if (!frame.ok()) {
    Break(frame.status());
    return;
  }
  SendFrame(std::make_shared<Buffer>(*std::move(frame)));
}

void ServerLink::SendFrame(std::shared_ptr<Buffer> frame) {
  const auto payload = std::as_const(*frame).span();
  SendFrame(std::move(frame), payload, nullptr);
}

void ServerLink::SendFrame(std::shared_ptr<Buffer> frame, absl::Span<const std::byte> payload,
                           Task let_go) {
  Message message;
  message.header = frame->headroom(wire::kFrameHeaderBytes);
  if (!payload.empty()) message.payload.push_back(payload);
  // What is given to a connection that has just closed comes back when the connection holds the client no more.
  auto done =
      shared_->tasks.Holding([this, attempt = attempt_, frame = std::move(frame),
                              let_go = std::move(let_go)](const absl::Status& status) mutable {
        if (let_go != nullptr) std::move(let_go)();
        if (status.ok()) {
          SignOfLife();
          return;
        }
        shared_->tasks.OnState([this, attempt, status] {
          if (attempt == attempt_) Break(status);
        });
      });
  // No deadline of its own: a stalled connection is found by its silence.
  connection_->Send(std::move(message), absl::InfiniteFuture(), std::move(done));
}

void ServerLink::Break(absl::Status reason) {
  if (state_ != State::kShaking && state_ != State::kReady) return;
  state_ = State::kClosing;
  CancelTimers();
  connection_->Close(std::move(reason));
}

void ServerLink::OnClosed(uint64_t attempt, const absl::Status& reason) {
  if (attempt != attempt_ || connection_ == nullptr) return;
  connection_.reset();
  CancelTimers();
  requests_.OnDisconnected();
  pulls_.OnDisconnected();
  if (leaving_ && final_.ok()) final_ = absl::CancelledError("this worker has left");
  if (!final_.ok()) {
    BecomeFinal();
    return;
  }
  GiveUpPath(reason);
  const absl::Time now = shared_->tasks.Now();
  if (now - ready_since_ >= kStableAfter) {
    away_since_ = absl::InfiniteFuture();
    backoff_.Reset();
  }
  ready_since_ = absl::InfiniteFuture();
  Rest(reason);
}

void ServerLink::GiveUpPath(const absl::Status& why) {
  // Cancelled: we closed it ourselves, for a reason that the path has no part in.
  if (selector_ == nullptr || absl::IsCancelled(why)) return;
  selector_->GiveUp(path_.provider, absl::StrCat("it broke: ", why.message()));
  report_.SetCandidates(selector_->Candidates());
}

void ServerLink::ReportPath() {
  const PathReport::News news =
      report_.Holds(path_, connection_->info(), last_error_.message(), shared_->tasks.Now());
  if (!news.change.empty()) shared_->config.runtime->Log(LogLevel::kWarning, news.change);
  shared_->config.runtime->Log(LogLevel::kInfo, news.summary);
}

void ServerLink::Rest(const absl::Status& reason) {
  const absl::Time now = shared_->tasks.Now();
  state_ = State::kResting;
  // The first of a row of failures is news, the rest of them is not.
  const bool news = away_since_ == absl::InfiniteFuture() || reason.code() != last_error_.code();
  last_error_ = reason;
  away_since_ = std::min(away_since_, now);
  const absl::Time give_up = away_since_ + shared_->config.options.reconnect_timeout;
  if (now >= give_up) {
    final_ = absl::UnavailableError(
        absl::StrCat(name(), " stayed away for ",
                     absl::FormatDuration(shared_->config.options.reconnect_timeout),
                     "; the last attempt failed: ", reason.message()));
    shared_->config.runtime->Log(LogLevel::kError, final_.message());
    BecomeFinal();
    return;
  }
  if (news) {
    shared_->config.runtime->Log(
        LogLevel::kWarning,
        absl::StrCat("no connection to ", name(), ", trying on: ", reason.ToString()));
  }
  const absl::Duration rest = backoff_.Next(shared_->tasks.Random());
  timer_ = shared_->tasks.At(std::min(now + rest, give_up), [this] {
    if (state_ == State::kResting) Connect();
  });
}

void ServerLink::Shutdown(const absl::Status& status) {
  if (state_ == State::kFinal) return;
  if (final_.ok()) final_ = status;
  CancelTimers();
  if (connection_ == nullptr) {
    if (std::exchange(state_, State::kClosing) == State::kSelecting) selector_->Cancel(final_);
    BecomeFinal();
    return;
  }
  state_ = State::kClosing;
  connection_->Close(final_);
}

void ServerLink::Leave(absl::Time deadline, RequestLane::Done done) {
  leaving_ = true;
  if (!ready()) {
    done(absl::UnavailableError(absl::StrCat(
        name(), " is out of reach and was not told; it notices when the lease runs out")));
    return;
  }
  SendStatus();  // the last word on this life
  wire::ControlRequest request;
  request.mutable_leave();
  requests_.Add(std::move(request), deadline, std::move(done));
}

void ServerLink::BecomeFinal() {
  state_ = State::kFinal;
  CancelTimers();
  pushes_.FailAll(final_);
  pulls_.FailAll(final_);
  requests_.FailAll(final_);
  if (auto event = std::exchange(events_.became_final, nullptr); event != nullptr) event(final_);
}

void ServerLink::CancelTimers() { shared_->tasks.Cancel(timer_); }

void ServerLink::ArmHeartbeat() {
  if (lease_ == absl::ZeroDuration()) return;
  const absl::Duration third = lease_ / 3;
  looks_per_heartbeat_ = static_cast<int>(absl::Ceil(third, kStatusAge) / kStatusAge);
  timer_ = shared_->tasks.At(shared_->tasks.Now() + third / looks_per_heartbeat_,
                             [this, attempt = attempt_] {
                               if (attempt == attempt_ && ready()) Heartbeat();
                             });
}

void ServerLink::Heartbeat() {
  const absl::Duration silence = shared_->tasks.Now() - absl::FromUnixNanos(alive_ns_.load());
  if (silence >= 2 * lease_ / 3) {
    Break(absl::UnavailableError(absl::StrCat("silent for ", absl::FormatDuration(silence))));
    return;
  }
  if (++told_.looks >= looks_per_heartbeat_ || told_.status != shared_->status ||
      told_.switches != report_.switches()) {
    SendStatus();
  }
  ArmHeartbeat();
}

void ServerLink::SendStatus() {
  wire::ControlRequest request;
  wire::Heartbeat& heartbeat = *request.mutable_heartbeat();
  *heartbeat.mutable_status() = wire::ToProto(shared_->status);
  heartbeat.set_transport(path_.provider);
  heartbeat.set_transport_switches(report_.switches());
  told_ = {shared_->status, report_.switches(), 0};
  requests_.Add(std::move(request), absl::InfiniteFuture(), [](const auto&) {});
}

}  // namespace tideway
