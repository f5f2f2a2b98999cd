#include "transports/libfabric/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tideway/limits.h"

namespace tideway::libfabric {
namespace {

// A peer that was heard a shorter time ago is still looking at its queue.
constexpr absl::Duration kPeerLooks = absl::Microseconds(10);

// The peer reads large payloads, and waits a round trip for each. With 2 MiB under way it waited half of its time: pushes of 64 MiB over
// net, tcp and shm are 1.2 to 1.6 times as quick with this; twice as much brings nothing more.
constexpr size_t kSendAheadBytes = size_t{8} << 20;

}  // namespace

absl::StatusOr<std::shared_ptr<OfiConnection>> OfiConnection::Create(Setup setup) {
  absl::StatusOr<fi_addr_t> number = setup.domain->AddPeer(setup.peer.fabric_address);
  if (!number.ok()) return number.status();
  setup.peer_number = *number;
  auto connection = std::make_shared<OfiConnection>(std::move(setup));
  connection->domain_->AddUser(connection->id_, connection.get());
  if (connection->loop_->Register(connection)) return connection;
  connection->Finish();
  return absl::CancelledError("the transport was stopped");
}

OfiConnection::OfiConnection(Setup setup)
    : loop_(std::move(setup.loop)),
      domain_(std::move(setup.domain)),
      role_(setup.role),
      id_(setup.id),
      peer_number_(setup.peer_number),
      peer_address_(setup.peer.fabric_address),
      peer_id_(setup.peer.connection),
      frame_bytes_(std::min<size_t>(setup.peer.frame_bytes, domain_->frame_bytes())),
      side_(loop_.get(), std::move(setup.side)),
      transfers_(domain_.get(), role_, peer_number_, this) {
  info_.transport = "libfabric";
  info_.local = std::move(setup.local);
  info_.peer = std::move(setup.peer.text);
  info_.in_memory = domain_->provider().same_host;
  info_.send_ahead_bytes = kSendAheadBytes;
  info_.details["provider"] = domain_->provider().scheme;
  info_.details["device"] = domain_->device()->info()->domain_attr->name;
  info_.details["payloads"] =
      absl::StrCat("up to ", frame_bytes_, " bytes in a frame, beyond that read from the sender");
  info_.details["one_sided"] =
      setup.one_sided.empty() ? "reads by the adapter or the kernel" : setup.one_sided;
  if (setup.one_sided.empty())
    one_sided_.emplace(this, domain_->device(), domain_->id(), setup.peer.device);
  SetConnectionOptions(side_.descriptor());
}

OfiConnection::~OfiConnection() = default;

void OfiConnection::Send(Message message, absl::Time deadline, Done done) {
  SendOp op(std::move(message), deadline, std::move(done));
  bool wake = false;
  const absl::Status status = queue_.Push(op, wake);
  if (!status.ok()) {
    loop_->Post([done = std::move(op.done), status]() mutable { std::move(done)(status); });
    return;
  }
  if (!wake) return;
  loop_->Post([self = shared_from_this()] { self->TakeSends(); });
}

void OfiConnection::Close(absl::Status reason) {
  if (closing_.exchange(true)) return;
  if (reason.ok()) reason = absl::CancelledError("the connection was closed on this side");
  loop_->Post(
      [self = shared_from_this(), reason = std::move(reason)] { self->CloseOnLoop(reason); });
}

absl::Status OfiConnection::WriteGreeting(const std::string& bytes) {
  const absl::StatusOr<size_t> count = WriteSome(
      side_.descriptor(), {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
  if (!count.ok()) return count.status();
  if (*count != bytes.size()) return absl::UnavailableError("the greeting was cut");
  return absl::OkStatus();
}

void OfiConnection::Start(std::shared_ptr<Receiver> receiver, bool ready) {
  receiver_ = std::move(receiver);
  peer_ready_ |= ready;
  if (ending_) return;
  side_.Watch(this);
  Flush();
}

// --- sending ----------------------------------------------------------------------------------------------------

void OfiConnection::TakeSends() {
  if (closing_) return;  // what waits is about to be failed
  queue_.Take(arriving_);
  absl::Time earliest = absl::InfiniteFuture();
  while (!arriving_.empty()) {
    earliest = std::min(earliest, arriving_.front().deadline);
    outbox_.Push(arriving_.pop_front());
  }
  if (earliest < armed_deadline_) {
    armed_deadline_ = earliest;
    loop_->WakeAt(earliest);
  }
  Flush();
}

void OfiConnection::Flush() {
  if (ending_) return;
  if (!Went(transfers_.Ask())) return;
  if (!SendNotes()) return;
  if (!SendMessages()) return;
  CompleteSends();
}

bool OfiConnection::Went(Outcome outcome) {
  if (outcome == Outcome::kOut) return true;
  if (outcome == Outcome::kLater) {
    domain_->AwaitRoom(this);
  } else {
    CloseOnLoop(absl::UnavailableError(
        absl::StrCat("the connection with ", info_.peer, " broke: libfabric can't reach it")));
  }
  return false;
}

bool OfiConnection::SendFrame(Frame& frame, absl::Span<const absl::Span<const std::byte>> payload) {
  const absl::Span<std::byte> buffer = domain_->FrameBuffer();
  if (buffer.empty()) return Went(Outcome::kLater);
  frame.connection = peer_id_;
  frame.finished = finished_;
  const size_t bytes = EncodeFrame(frame, payload, buffer);
  if (!Went(domain_->SendFrame(role_, peer_number_, bytes, id_))) return false;
  finished_told_ = finished_;
  // Where idle peers sleep, this one is woken; where they block on the fabric, the fabric does it.
  if (domain_->wait_descriptor() < 0) {
    const absl::Time now = loop_->Now();
    if (now - heard_at_ > kPeerLooks) {
      side_.Write(NoteKind::kDoorbell, 0);
      heard_at_ = now;
    }
  }
  return true;
}

bool OfiConnection::SendNotes() {
  if (!peer_ready_) return true;
  while (!read_notes_.empty()) {
    Frame frame;
    frame.type = FrameType::kRead;
    frame.sequence = read_notes_.front();
    if (!SendFrame(frame, {})) return false;
    read_notes_.pop_front();
  }
  if (finished_ - finished_told_ < kWindowMessages / 2) return true;
  Frame frame;
  frame.type = FrameType::kCredit;
  return SendFrame(frame, {});
}

bool OfiConnection::SendMessages() {
  while (peer_ready_ && outbox_.CanSend()) {
    Frame frame;
    const absl::Status status = outbox_.Prepare(*domain_->device(), frame_bytes_, frame);
    if (!status.ok()) {
      CloseOnLoop(status);
      return false;
    }
    if (!SendFrame(frame, outbox_.payload_parts())) {
      if (!ending_) CompleteSends();
      return false;
    }
    outbox_.Sent();
  }
  return true;
}

void OfiConnection::CompleteSends() {
  SendOp op;
  while (!ending_ && outbox_.PopComplete(op)) {
    queue_.Release(op.bytes(), 1);
    std::move(op.done)(absl::OkStatus());
  }
}

// --- receiving --------------------------------------------------------------------------------------------------

void OfiConnection::OnFrame(absl::Span<const std::byte> bytes) {
  if (ending_ || closing_ || receiver_ == nullptr) return;
  const std::shared_ptr<OfiConnection> self = shared_from_this();
  peer_ready_ = true;
  if (domain_->wait_descriptor() < 0) heard_at_ = loop_->Now();
  Frame frame;
  absl::Status status = DecodeFrame(bytes, frame);
  if (status.ok()) status = HandleFrame(frame);
  if (!status.ok()) {
    CloseForPeersError(status);
    return;
  }
  Flush();
  if (peer_sent_.has_value() && received_ == *peer_sent_)
    OnPeerGone(absl::UnavailableError("it was closed by the other end"));
}

absl::Status OfiConnection::HandleFrame(const Frame& frame) {
  absl::Status status = outbox_.OnFinished(frame.finished);
  if (!status.ok()) return status;
  switch (frame.type) {
    case FrameType::kInline:
    case FrameType::kRemote:
      return HandleMessage(frame);
    case FrameType::kRead:
      return outbox_.OnRead(frame.sequence);
    case FrameType::kCredit:
      break;
  }
  return absl::OkStatus();
}

absl::Status OfiConnection::HandleMessage(const Frame& frame) {
  if (frame.sequence != received_ || received_ - finished_ >= kWindowMessages) {
    return absl::InvalidArgumentError(absl::StrCat("message ", frame.sequence, " came where ",
                                                   received_, " was due, with ",
                                                   received_ - finished_, " unfinished"));
  }
  ++received_;
  // The peer has closed and waits to have its memory back.
  if (peer_sent_.has_value() && frame.type == FrameType::kRemote)
    return absl::UnavailableError("it was closed by the other end in mid-message");
  absl::StatusOr<Landing> landing = receiver_->OnMessage(frame.header, frame.payload_bytes);
  if (!landing.ok()) return landing.status();
  if (landing->destination.size() != frame.payload_bytes) {
    std::move(landing->done)(absl::InternalError("a landing has another size than its payload"));
    return absl::InternalError("a landing has another size than its payload");
  }
  if (frame.type == FrameType::kInline) {
    if (!frame.payload.empty())
      std::memcpy(landing->destination.data(), frame.payload.data(), frame.payload.size());
    ++finished_;
    std::move(landing->done)(absl::OkStatus());
    return absl::OkStatus();
  }
  Transfer* transfer = transfers_.New();
  transfer->parts = frame.parts;
  transfer->destination = landing->destination;
  transfer->message = true;
  transfer->sequence = frame.sequence;
  transfer->done = std::move(landing->done);
  return transfers_.Begin(transfer);
}

void OfiConnection::OnRead(void* transfer, size_t bytes, const absl::Status& status) {
  const std::shared_ptr<OfiConnection> self = shared_from_this();
  auto* read = static_cast<Transfer*>(transfer);
  if (!status.ok()) {
    transfers_.OnFailedChunk();
    CloseOnLoop(absl::UnavailableError(
        absl::StrCat("reading from ", info_.peer, " failed: ", status.message())));
  } else if (transfers_.OnChunk(read, bytes) && !ending_) {
    FinishRead(read);
  }
  if (ending_) {
    TryFinish();
  } else {
    Flush();
  }
}

void OfiConnection::FinishRead(Transfer* transfer) {
  Done done = std::move(transfer->done);
  if (transfer->message) {
    ++finished_;
    read_notes_.push_back(transfer->sequence);
  }
  transfers_.Recycle(transfer);
  std::move(done)(absl::OkStatus());
}

void OfiConnection::ReadRemote(RemotePart part, absl::Span<std::byte> local, absl::Time deadline,
                               Done done) {
  loop_->Post([self = shared_from_this(), part, local, deadline, done = std::move(done)]() mutable {
    // Asked for before Close was called: then it fails with Close's reason, like all that is under way.
    if (self->ending_) {
      std::move(done)(self->reason_);
      return;
    }
    if (self->transfers_.active() >= kReadsInFlightMax) {
      std::move(done)(absl::ResourceExhaustedError(
          absl::StrCat("too many reads are under way; the limit is ", kReadsInFlightMax)));
      return;
    }
    Transfer* transfer = self->transfers_.New();
    transfer->parts[0] = part;
    transfer->destination = local;
    transfer->deadline = deadline;
    transfer->done = std::move(done);
    self->BeginRead(transfer);
  });
}

void OfiConnection::Answer(Done done, absl::Status status) {
  loop_->Post([done = std::move(done), status = std::move(status)]() mutable {
    std::move(done)(std::move(status));
  });
}

void OfiConnection::BeginRead(Transfer* transfer) {
  const absl::Status status = transfers_.Begin(transfer);
  if (!status.ok()) {
    CloseOnLoop(status);
    return;
  }
  if (transfer->deadline < armed_deadline_) {
    armed_deadline_ = transfer->deadline;
    loop_->WakeAt(armed_deadline_);
  }
  Flush();
}

}  // namespace tideway::libfabric
