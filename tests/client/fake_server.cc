#include "tests/client/fake_server.h"

#include <cstring>
#include <utility>

namespace tideway::testing {
namespace {

absl::Span<const std::byte> BytesOf(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string TextOf(absl::Span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

class FakeTransport final : public Transport {
 public:
  explicit FakeTransport(FakeServer* server) : server_(server) {
    info_.name = "fake";
    info_.schemes = {"fake"};
  }
  ~FakeTransport() override { Stop(); }

  const TransportInfo& info() const override { return info_; }

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Uri&, AcceptHandler) override {
    return absl::InvalidArgumentError("the fake transport does not listen");
  }

  void Connect(const Uri&, absl::Time, std::shared_ptr<Receiver> receiver,
               ConnectDone done) override {
    server_->attempts.push_back(server_->executor->Now());
    const int attempt = static_cast<int>(server_->attempts.size());
    server_->executor->Post([server = server_, attempt, receiver = std::move(receiver),
                             done = std::move(done)]() mutable {
      if (absl::Status status = server->on_connect(attempt); !status.ok()) return done(status);
      server->last_connection =
          std::make_shared<FakeConnection>(server, attempt, std::move(receiver));
      done(std::shared_ptr<Connection>(server->last_connection));
    });
  }

  void Stop() override {
    if (server_->last_connection) server_->last_connection->Close(absl::CancelledError("stopped"));
    server_->last_connection.reset();
  }

 private:
  FakeServer* const server_;
  TransportInfo info_;
};

}  // namespace

class FakeConnection::Reads final : public OneSided {
 public:
  explicit Reads(FakeConnection* connection) : connection_(connection) {}
  absl::StatusOr<std::shared_ptr<ExposedMemory>> Expose(absl::Span<const std::byte>) override {
    return absl::ResourceExhaustedError("the client has nothing to expose");
  }
  void Read(absl::Span<const std::byte>, size_t offset, absl::Span<std::byte> local, absl::Time,
            Done done) override {
    connection_->Read(offset, local, std::move(done));
  }

