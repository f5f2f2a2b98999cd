// The part of ServerCore that admits peers and answers their control requests.

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/server/server_core.h"
#include "core/wire/layout_outline.h"
#include "tideway/version.h"

namespace tideway {
namespace {

absl::Status CheckName(const std::string& name) {
  const bool printable = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isprint(static_cast<unsigned char>(c));
  });
  if (!name.empty() && name.size() <= kWorkerNameBytesMax && printable) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "a worker's name must have 1 to ", kWorkerNameBytesMax, " printable ASCII characters"));
}

}  // namespace

absl::Status ServerCore::CheckHello(const wire::Hello& hello) const {
  if (hello.protocol_version() != wire::kVersion) {
    return absl::InvalidArgumentError(absl::StrCat(
        "peer speaks protocol ", hello.protocol_version(), ", this server ", wire::kVersion));
  }
  if (hello.servers() != layout_.servers() || hello.server_index() != options_.server_index) {
    return absl::InvalidArgumentError(
        absl::StrCat("this is server ", options_.server_index, " of ", layout_.servers(),
                     "; the client took it for server ", hello.server_index(), " of ",
                     hello.servers(), "; give the servers' URIs in the order of their indices"));
  }
  if (hello.layout_fingerprint() != layout_.fingerprint()) {
    return absl::InvalidArgumentError(wire::DifferenceOfLayouts(layout_, hello));
  }
  if (hello.observer()) return absl::OkStatus();
  if (hello.incarnation() == 0) return absl::InvalidArgumentError("incarnation 0 is reserved");
  return CheckName(hello.worker());
}

absl::StatusOr<std::vector<std::unique_ptr<Codec>>> ServerCore::CodecsUp(
    const wire::Hello& hello) const {
  std::vector<std::string> specs = {hello.codec_up()};
  specs.insert(specs.end(), hello.codecs_up_also().begin(), hello.codecs_up_also().end());
  if (specs.size() > kCodecsUpMax) {
    return absl::InvalidArgumentError(absl::StrCat("the client would push with ", specs.size(),
                                                   " codecs; at most ", kCodecsUpMax));
  }
  std::vector<std::unique_ptr<Codec>> codecs;
  std::set<uint8_t> wire_ids;
  for (const std::string& spec : specs) {
    auto codec = runtime_->codecs().Create(spec);
    if (!codec.ok()) return codec.status();
    if (!wire_ids.insert((*codec)->info().wire_id).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("the client would push with two codecs ", (*codec)->info().name));
    }
    codecs.push_back(*std::move(codec));
  }
  return codecs;
}

absl::StatusOr<Session::Identity> ServerCore::Identify(const std::shared_ptr<Session>& session,
                                                       const wire::Hello& hello) {
  absl::Status status = CheckHello(hello);
  if (!status.ok()) return status;
  Session::Identity identity;
  identity.name = "observer";
  identity.incarnation = hello.incarnation();
  identity.credit_bytes =
      std::max(EncodedBytesMax(layout_.fragment_bytes_max() / sizeof(float)),
               std::min<size_t>(options_.credit_bytes, hello.bytes_in_flight_max()));
  absl::StatusOr<std::vector<std::unique_ptr<Codec>>> up = CodecsUp(hello);
  if (!up.ok()) return up.status();
  auto down = runtime_->codecs().Create(hello.codec_down());
  if (!down.ok()) return down.status();
  if (!(*down)->info().dense) {
    return absl::InvalidArgumentError(
        absl::StrCat("codec_down ", (*down)->info().spec,
                     " leaves values out and can't carry parameters; use identity, bf16 or int8"));
  }
  identity.unhashed = hello.unhashed() && session->in_memory();
  identity.codecs_up = *std::move(up);
  identity.codec_down = *std::move(down);
  if (hello.observer()) return identity;
  status = AdmitWorker(session, hello, identity);
  if (!status.ok()) return status;
  return identity;
}

void ServerCore::OfferDifferences(const wire::Hello& hello, Session::Identity& identity,
                                  wire::Welcome& welcome) {
  if (hello.pull_differences().empty()) return;
  auto codec = difference_codecs_.Take(hello.pull_differences());
  if (!codec.ok()) {  // the client can do without
    welcome.set_differences_refused(std::string(codec.status().message()));
    return;
  }
  identity.differences = *std::move(codec);
  welcome.set_pull_differences(identity.differences->info().spec);
}

absl::Status ServerCore::AdmitWorker(const std::shared_ptr<Session>& session,
                                     const wire::Hello& hello, Session::Identity& identity) {
  uint64_t forgotten = 0;
  auto admission =
      workers_.Admit(hello.worker(), hello.incarnation(), executor().Now(), &forgotten);
  if (!admission.ok()) return admission.status();
  if (forgotten != 0) ForgetWorker(forgotten);
  identity.worker = admission->worker;
  identity.name = hello.worker();
  const Worker& worker = *admission->worker;
  if (admission->replaced && leader_ != nullptr) leader_->Leave(worker.id());
  for (const auto& other : SessionsOf(worker)) {
    if (other == session) continue;
    if (admission->resumed) {
      other->Close(absl::UnavailableError("the worker connected anew"));
    } else {
      other->Refuse(absl::FailedPreconditionError(
          absl::StrCat(worker.name(), " was replaced by a newer incarnation")));
    }
  }
  if (!admission->resumed) {
    Log(LogLevel::kInfo, absl::StrCat(worker.name(), " joined"));
    Emit({.kind = ServerEvent::Kind::kJoin, .worker = worker.id()});
  }
  return absl::OkStatus();
}

