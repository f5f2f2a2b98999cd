// Handshake: what two ends do over a fresh side connection until each has a UCX worker with an endpoint to the other.
//
//   client                              server
//   HELLO                        ->
//                                <-     HELLO           both try to read the other's memory
//   PROBED could I               ->
//                                <-     OFFER           shared memory? CMA? address of my worker
//   ANSWER address of my worker  ->
//                                <-     WIRED           my endpoint reaches you
//   READY mine reaches you too   ->
//                                <-     ACCEPTED or REFUSED, by the acceptor
//
// Between ANSWER and READY both workers make progress, so that adapters can join their queue pairs. No message can come
// then: the server sends none before READY, and the client has stopped before it says READY.
//
// Threads: the progress thread. `done` is called once, or never after Cancel. Errors: UNAVAILABLE with what to do about it.

#ifndef TIDEWAY_TRANSPORTS_UCX_HANDSHAKE_H_
#define TIDEWAY_TRANSPORTS_UCX_HANDSHAKE_H_

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "transports/ucx/context.h"
#include "transports/ucx/loop.h"
#include "transports/ucx/settings.h"
#include "transports/ucx/side_channel.h"
#include "transports/ucx/wire.h"

namespace tideway::ucx {

// Eight bytes that peers read to find out whether they can.
struct ProbeCell {
  explicit ProbeCell(uint64_t number) : nonce(number) {}
  uint64_t nonce;
};

// What all connections of one transport share.
struct Shared {
  Shared(std::shared_ptr<Loop> the_loop, uint64_t nonce)
      : loop(std::move(the_loop)), cell(std::make_unique<ProbeCell>(nonce)) {}

  const std::shared_ptr<Loop> loop;
  const std::unique_ptr<const ProbeCell> cell;
  ContextPool contexts;
};

// What a handshake results in.
struct Link {
  std::shared_ptr<SideChannel> side;
  std::unique_ptr<Worker> worker;
  Settings settings;
  bool shared_memory = false;  // lanes of shared memory, error mode none
  std::string cma_missing;     // why the peers can't read each other's memory; empty: they can
  Hello peer;
};

class Handshake : public Pollable, public std::enable_shared_from_this<Handshake> {
 public:
  using HandshakeDone = absl::AnyInvocable<void(absl::StatusOr<Link>)>;

  Handshake(std::shared_ptr<Shared> shared, Settings settings, asio::ip::tcp::socket socket,
            HandshakeDone done);

  // For the client the handshake ends with the server's answer; for the server before it.
  void StartClient();
  void StartServer();
  void Cancel();

  bool Progress() override;
  Armed Arm() override { return Armed::kNo; }

 private:
  using Next = void (Handshake::*)(const std::string& body);

  void Expect(FrameType type, Next next);
  void SayHello();
  absl::Status Probe() const;
  absl::Status MakeWorker();
  absl::Status ConnectWorker(absl::string_view address);
  void Finish(absl::Status status);

  void ClientGotHello(const std::string& body);
  void ClientGotOffer(const std::string& body);
  void ClientGotWired(const std::string& body);
  void ClientGotAccepted(const std::string& body);
  void ServerGotHello(const std::string& body);
  void ServerGotProbed(const std::string& body);
  void ServerGotAnswer(const std::string& body);
  void ServerGotReady(const std::string& body);
  void OnWired();

  const std::shared_ptr<Shared> shared_;
  HandshakeDone done_;  // empty: finished
  const std::string host_;
  bool client_ = false;
  bool wired_ = false;       // this end
  bool peer_wired_ = false;  // client: the server has said so
  Link link_;
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_HANDSHAKE_H_
