#include "transports/ucx/handshake.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "transports/ucx/process_memory.h"

namespace tideway::ucx {
namespace {

constexpr size_t kRefusalBytesMax = 512;

std::string TlsText(const std::string& tls) { return tls.empty() ? "all" : tls; }

}  // namespace

Handshake::Handshake(std::shared_ptr<Shared> shared, Settings settings,
                     asio::ip::tcp::socket socket, HandshakeDone done)
    : shared_(std::move(shared)), done_(std::move(done)), host_(HostIdentity()) {
  link_.settings = std::move(settings);
  link_.side = std::make_shared<SideChannel>(std::move(socket));
}

void Handshake::Cancel() {
  done_ = nullptr;
  shared_->loop->Deactivate(this);
  if (link_.side != nullptr) link_.side->Close();
}

void Handshake::Finish(absl::Status status) {
  if (!done_) return;
  shared_->loop->Deactivate(this);
  HandshakeDone done = std::exchange(done_, nullptr);
  if (status.ok()) {
    std::move(done)(std::move(link_));
    return;
  }
  link_.side->Close();
  std::move(done)(std::move(status));
}

void Handshake::Expect(FrameType type, Next next) {
  link_.side->Read([self = shared_from_this(), type, next](absl::StatusOr<Frame> frame) {
    if (!self->done_) return;
    if (!frame.ok()) {
      self->Finish(frame.status());
    } else if (frame->type == FrameType::kRefused) {
      self->Finish(absl::UnavailableError(absl::StrCat(
          "the peer ", self->link_.side->peer(),
          " refuses: ", absl::Utf8SafeCEscape(frame->body.substr(0, kRefusalBytesMax)))));
    } else if (frame->type != type) {
      self->Finish(
          absl::UnavailableError(absl::StrCat("the peer ", self->link_.side->peer(),
                                              " does not keep to the ucx transport's handshake")));
    } else {
      ((*self).*next)(frame->body);
    }
  });
}

void Handshake::SayHello() {
  Hello hello;
  hello.pid = OwnPid();
  hello.shared_memory_allowed = link_.settings.SharedMemoryAllowed();
  hello.probe_address = reinterpret_cast<uintptr_t>(shared_->cell.get());
  hello.nonce = shared_->cell->nonce;
  hello.host = host_;
  hello.tls = TlsText(link_.settings.tls);
  link_.side->Write(FrameType::kHello, Encode(hello));
}

absl::Status Handshake::Probe() const {
  if (link_.peer.host != host_) return absl::UnavailableError("the peer runs on another host");
  return ProbeProcess(link_.peer.pid, link_.peer.probe_address, link_.peer.nonce);
}

absl::Status Handshake::MakeWorker() {
  link_.settings.without_cma = !link_.cma_missing.empty() && link_.shared_memory;
  absl::StatusOr<std::shared_ptr<Context>> context =
      shared_->contexts.Get(link_.settings, shared_->loop->log());
  if (!context.ok()) return context.status();
  absl::StatusOr<std::unique_ptr<Worker>> worker = Worker::Create(*std::move(context));
  if (!worker.ok()) return worker.status();
  link_.worker = *std::move(worker);
  return absl::OkStatus();
}

absl::Status Handshake::ConnectWorker(absl::string_view address) {
  absl::Status status = link_.worker->Connect(address, /*peer_errors=*/!link_.shared_memory);
  if (status.ok()) return status;
  const bool same_host = link_.peer.host == host_;
  return absl::UnavailableError(
      absl::StrCat(status.message(), " (this end has tls=", TlsText(link_.settings.tls),
                   ", the peer tls=", link_.peer.tls,
                   same_host ? "" : ", and they run on different hosts or in different containers",
                   "); give both ends a transport that they share"));
}

bool Handshake::Progress() {
  const std::shared_ptr<Handshake> self = shared_from_this();
  const bool worked = link_.worker->Progress();
  if (link_.worker->endpoint_error() != UCS_OK) {
    Finish(UcxError(absl::StrCat("no UCX connection with ", link_.side->peer(), " comes about"),
                    link_.worker->endpoint_error()));
  } else if (link_.worker->wired() && !std::exchange(wired_, true)) {
    OnWired();
  }
  return worked;
}

void Handshake::OnWired() {
  if (!client_) {
    link_.side->Write(FrameType::kWired, "");
    Expect(FrameType::kReady, &Handshake::ServerGotReady);
  } else if (peer_wired_) {
    shared_->loop->Deactivate(this);
    link_.side->Write(FrameType::kReady, "");
    Expect(FrameType::kAccepted, &Handshake::ClientGotAccepted);
  }
}

// --- client -----------------------------------------------------------------------------------------------------

void Handshake::StartClient() {
  client_ = true;
  SayHello();
  Expect(FrameType::kHello, &Handshake::ClientGotHello);
}

void Handshake::ClientGotHello(const std::string& body) {
  absl::StatusOr<Hello> hello = DecodeHello(body);
  if (!hello.ok()) return Finish(absl::UnavailableError(hello.status().message()));
  link_.peer = *std::move(hello);
  const absl::Status probed = Probe();
  if (!probed.ok()) link_.cma_missing = std::string(probed.message());
  link_.side->Write(FrameType::kProbed, EncodeNumber(probed.ok() ? 1 : 0));
  Expect(FrameType::kOffer, &Handshake::ClientGotOffer);
}

void Handshake::ClientGotOffer(const std::string& body) {
  absl::StatusOr<Offer> offer = DecodeOffer(body);
  if (!offer.ok()) return Finish(absl::UnavailableError(offer.status().message()));
  link_.shared_memory = offer->shared_memory;
  if (!offer->cma && link_.cma_missing.empty())
    link_.cma_missing = "the peer can't read this process's memory";
  absl::Status status = MakeWorker();
  if (status.ok()) status = ConnectWorker(offer->worker_address);
  const absl::StatusOr<std::string> address =
      status.ok() ? link_.worker->Address() : absl::StatusOr<std::string>(status);
  if (!address.ok()) {
    link_.side->Write(FrameType::kRefused, address.status().message().substr(0, kRefusalBytesMax));
    return Finish(address.status());
  }
  link_.side->Write(FrameType::kAnswer, *address);
  Expect(FrameType::kWired, &Handshake::ClientGotWired);
  shared_->loop->Activate(this);
}

void Handshake::ClientGotWired(const std::string&) {
  peer_wired_ = true;
  if (wired_) OnWired();
}

void Handshake::ClientGotAccepted(const std::string&) { Finish(absl::OkStatus()); }

// --- server -----------------------------------------------------------------------------------------------------

void Handshake::StartServer() { Expect(FrameType::kHello, &Handshake::ServerGotHello); }

void Handshake::ServerGotHello(const std::string& body) {
  absl::StatusOr<Hello> hello = DecodeHello(body);
  if (!hello.ok()) return Finish(absl::UnavailableError(hello.status().message()));
  link_.peer = *std::move(hello);
  const absl::Status probed = Probe();
  if (!probed.ok()) link_.cma_missing = std::string(probed.message());
  SayHello();
  Expect(FrameType::kProbed, &Handshake::ServerGotProbed);
}

void Handshake::ServerGotProbed(const std::string& body) {
  absl::StatusOr<uint64_t> probed = DecodeNumber(body);
  if (!probed.ok()) return Finish(absl::UnavailableError(probed.status().message()));
  if (*probed == 0 && link_.cma_missing.empty())
    link_.cma_missing = "the peer can't read this process's memory";
  link_.shared_memory = link_.peer.host == host_ && link_.peer.shared_memory_allowed &&
                        link_.settings.SharedMemoryAllowed();
  Offer offer;
  offer.shared_memory = link_.shared_memory;
  offer.cma = link_.cma_missing.empty();
  const absl::Status status = MakeWorker();
  const absl::StatusOr<std::string> address =
      status.ok() ? link_.worker->Address() : absl::StatusOr<std::string>(status);
  if (!address.ok()) {
    link_.side->Write(FrameType::kRefused, address.status().message().substr(0, kRefusalBytesMax));
    return Finish(address.status());
  }
  offer.worker_address = *address;
  link_.side->Write(FrameType::kOffer, Encode(offer));
  Expect(FrameType::kAnswer, &Handshake::ServerGotAnswer);
}

void Handshake::ServerGotAnswer(const std::string& body) {
  const absl::Status status = ConnectWorker(body);
  if (status.ok()) {
    shared_->loop->Activate(this);
    return;
  }
  link_.side->Write(FrameType::kRefused, status.message().substr(0, kRefusalBytesMax));
  Finish(status);
}

void Handshake::ServerGotReady(const std::string&) { Finish(absl::OkStatus()); }

}  // namespace tideway::ucx
