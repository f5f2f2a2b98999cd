// FakeServer: a scripted peer for faults that a real server never produces: wrong answers, garbage, silence, refused
// handshakes, death in the middle of a push. What a healthy server does is tested against the real one.
//
// It is a transport (scheme "fake") whose only listener is the test. Everything runs on the simulated executor. By default it
// behaves: it welcomes, applies pushes, answers pulls with `parameters`, answers requests. A test replaces `on_frame` to do
// something else, and may fall back to Behave.

#ifndef TIDEWAY_TESTS_CLIENT_FAKE_SERVER_H_
#define TIDEWAY_TESTS_CLIENT_FAKE_SERVER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/wire/control.h"
#include "core/wire/frame.h"
#include "tideway/codec.h"
#include "tideway/layout.h"
#include "tideway/transport.h"

namespace tideway::testing {

class FakeServer;

// The server's view of one connection, which is also the client's Connection.
class FakeConnection final : public Connection,
                             public std::enable_shared_from_this<FakeConnection> {
 public:
  FakeConnection(FakeServer* server, int number, std::shared_ptr<Receiver> client)
      : server_(server), number_(number), client_(std::move(client)) {}

  int number() const { return number_; }  // 1, 2, 3, ...

  // Server to client.
  void Answer(wire::FrameHeader header, std::string payload);
  void AnswerControl(wire::FrameType type, uint64_t sequence,
                     const google::protobuf::MessageLite& message);
  void AnswerRaw(std::string header, std::string payload);
  // Begins to deliver a payload that never ends: the landing fails when the connection closes.
  void AnswerHalf(wire::FrameHeader header, size_t payload_bytes);
  void Refuse(absl::Status status);
  // Swallows what comes, and completes no more sends, as a dead link does.
  void FallSilent() { silent_ = true; }

  // Reads of the server's `area`, as Connection::one_sided offers them.
  void Read(size_t offset, absl::Span<std::byte> local, Done done);

  void Send(Message message, absl::Time deadline, Done done) override;
  void Close(absl::Status reason) override;
  ConnectionInfo info() const override;
  OneSided* one_sided() override;

 private:
  class Reads;
  void Deliver(const std::string& header, const std::string& payload);

  FakeServer* const server_;
  const int number_;
  std::shared_ptr<Receiver> client_;
  bool closed_ = false;
  bool silent_ = false;
  std::vector<Done> pending_sends_;
  std::vector<Done> pending_landings_;
  std::vector<Done> pending_reads_;
  std::shared_ptr<OneSided> one_sided_;
};

struct Frame {
  int connection = 0;
  wire::FrameHeader header;
  std::string payload;
  wire::FrameType type() const { return static_cast<wire::FrameType>(header.type); }
};

class FakeServer {
 public:
  FakeServer(Executor* runs_on, const Layout& model)
      : executor(runs_on), layout(model), parameters(model.elements(), 0.0f) {}

  // For a RuntimeOptions::transports. The server outlives the runtime.
  TransportEntry Entry();

  void Behave(FakeConnection& connection, const Frame& frame);
  void Welcome(FakeConnection& connection);
  void Ack(FakeConnection& connection, const Frame& push, wire::Verdict verdict);
  void AnswerPull(FakeConnection& connection, const Frame& pull);

  std::vector<Frame> Received(wire::FrameType type) const;

  Executor* const executor;
  const Layout layout;
  std::vector<float> parameters;
  std::vector<std::byte> area;  // what clients may read; empty: they can't

  bool in_memory = false;  // its connections

  // The script.
  std::function<absl::Status(int attempt)> on_connect = [](int) { return absl::OkStatus(); };
  std::function<void(FakeConnection&, const Frame&)> on_frame =
      [this](FakeConnection& connection, const Frame& frame) { Behave(connection, frame); };
  wire::Welcome welcome;
  // Called before each read. Not OK: the read fails with it. UNKNOWN: it never ends, until the connection is closed.
  std::function<absl::Status(size_t offset, size_t bytes)> on_read = [](size_t, size_t) {
    return absl::OkStatus();
  };

  // What happened.
  std::vector<Frame> frames;
  std::vector<absl::Time> attempts;
  std::shared_ptr<FakeConnection> last_connection;
  std::map<uint32_t, uint64_t> versions;  // by fragment
};

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_CLIENT_FAKE_SERVER_H_