void ServerCore::ForgetWorker(uint64_t worker) {
  for (auto& slot : slots_) {
    slot->strand.Post([self = shared_from_this(), slot = slot.get(), worker] {
      slot->fragment->ForgetWorker(worker);
    });
  }
}

void ServerCore::HandleHello(const std::shared_ptr<Session>& session, const wire::Hello& hello) {
  auto identity = Identify(session, hello);
  if (!identity.ok()) return session->Refuse(identity.status());
  wire::Welcome welcome;
  welcome.set_session(session->id());
  welcome.set_worker_id(identity->worker == nullptr ? 0 : identity->worker->id());
  welcome.set_credit_bytes(identity->credit_bytes);
  welcome.set_pushes_in_flight_max(kPushesInFlightMax);
  welcome.set_pulls_in_flight_max(kPullsInFlightMax);
  welcome.set_lease_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(options_.lease)));
  welcome.set_library_version(kVersion);
  welcome.set_unhashed(identity->unhashed);
  welcome.set_maps_memory(identity->unhashed && identity->worker != nullptr);
  OfferDifferences(hello, *identity, welcome);
  if (!hello.one_sided() || identity->differences != nullptr)
    return session->Open(*std::move(identity), welcome);
  // Not here: registering memory takes long, and this is the transport's thread.
  executor().Post([self = shared_from_this(), session, identity = *std::move(identity),
                   welcome = std::move(welcome)]() mutable {
    self->OfferOneSided(*session, welcome);
    session->Open(std::move(identity), welcome);
  });
}

void ServerCore::HandleRequest(const std::shared_ptr<Session>& session, uint64_t sequence,
                               const wire::ControlRequest& request) {
  const auto& worker = session->worker();
  wire::ControlReply reply;
  switch (request.kind_case()) {
    case wire::ControlRequest::kHeartbeat:
      if (worker != nullptr) {
        const wire::Heartbeat& heartbeat = request.heartbeat();
        worker->SetStatus(wire::FromProto(heartbeat.status()),
                          wire::Printable(heartbeat.transport(), kWorkerNameBytesMax),
                          heartbeat.transport_switches());
      }
      return session->AnswerRequest(sequence, reply);
    case wire::ControlRequest::kStats:
      *reply.mutable_stats() = wire::ToProto(stats());
      return session->AnswerRequest(sequence, reply);
    case wire::ControlRequest::kAssignment:
      return HandleAssignment(session, sequence, request.assignment());
    case wire::ControlRequest::kSnapshot:
      return HandleSnapshot(session, sequence);
    case wire::ControlRequest::kLeave:
      session->AnswerRequest(sequence, reply);
      if (worker != nullptr) EndLife(*worker, session->identity().incarnation, "it left");
      return;
    case wire::ControlRequest::kShare:
      return HandleShare(session, sequence, request.share());
    case wire::ControlRequest::KIND_NOT_SET:
      break;
  }
  session->Refuse(absl::InvalidArgumentError("unknown control request"));
}

void ServerCore::HandleShare(const std::shared_ptr<Session>& session, uint64_t sequence,
                             const wire::ShareRequest& share) {
  // A delta's, no more: what is mapped may count as this process's memory.
  const uint64_t bytes = layout_.elements() * sizeof(float);
  if (!session->identity().unhashed || session->worker() == nullptr ||
      share.number() >= kSharedBlocksMax || share.bytes() != bytes) {
    return session->Refuse(absl::InvalidArgumentError(
        absl::StrCat("memory is shared only within a host, by a worker, with a number below ",
                     kSharedBlocksMax, " and with ", bytes, " bytes")));
  }
  // Not here: mapping takes long, and this is the transport's thread.
  executor().Post([session, sequence, share] {
    wire::ControlReply reply;
    auto mapping = SharedMapping::Open(
        {.pid = share.pid(), .file = share.file(), .bytes = share.bytes(), .nonce = share.nonce()});
    if (mapping.ok()) {
      session->Map(share.number(), sequence, *std::move(mapping));
    } else {
      *reply.mutable_error() = wire::ToProto(mapping.status());
    }
    session->AnswerRequest(sequence, reply);
  });
}

void ServerCore::HandleAssignment(const std::shared_ptr<Session>& session, uint64_t sequence,
                                  const wire::AssignmentRequest& request) {
  wire::ControlReply reply;
  if (leader_ == nullptr || session->worker() == nullptr) {
    *reply.mutable_error() = wire::ToProto(absl::InvalidArgumentError(
        leader_ == nullptr ? "only the server with index 0 hands out assignments"
                           : "an observer gets no assignments"));
    return session->AnswerRequest(sequence, reply);
  }
  const Arrival arrival{.inner_steps = request.inner_steps(),
                        .busy_seconds = request.busy_seconds()};
  leader_->Request(session->worker()->id(), session->identity().incarnation, request.cycle(),
                   arrival, [session, sequence](absl::StatusOr<Assignment> assignment) {
                     wire::ControlReply answer;
                     if (assignment.ok()) {
                       *answer.mutable_assignment() = wire::ToProto(*assignment);
                     } else {
                       *answer.mutable_error() = wire::ToProto(assignment.status());
                     }
                     session->AnswerRequest(sequence, answer);
                   });
}

void ServerCore::HandleSnapshot(const std::shared_ptr<Session>& session, uint64_t sequence) {
  WriteSnapshot([session, sequence](const absl::StatusOr<std::string>& folder) {
    wire::ControlReply reply;
    if (!folder.ok()) *reply.mutable_error() = wire::ToProto(folder.status());
    session->AnswerRequest(sequence, reply);
  });
}

}  // namespace tideway
