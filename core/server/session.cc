#include "core/server/session.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/server/server_core.h"

namespace tideway {
namespace {

constexpr absl::Duration kGreetingTimeout = absl::Seconds(10);
// How long a refused peer may take to read the refusal.
constexpr absl::Duration kClosingTimeout = absl::Seconds(2);
constexpr size_t kRequestsInFlightMax = 64;

// A frame header that lives until it is sent.
using HeaderBytes = std::array<std::byte, wire::kFrameHeaderBytes>;

std::unique_ptr<HeaderBytes> Written(const wire::FrameHeader& header) {
  auto bytes = std::make_unique<HeaderBytes>();
  wire::WriteHeader(header, absl::MakeSpan(*bytes));
  return bytes;
}

}  // namespace

Session::Session(std::shared_ptr<ServerCore> core, uint64_t id,
                 std::shared_ptr<Connection> connection)
    : core_(std::move(core)),
      id_(id),
      peer_(connection->info().peer),
      connection_(std::move(connection)) {}

std::shared_ptr<Connection> Session::connection() const {
  absl::MutexLock lock(&mutex_);
  return connection_;
}

bool Session::in_memory() const {
  const auto connection = this->connection();
  return connection != nullptr && connection->info().in_memory;
}

// identity_ may be read only by who has seen the session open.
std::string Session::PeerName(State state) const {
  if (state == State::kGreeting) return peer_;
  return absl::StrCat(identity_.name, " (", peer_, ")");
}

absl::StatusOr<Landing> Session::OnMessage(absl::Span<const std::byte> header_bytes,
                                           size_t payload_bytes) {
  const State state = state_.load(std::memory_order_acquire);
  if (state == State::kClosing || state == State::kClosed) return Discard(payload_bytes);
  const bool unhashed = state == State::kOpen && identity_.unhashed;
  auto header = wire::ReadHeader(header_bytes, payload_bytes, unhashed);
  if (!header.ok()) return Reject(header.status(), payload_bytes);
  const auto type = static_cast<wire::FrameType>(header->type);
  if (state == State::kGreeting) {
    if (type == wire::FrameType::kHello) return LandHello(*header);
    if (type == wire::FrameType::kDiscover) return LandDiscover(*header);
    if (type == wire::FrameType::kProbe) return LandProbe(*header);
    return Reject(absl::InvalidArgumentError(
                      absl::StrCat("a ", wire::TypeName(type), " frame came before the hello")),
                  payload_bytes);
  }
  if (header->session != id_) {
    return Reject(absl::InvalidArgumentError("frame is of another session"), payload_bytes);
  }
  if (identity_.worker != nullptr) identity_.worker->Touch(core_->executor().Now());
  switch (type) {
    case wire::FrameType::kPush:
      return LandPush(*header);
    case wire::FrameType::kPull:
      return LandPull(*header);
    case wire::FrameType::kRequest:
      return LandRequest(*header);
    case wire::FrameType::kRefuse:
      return LandRefuse(*header);
    default:
      return Reject(absl::InvalidArgumentError(
                        absl::StrCat("a client must not send a ", wire::TypeName(type), " frame")),
                    payload_bytes);
  }
}

absl::StatusOr<Landing> Session::Reject(const absl::Status& why, size_t payload_bytes) {
  Refuse(why);
  return Discard(payload_bytes);
}

absl::StatusOr<Landing> Session::Discard(size_t payload_bytes) {
  auto buffer = core_->pool().Take(payload_bytes);
  if (!buffer.ok()) return buffer.status();
  absl::Span<std::byte> destination = buffer->span();
  return Landing{destination, [buffer = *std::move(buffer)](absl::Status) {}};
}

absl::StatusOr<Landing> Session::LandPooled(const wire::FrameHeader& header,
                                            absl::AnyInvocable<void(Buffer)> use) {
  auto buffer = core_->pool().Take(header.payload_bytes);
  if (!buffer.ok()) return Reject(buffer.status(), header.payload_bytes);
  absl::Span<std::byte> destination = buffer->span();
  return Landing{destination, [self = shared_from_this(), header, use = std::move(use),
                               buffer = *std::move(buffer)](absl::Status status) mutable {
                   if (!status.ok()) return;  // OnClosed follows
                   status = wire::CheckPayload(header, buffer.span());
                   if (!status.ok()) return self->Refuse(status);
                   use(std::move(buffer));
                 }};
}

absl::StatusOr<Landing> Session::LandHello(const wire::FrameHeader& header) {
  if (header.payload_bytes > kControlBytesMax) {
    return Reject(absl::ResourceExhaustedError("hello is too long"), header.payload_bytes);
  }
  return LandPooled(header, [self = shared_from_this()](Buffer payload) {
    auto hello = wire::UnpackControl<wire::Hello>(payload.span());
    if (!hello.ok()) return self->Refuse(hello.status());
    if (self->state_.load() != State::kGreeting) return;
    // The welcome may take a while: memory is registered for it.
    if (std::exchange(self->greeted_, true)) {
      return self->Refuse(absl::InvalidArgumentError("a second hello came before the welcome"));
    }
    self->core_->HandleHello(self, *hello);
  });
}

absl::StatusOr<Landing> Session::LandDiscover(const wire::FrameHeader& header) {
  if (header.payload_bytes > kControlBytesMax || ++questions_ > kProbesMax) {
    return Reject(absl::ResourceExhaustedError("too long or too many questions for paths"),
                  header.payload_bytes);
  }
  return LandPooled(header, [self = shared_from_this()](Buffer payload) {
    auto discover = wire::UnpackControl<wire::Discover>(payload.span());
    if (!discover.ok()) return self->Refuse(discover.status());
    if (discover->protocol_version() != wire::kVersion) {
      return self->Refuse(absl::InvalidArgumentError(
          absl::StrCat("peer speaks protocol ", discover->protocol_version(), ", this server ",
                       wire::kVersion)));
    }
    self->SendControl(wire::FrameType::kOffer, 0, self->core_->offer(), [](absl::Status) {});
  });
}

absl::StatusOr<Landing> Session::LandProbe(const wire::FrameHeader& header) {
  if (header.payload_bytes > kProbeBytesMax || ++questions_ > kProbesMax) {
    return Reject(absl::ResourceExhaustedError("too large or too many probes"),
                  header.payload_bytes);
  }
  auto buffer = core_->pool().Take(header.payload_bytes);
  if (!buffer.ok()) return Reject(buffer.status(), header.payload_bytes);
  absl::Span<std::byte> destination = buffer->span();
  return Landing{destination, [self = shared_from_this(), sequence = header.sequence,
                               buffer = *std::move(buffer)](const absl::Status& landed) {
                   if (!landed.ok()) return;
                   auto connection = self->connection();
                   if (connection == nullptr) return;
                   wire::FrameHeader ack;
                   ack.type = static_cast<uint8_t>(wire::FrameType::kProbeAck);
                   ack.sequence = sequence;
                   auto bytes = Written(ack);
                   Message message{*bytes, {}};
                   connection->Send(std::move(message), absl::InfiniteFuture(),
                                    [bytes = std::move(bytes)](absl::Status) {});
                 }};
}

const Codec* Session::Identity::CodecUp(uint8_t wire_id) const {
  for (const auto& codec : codecs_up) {
    if (codec->info().wire_id == wire_id) return codec.get();
  }
  return nullptr;
}

std::string Session::Identity::CodecsUp() const {
  return absl::StrJoin(codecs_up, " or ", [](std::string* text, const auto& codec) {
    absl::StrAppend(text, codec->info().spec);
  });
}

absl::Status Session::AdmitPush(const wire::FrameHeader& header, size_t bytes) {
  if (identity_.worker == nullptr) return absl::InvalidArgumentError("an observer must not push");
  absl::Status status = core_->CheckFragment(header);
  if (!status.ok()) return status;
  const Codec* const codec = identity_.CodecUp(header.codec);
  if (codec == nullptr || bytes > codec->Bound(header.elements)) {
    return absl::InvalidArgumentError(
        absl::StrCat("push of fragment ", header.fragment, " has codec ", header.codec, " and ",
                     bytes, " bytes; the handshake settled ", identity_.CodecsUp()));
  }
  if (header.sequence == 0) return absl::InvalidArgumentError("push sequences begin at 1");
  if (push_bytes_.fetch_add(bytes) + bytes > identity_.credit_bytes ||
      pushes_.fetch_add(1) + 1 > kPushesInFlightMax) {
    return absl::ResourceExhaustedError("pushed beyond the credit that was granted");
  }
  return absl::OkStatus();
}

absl::StatusOr<Landing> Session::LandPush(const wire::FrameHeader& header) {
  if ((header.flags & wire::kFlagShared) != 0) return LandShared(header);
  const size_t bytes = header.payload_bytes;
  absl::Status status = AdmitPush(header, bytes);
  if (!status.ok()) return Reject(status, bytes);
  auto buffer = core_->pool().Take(bytes);
  if (!buffer.ok()) return Reject(buffer.status(), bytes);
  auto push = std::make_unique<ArrivedPush>();
  push->header = header;
  push->buffer = *std::move(buffer);
  const absl::Span<std::byte> destination = push->buffer.span();
  push->payload = destination;
  return LandPushIn(std::move(push), destination);
}

absl::StatusOr<Landing> Session::LandShared(const wire::FrameHeader& header) {
  const size_t bytes = size_t{header.elements} * sizeof(float);
  absl::Status status = AdmitPush(header, bytes);
  if (!status.ok()) return Reject(status, 0);
  const wire::SharedPlace place = wire::SharedPlaceOf(header);
  auto push = std::make_unique<ArrivedPush>();
  push->header = header;
  if (place.memory < kSharedBlocksMax) {
    absl::MutexLock lock(&mutex_);
    push->shared = mapped_[place.memory].mapping;
  }
  const size_t there = push->shared == nullptr ? 0 : push->shared->span().size();
  if (header.codec != kIdentityWireId || place.offset % sizeof(float) != 0 || bytes > there ||
      place.offset > there - bytes) {
    return Reject(absl::InvalidArgumentError(absl::StrCat(
                      "push of fragment ", header.fragment, " lies ", bytes, " bytes long at ",
                      place.offset, " of shared memory ", place.memory, ", which has ", there)),
                  0);
  }
  push->payload = push->shared->span().subspan(place.offset, bytes);
  return LandPushIn(std::move(push), {});
}

Landing Session::LandPushIn(std::unique_ptr<ArrivedPush> push, absl::Span<std::byte> destination) {
  core_->PushArrives();
  push->session = shared_from_this();
  push->marks = core_->NewMarks();
  push->marks.Mark(&ServerPushTimes::arrived);
  Landing landing;
  landing.destination = destination;
  if ((push->header.flags & wire::kFlagUnhashed) == 0) {
    push->scanner = wire::PayloadScanner(destination);
    landing.progress = [scanner = &push->scanner](size_t landed) { scanner->Advance(landed); };
  }
  landing.done = [push = std::move(push)](const absl::Status& landed) mutable {
    ServerCore& core = *push->session->core_;
    if (!landed.ok()) return core.PushLost();
    core.HandlePush(std::move(push));
  };
  return landing;
}

void Session::Map(size_t number, uint64_t request, std::shared_ptr<const SharedMapping> mapping) {
  absl::MutexLock lock(&mutex_);
  Mapped& mapped = mapped_[number];
  if (request < mapped.request) return;  // overtaken
  mapped.request = request;
  mapped.mapping.swap(mapping);  // the former one goes when the lock is free
}

absl::StatusOr<Landing> Session::LandPull(const wire::FrameHeader& header) {
  if (header.payload_bytes != 0) {
    return Reject(absl::InvalidArgumentError("a pull frame must have no payload"),
                  header.payload_bytes);
  }
  absl::Status status = core_->CheckFragment(header);
  if (!status.ok()) return Reject(status, 0);
  if (pulls_.fetch_add(1) + 1 > kPullsInFlightMax) {
    return Reject(absl::ResourceExhaustedError("too many pulls under way"), 0);
  }
  core_->HandlePull(shared_from_this(), header);
  return Landing{{}, [](absl::Status) {}};
}

absl::StatusOr<Landing> Session::LandRequest(const wire::FrameHeader& header) {
  if (header.payload_bytes > kControlBytesMax) {
    return Reject(absl::ResourceExhaustedError("request is too long"), header.payload_bytes);
  }
  if (requests_.fetch_add(1) + 1 > kRequestsInFlightMax) {
    return Reject(absl::ResourceExhaustedError("too many requests under way"),
                  header.payload_bytes);
  }
  return LandPooled(header, [self = shared_from_this(), header](Buffer payload) {
    auto request = wire::UnpackControl<wire::ControlRequest>(payload.span());
    if (!request.ok()) return self->Refuse(request.status());
    self->core_->HandleRequest(self, header.sequence, *request);
  });
}

absl::StatusOr<Landing> Session::LandRefuse(const wire::FrameHeader& header) {
  if (header.payload_bytes > kControlBytesMax) return Discard(header.payload_bytes);
  return LandPooled(header, [self = shared_from_this()](Buffer payload) {
    auto refusal = wire::UnpackControl<wire::Refusal>(payload.span());
    self->Close(refusal.ok() ? wire::FromProto(*refusal) : refusal.status());
  });
}

absl::StatusOr<std::string> Session::Expose(absl::Span<const std::byte> memory) {
  auto connection = this->connection();
  if (connection == nullptr || connection->one_sided() == nullptr) {
    return absl::FailedPreconditionError("the connection has no one-sided reads");
  }
  auto exposed = connection->one_sided()->Expose(memory);
  if (!exposed.ok()) return exposed.status();
  const absl::Span<const std::byte> descriptor = (*exposed)->descriptor();
  std::string text(reinterpret_cast<const char*>(descriptor.data()), descriptor.size());
  absl::MutexLock lock(&mutex_);
  if (connection_ == nullptr) return absl::CancelledError("the session was closed");
  exposed_ = *std::move(exposed);
  return text;
}

void Session::Open(Identity identity, const wire::Welcome& welcome) {
  identity_ = std::move(identity);
  State greeting = State::kGreeting;
  if (!state_.compare_exchange_strong(greeting, State::kOpen)) return;
  SendControl(wire::FrameType::kWelcome, 0, welcome, [](absl::Status) {});
}

void Session::AckPush(const wire::FrameHeader& ack, size_t payload_bytes) {
  push_bytes_.fetch_sub(payload_bytes);
  pushes_.fetch_sub(1);
  auto connection = this->connection();
  if (connection == nullptr) return;
  auto header = Written(ack);
  Message message{*header, {}};
  connection->Send(std::move(message), absl::InfiniteFuture(),
                   [header = std::move(header)](absl::Status) {});
}

void Session::AnswerPull(wire::FrameHeader reply, absl::Span<const std::byte> bytes, uint64_t hash,
                         std::shared_ptr<const void> memory) {
  auto connection = this->connection();
  if (connection == nullptr) return;
  if (identity_.worker != nullptr) {
    identity_.worker->CountPull(bytes.size(), reply.elements * sizeof(float));
  }
  reply.session = id_;
  reply.payload_bytes = static_cast<uint32_t>(bytes.size());
  if (identity_.unhashed) {
    reply.flags |= wire::kFlagUnhashed;
  } else {
    reply.payload_hash = hash;
  }
  auto header = Written(reply);
  Message message{*header, {bytes}};
  connection->Send(std::move(message), absl::InfiniteFuture(),
                   [self = shared_from_this(), header = std::move(header),
                    memory = std::move(memory)](absl::Status) { self->pulls_.fetch_sub(1); });
}

void Session::FailPull(wire::FrameHeader reply, const absl::Status& why) {
  pulls_.fetch_sub(1);
  auto connection = this->connection();
  if (connection == nullptr) return;
  reply.session = id_;
  reply.flags = wire::kFlagFailed;
  auto buffer = wire::PackControl(reply, wire::ToProto(why), core_->pool());
  if (!buffer.ok()) return Close(buffer.status());
  Message message{buffer->headroom(wire::kFrameHeaderBytes), {buffer->span()}};
  connection->Send(std::move(message), absl::InfiniteFuture(),
                   [buffer = *std::move(buffer)](absl::Status) {});
}

void Session::AnswerRequest(uint64_t sequence, const wire::ControlReply& reply) {
  requests_.fetch_sub(1);
  SendControl(wire::FrameType::kReply, sequence, reply, [](absl::Status) {});
}

void Session::SendControl(wire::FrameType type, uint64_t sequence,
                          const google::protobuf::MessageLite& message, Done done) {
  auto connection = this->connection();
  if (connection == nullptr) return;
  wire::FrameHeader header;
  header.type = static_cast<uint8_t>(type);
  header.session = id_;
  header.sequence = sequence;
  auto buffer = wire::PackControl(header, message, core_->pool());
  if (!buffer.ok()) return Close(buffer.status());
  Message out{buffer->headroom(wire::kFrameHeaderBytes), {buffer->span()}};
  connection->Send(std::move(out), absl::InfiniteFuture(),
                   [buffer = *std::move(buffer), done = std::move(done)](
                       absl::Status status) mutable { done(std::move(status)); });
}

void Session::Refuse(const absl::Status& why) {
  State state = state_.load();
  do {
    if (state == State::kClosing || state == State::kClosed) return;
  } while (!state_.compare_exchange_weak(state, State::kClosing));
  core_->CountRefused();
  core_->Log(LogLevel::kWarning,
             absl::StrCat("session with ", PeerName(state), " closed: ", why.message()));
  SendControl(wire::FrameType::kRefuse, 0, wire::ToProto(why), [](absl::Status) {});
  core_->executor().PostAt(core_->executor().Now() + kClosingTimeout,
                           [weak = weak_from_this(), why] {
                             if (auto self = weak.lock()) self->Close(why);
                           });
}

void Session::Close(const absl::Status& why) {
  if (auto connection = this->connection()) connection->Close(why);
}

void Session::StartGreetingTimer() {
  Executor& executor = core_->executor();
  executor.PostAt(executor.Now() + kGreetingTimeout, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (self == nullptr || self->state_.load() != State::kGreeting) return;
    self->Refuse(absl::DeadlineExceededError(absl::StrCat(
        "no hello within ", absl::FormatDuration(kGreetingTimeout), " of connecting")));
  });
}

bool Session::IsOpenFor(uint64_t worker) const {
  return state_.load(std::memory_order_acquire) == State::kOpen && identity_.worker != nullptr &&
         identity_.worker->id() == worker;
}

void Session::OnClosed(const absl::Status&) {
  std::shared_ptr<ExposedMemory> exposed;
  {
    absl::MutexLock lock(&mutex_);
    connection_.reset();
    exposed = std::move(exposed_);
  }
  state_.store(State::kClosed);
  core_->SessionClosed(id_, exposed != nullptr);
}

}  // namespace tideway