 private:
  FakeConnection* const connection_;
};

OneSided* FakeConnection::one_sided() {
  if (server_->area.empty()) return nullptr;
  if (one_sided_ == nullptr) one_sided_ = std::make_shared<Reads>(this);
  return one_sided_.get();
}

void FakeConnection::Read(size_t offset, absl::Span<std::byte> local, Done done) {
  pending_reads_.push_back(std::move(done));
  const size_t mine = pending_reads_.size() - 1;
  server_->executor->Post([self = shared_from_this(), offset, local, mine] {
    if (self->closed_) return;
    absl::Status status = self->server_->on_read(offset, local.size());
    if (absl::IsUnknown(status)) return;
    const auto& area = self->server_->area;
    if (status.ok() && (offset > area.size() || local.size() > area.size() - offset)) {
      status = absl::InvalidArgumentError("beyond the memory");
    }
    if (status.ok()) std::memcpy(local.data(), area.data() + offset, local.size());
    std::exchange(self->pending_reads_[mine], nullptr)(status);
  });
}

void FakeConnection::Send(Message message, absl::Time, Done done) {
  if (closed_) {
    server_->executor->Post(
        [done = std::move(done)]() mutable { done(absl::CancelledError("closed")); });
    return;
  }
  pending_sends_.push_back(std::move(done));
  if (silent_) return;
  std::string header = TextOf(message.header);
  std::string payload;
  for (const auto& part : message.payload) payload += TextOf(part);
  server_->executor->Post([self = shared_from_this(), header, payload] {
    if (self->closed_ || self->silent_) return;
    Done sent = std::move(self->pending_sends_.front());
    self->pending_sends_.erase(self->pending_sends_.begin());
    sent(absl::OkStatus());
    self->Deliver(header, payload);
  });
}

ConnectionInfo FakeConnection::info() const {
  ConnectionInfo info;
  info.transport = "fake";
  info.local = "client";
  info.peer = "server";
  info.in_memory = server_->in_memory;
  return info;
}

void FakeConnection::Deliver(const std::string& header, const std::string& payload) {
  const auto read = wire::ReadHeader(BytesOf(header), payload.size(), server_->welcome.unhashed());
  if (!read.ok()) return Close(read.status());
  server_->frames.push_back({.connection = number_, .header = *read, .payload = payload});
  const Frame frame = server_->frames.back();
  server_->on_frame(*this, frame);
}

void FakeConnection::Close(absl::Status reason) {
  if (std::exchange(closed_, true)) return;
  server_->executor->Post([self = shared_from_this(), reason = std::move(reason)] {
    for (Done& done : std::exchange(self->pending_sends_, {})) done(reason);
    for (Done& done : std::exchange(self->pending_landings_, {})) done(reason);
    for (OneSided::Done& done : std::exchange(self->pending_reads_, {})) {
      if (done != nullptr) done(reason);
    }
    self->client_->OnClosed(reason);
    self->client_.reset();
  });
}

void FakeConnection::AnswerRaw(std::string header, std::string payload) {
  server_->executor->Post(
      [self = shared_from_this(), header = std::move(header), payload = std::move(payload)] {
        if (self->closed_) return;
        absl::StatusOr<Landing> landing = self->client_->OnMessage(BytesOf(header), payload.size());
        if (!landing.ok()) return self->Close(landing.status());
        if (!payload.empty())
          std::memcpy(landing->destination.data(), payload.data(), payload.size());
        landing->done(absl::OkStatus());
      });
}

void FakeConnection::Answer(wire::FrameHeader header, std::string payload) {
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  header.payload_hash = wire::HashPayload(BytesOf(payload));
  std::string bytes(wire::kFrameHeaderBytes, '\0');
  wire::WriteHeader(header, {reinterpret_cast<std::byte*>(bytes.data()), bytes.size()});
  AnswerRaw(std::move(bytes), std::move(payload));
}

void FakeConnection::AnswerControl(wire::FrameType type, uint64_t sequence,
                                   const google::protobuf::MessageLite& message) {
  wire::FrameHeader header;
  header.type = static_cast<uint8_t>(type);
  header.sequence = sequence;
  Answer(header, message.SerializeAsString());
}

void FakeConnection::AnswerHalf(wire::FrameHeader header, size_t payload_bytes) {
  header.payload_bytes = static_cast<uint32_t>(payload_bytes);
  std::string bytes(wire::kFrameHeaderBytes, '\0');
  wire::WriteHeader(header, {reinterpret_cast<std::byte*>(bytes.data()), bytes.size()});
  server_->executor->Post([self = shared_from_this(), bytes, payload_bytes] {
    if (self->closed_) return;
    absl::StatusOr<Landing> landing = self->client_->OnMessage(BytesOf(bytes), payload_bytes);
    if (!landing.ok()) return self->Close(landing.status());
    self->pending_landings_.push_back(std::move(landing->done));
  });
}

void FakeConnection::Refuse(absl::Status status) {
  AnswerControl(wire::FrameType::kRefuse, 0, wire::ToProto(status));
}

TransportEntry FakeServer::Entry() {
  return {.name = "fake",
          .schemes = {"fake"},
          .probe =
              [] {
                TransportInfo info;
                info.name = "fake";
                info.schemes = {"fake"};
                return info;
              },
          .create = [this](const TransportContext&) -> absl::StatusOr<std::unique_ptr<Transport>> {
            return std::make_unique<FakeTransport>(this);
          }};
}

void FakeServer::Welcome(FakeConnection& connection) {
  wire::Welcome answer = welcome;
  answer.set_session(static_cast<uint64_t>(connection.number()));
  if (answer.credit_bytes() == 0) answer.set_credit_bytes(kCreditBytesDefault);
  if (answer.pushes_in_flight_max() == 0) answer.set_pushes_in_flight_max(kPushesInFlightMax);
  if (answer.pulls_in_flight_max() == 0) answer.set_pulls_in_flight_max(kPullsInFlightMax);
  connection.AnswerControl(wire::FrameType::kWelcome, 0, answer);
}

void FakeServer::Ack(FakeConnection& connection, const Frame& push, wire::Verdict verdict) {
  wire::FrameHeader ack;
  ack.type = static_cast<uint8_t>(wire::FrameType::kPushAck);
  ack.sequence = push.header.sequence;
  ack.fragment = push.header.fragment;
  ack.verdict = static_cast<uint8_t>(verdict);
  if (verdict == wire::Verdict::kApplied) ++versions[push.header.fragment];
  ack.fragment_version = versions[push.header.fragment];
  connection.Answer(ack, "");
}

void FakeServer::AnswerPull(FakeConnection& connection, const Frame& pull) {
  const FragmentSpec& spec = layout.fragments()[pull.header.fragment];
  wire::FrameHeader reply;
  reply.type = static_cast<uint8_t>(wire::FrameType::kPullReply);
  reply.sequence = pull.header.sequence;
  reply.fragment = pull.header.fragment;
  reply.elements = pull.header.elements;
  reply.codec = kIdentityWireId;
  reply.fragment_version = versions[pull.header.fragment];
  connection.Answer(reply,
                    std::string(reinterpret_cast<const char*>(parameters.data() + spec.offset),
                                spec.elements * sizeof(float)));
}

void FakeServer::Behave(FakeConnection& connection, const Frame& frame) {
  switch (frame.type()) {
    case wire::FrameType::kHello:
      return Welcome(connection);
    case wire::FrameType::kPush:
      return Ack(connection, frame, wire::Verdict::kApplied);
    case wire::FrameType::kPull:
      return AnswerPull(connection, frame);
    case wire::FrameType::kRequest:
      return connection.AnswerControl(wire::FrameType::kReply, frame.header.sequence,
                                      wire::ControlReply());
    default:
      return;
  }
}

std::vector<Frame> FakeServer::Received(wire::FrameType type) const {
  std::vector<Frame> found;
  for (const Frame& frame : frames) {
    if (frame.type() == type) found.push_back(frame);
  }
  return found;
}

}  // namespace tideway::testing
