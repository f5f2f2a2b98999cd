// Strangers on both ends of the side connection: other protocols, damaged frames, peers that vanish or fall silent in each
// step of the handshake, and damaged memory descriptors. A well-behaved connection lives through all of it.

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/hostile_fixture.h"
#include "transports/ucx/context.h"
#include "transports/ucx/log_scope.h"
#include "transports/ucx/process_memory.h"
#include "transports/ucx/wire.h"

namespace tideway::ucx {

TransportEntry Entry();

namespace {

using ::testing::HasSubstr;
using testing::Peer;
using testing::World;

struct Heard {
  FrameType type = FrameType::kRefused;
  std::string body;
};

Heard ReadFrame(const RawSocket& socket) {
  const std::string bytes = socket.Read(kFramePrefixBytes);
  const absl::StatusOr<FramePrefix> prefix = DecodeFramePrefix(Peer::Bytes(bytes));
  EXPECT_TRUE(prefix.ok()) << prefix.status();
  if (!prefix.ok()) return {};
  return {prefix->type, socket.Read(prefix->body_bytes)};
}

void ExpectFrame(const RawSocket& socket, FrameType type) {
  const Heard heard = ReadFrame(socket);
  EXPECT_EQ(static_cast<int>(heard.type), static_cast<int>(type)) << heard.body;
}

// A real worker, so that its address can be given to the end under test.
std::unique_ptr<Worker> NewWorker() {
  const LogSink quiet;
  const LogScope ucx_speaks_to(&quiet);
  Settings settings;
  settings.tls = "tcp,self";
  auto context = Context::Create(settings, {});
  EXPECT_TRUE(context.ok()) << context.status();
  return *Worker::Create(*std::move(context));
}

std::string HelloFrame(const std::string& host) {
  Hello hello;
  hello.pid = OwnPid();
  hello.nonce = 7;
  hello.host = host;
  hello.tls = "tcp";
  return EncodeFrame(FrameType::kHello, Encode(hello));
}

constexpr int kClientFrames = 4;  // HELLO, PROBED, ANSWER, READY
constexpr int kServerFrames = 4;  // HELLO, OFFER, WIRED, ACCEPTED

// Says the first `frames` of a client's frames, and hears what comes between.
void PlayClient(const RawSocket& socket, const Worker& worker, int frames) {
  if (frames < 1) return;
  socket.Write(HelloFrame("elsewhere"));
  if (frames < 2) return;
  ExpectFrame(socket, FrameType::kHello);
  socket.Write(EncodeFrame(FrameType::kProbed, EncodeNumber(0)));
  if (frames < 3) return;
  ExpectFrame(socket, FrameType::kOffer);
  socket.Write(EncodeFrame(FrameType::kAnswer, *worker.Address()));
  if (frames < 4) return;
  ExpectFrame(socket, FrameType::kWired);
  socket.Write(EncodeFrame(FrameType::kReady, ""));
}

// The same of a server.
void PlayServer(const RawSocket& socket, const Worker& worker, int frames) {
  if (frames < 1) return;
  ExpectFrame(socket, FrameType::kHello);
  socket.Write(HelloFrame("elsewhere"));
  if (frames < 2) return;
  ExpectFrame(socket, FrameType::kProbed);
  Offer offer;
  offer.worker_address = *worker.Address();
  socket.Write(EncodeFrame(FrameType::kOffer, Encode(offer)));
  if (frames < 3) return;
  ExpectFrame(socket, FrameType::kAnswer);
  socket.Write(EncodeFrame(FrameType::kWired, ""));
  if (frames < 4) return;
  ExpectFrame(socket, FrameType::kReady);
  socket.Write(EncodeFrame(FrameType::kAccepted, ""));
}

class UcxHostileTest : public ::testing::TestWithParam<const char*>,
                       protected testing::HostileFixture {
 protected:
  UcxHostileTest() : HostileFixture(Entry()) {}
  void SetUp() override { Begin(*Uri::Parse(absl::StrCat("ucx://127.0.0.1:0", GetParam()))); }
  void TearDown() override { ExpectGoodOneLives("x"); }

  // What an attempt to connect to a server that behaves like `play` ends with.
  absl::Status Attempt(const std::function<void(const RawSocket&)>& play) {
    const RawServer server;
    return AttemptAt(server, UriOf(server), play);
  }
  Uri UriOf(const RawServer& server) const {
    return *Uri::Parse(absl::StrCat("ucx://127.0.0.1:", server.port(), GetParam()));
  }
  // The server must end the connection with one who says this and then falls silent.
  void ExpectRefused(const std::string& bytes) const {
    const RawSocket socket = Stranger();
    socket.Write(bytes);
    socket.EndWriting();
    EXPECT_TRUE(socket.AwaitClosed());
  }
};

INSTANTIATE_TEST_SUITE_P(Lanes, UcxHostileTest, ::testing::Values("", "?tls=tcp"),
                         [](const auto& lanes) {
                           return std::string(*lanes.param == '\0' ? "all" : "tcp");
                         });

// --- strangers at a server --------------------------------------------------------------------------------------

TEST_P(UcxHostileTest, AnotherProtocolIsTurnedAwayAtOnce) {
  const RawSocket socket = Stranger();
  socket.Write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(socket.AwaitClosed());  // though this end stays open
}

TEST_P(UcxHostileTest, RandomBytesEndOnlyTheirOwnConnection) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937_64 random(seed);
    std::string noise(1 + random() % 2000, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    ExpectRefused(seed % 2 == 0 ? noise : HelloFrame("x").substr(0, random() % 60) + noise);
  }
}

TEST_P(UcxHostileTest, AHelloWithOneChangedByteOrCutIsRefused) {
  const std::string hello = HelloFrame("x");
  for (size_t at = 0; at < hello.size(); ++at) {
    std::string bad = hello;
    bad[at] = static_cast<char>(bad[at] ^ 0x11);
    ExpectRefused(bad);
    ExpectRefused(hello.substr(0, at));
  }
}

TEST_P(UcxHostileTest, AClientMayVanishAfterEachFrame) {
  const std::unique_ptr<Worker> worker = NewWorker();
  for (int frames = 0; frames < kClientFrames; ++frames) {
    SCOPED_TRACE(frames);
    const RawSocket socket = Stranger();
    PlayClient(socket, *worker, frames);
    socket.EndWriting();
    EXPECT_TRUE(socket.AwaitClosed());
  }
  absl::MutexLock lock(&world_.mutex());
  EXPECT_EQ(peers_.size(), 1u) << "nobody came so far as to be accepted";
}

TEST_P(UcxHostileTest, AClientThatVanishesOnceAcceptedIsReportedAsGone) {
  const std::unique_ptr<Worker> worker = NewWorker();
  RawSocket socket = Stranger();
  PlayClient(socket, *worker, kClientFrames);
  ExpectFrame(socket, FrameType::kAccepted);
  socket.Close();
  EXPECT_TRUE(
      world_.Await([&] { return peers_.size() == 2 && peers_[1]->close_reason.has_value(); }));
  absl::MutexLock lock(&world_.mutex());
  EXPECT_EQ(peers_[1]->close_reason->code(), absl::StatusCode::kUnavailable);
}

TEST_P(UcxHostileTest, AFrameOutOfTurnEndsTheHandshakeInEachStep) {
  const std::unique_ptr<Worker> worker = NewWorker();
  for (int frames = 0; frames < kClientFrames; ++frames) {
    for (const FrameType wrong : {FrameType::kGoodbye, FrameType::kOffer, FrameType::kAccepted}) {
      SCOPED_TRACE(absl::StrCat(frames, " frames, then ", static_cast<int>(wrong)));
      const RawSocket socket = Stranger();
      PlayClient(socket, *worker, frames);
      socket.Write(EncodeFrame(wrong, EncodeNumber(1)));
      EXPECT_TRUE(socket.AwaitClosed());
    }
  }
}

TEST_P(UcxHostileTest, ABodyThatIsNoneEndsTheHandshake) {
  const std::unique_ptr<Worker> worker = NewWorker();
  const RawSocket hello = Stranger();
  hello.Write(EncodeFrame(FrameType::kHello, "no hello"));
  EXPECT_TRUE(hello.AwaitClosed());
  const RawSocket probed = Stranger();
  PlayClient(probed, *worker, 1);
  probed.Write(EncodeFrame(FrameType::kProbed, "123"));
  EXPECT_TRUE(probed.AwaitClosed());
}

TEST_P(UcxHostileTest, AGarbledWorkerAddressIsRefused) {
  const std::unique_ptr<Worker> worker = NewWorker();
  const std::string address = *worker->Address();
  std::mt19937_64 random(1);
  for (size_t bytes = 0; bytes < address.size(); ++bytes) {
    SCOPED_TRACE(bytes);
    const RawSocket socket = Stranger();
    PlayClient(socket, *worker, 2);
    ExpectFrame(socket, FrameType::kOffer);
    socket.Write(EncodeFrame(FrameType::kAnswer, address.substr(0, bytes)));
    socket.EndWriting();
    EXPECT_TRUE(socket.AwaitClosed());
  }
}

TEST_P(UcxHostileTest, ASecondHelloOnALiveConnectionClosesIt) {
  const std::unique_ptr<Worker> worker = NewWorker();
  const RawSocket socket = Stranger();
  PlayClient(socket, *worker, kClientFrames);
  ExpectFrame(socket, FrameType::kAccepted);
  socket.Write(HelloFrame("elsewhere"));
  EXPECT_TRUE(socket.AwaitClosed());
  EXPECT_TRUE(
      world_.Await([&] { return peers_.size() == 2 && peers_[1]->close_reason.has_value(); }));
  EXPECT_THAT(std::string(peers_[1]->close_reason->message()), HasSubstr("does not keep to"));
}

TEST_P(UcxHostileTest, AFarewellThatPromisesWhatNeverComesEndsInBoundedTime) {
  const std::unique_ptr<Worker> worker = NewWorker();
  const RawSocket socket = Stranger();
  PlayClient(socket, *worker, kClientFrames);
  ExpectFrame(socket, FrameType::kAccepted);
  socket.Write(EncodeFrame(FrameType::kGoodbye, EncodeNumber(~uint64_t{0})));
  EXPECT_TRUE(socket.AwaitClosed());
  EXPECT_TRUE(
      world_.Await([&] { return peers_.size() == 2 && peers_[1]->close_reason.has_value(); }));
  EXPECT_THAT(std::string(peers_[1]->close_reason->message()), HasSubstr("mid-message"));
}

// --- a client that meets strangers ------------------------------------------------------------------------------

TEST_P(UcxHostileTest, AServerOfAnotherProtocolIsNamedAsOne) {
  const absl::Status status = Attempt([](const RawSocket& socket) {
    socket.Write("HTTP/1.1 400 Bad Request\r\n\r\n");
    EXPECT_TRUE(socket.AwaitClosed());
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another program on that port"));
}

TEST_P(UcxHostileTest, AServerMayVanishAfterEachFrame) {
  const std::unique_ptr<Worker> worker = NewWorker();
  for (int frames = 0; frames < kServerFrames; ++frames) {
    SCOPED_TRACE(frames);
    const absl::Status status = Attempt([&](const RawSocket& socket) {
      PlayServer(socket, *worker, frames);
      socket.EndWriting();
      EXPECT_TRUE(socket.AwaitClosed());
    });
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("closed the connection"));
  }
}

TEST_P(UcxHostileTest, AServerThatFallsSilentInAnyStepFailsTheAttemptAtItsDeadline) {
  const std::unique_ptr<Worker> worker = NewWorker();
  for (int frames = 0; frames < kServerFrames; ++frames) {
    SCOPED_TRACE(frames);
    const RawServer server;
    const Outcome outcome =
        ConnectTo(UriOf(server), std::make_shared<Peer>(world_, world_.client_rule()),
                  absl::Milliseconds(200), [&] {
                    const RawSocket socket = server.Accept();
                    PlayServer(socket, *worker, frames);
                    EXPECT_TRUE(socket.AwaitClosed());
                  });
    EXPECT_EQ(outcome.status.code(), absl::StatusCode::kDeadlineExceeded) << outcome.status;
  }
}

TEST_P(UcxHostileTest, AServerThatVanishesOnceConnectedIsReportedAsGone) {
  const std::unique_ptr<Worker> worker = NewWorker();
  const RawServer server;
  const auto peer = std::make_shared<Peer>(world_, world_.client_rule());
  const Outcome outcome = ConnectTo(UriOf(server), peer, testing::kPatience, [&] {
    const RawSocket socket = server.Accept();
    PlayServer(socket, *worker, kServerFrames);
  });
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_TRUE(world_.Await([&] { return peer->close_reason.has_value(); }));
  EXPECT_EQ(peer->close_reason->code(), absl::StatusCode::kUnavailable);
}

TEST_P(UcxHostileTest, ARefusalIsPassedOnAsPrintableTextOfBoundedLength) {
  const absl::Status status = Attempt([](const RawSocket& socket) {
    socket.Write(EncodeFrame(FrameType::kRefused, "too\nlate" + std::string(20'000, '\x01')));
    EXPECT_TRUE(socket.AwaitClosed());
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("too\\nlate"));
  EXPECT_LT(status.message().size(), 4000u);
}

TEST_P(UcxHostileTest, AnOfferWithoutAnAddressFailsTheAttempt) {
  const std::unique_ptr<Worker> worker = NewWorker();
  const absl::Status status = Attempt([&](const RawSocket& socket) {
    PlayServer(socket, *worker, 1);
    ExpectFrame(socket, FrameType::kProbed);
    socket.Write(EncodeFrame(FrameType::kOffer, "\1"));
    EXPECT_TRUE(socket.AwaitClosed());
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

// --- reads ------------------------------------------------------------------------------------------------------

TEST_P(UcxHostileTest, ADamagedMemoryDescriptorFailsItsReadAndNothingElse) {
  OneSided* const reader = good_connection_->one_sided();
  if (reader == nullptr) return;  // these lanes have none; the other instance of the test does
  const std::string memory(4096, 'm');
  const auto exposed = *connections_[0]->one_sided()->Expose(Peer::Bytes(memory));
  const std::string good(reinterpret_cast<const char*>(exposed->descriptor().data()),
                         exposed->descriptor().size());
  std::string place(memory.size(), '\0');
  const auto read = [&](const std::string& descriptor) {
    auto done = world_.NewCompletion();
    reader->Read(Peer::Bytes(descriptor), 0,
                 {reinterpret_cast<std::byte*>(place.data()), place.size()}, world_.Soon(),
                 world_.Watched(done, world_.client_rule()));
    EXPECT_TRUE(world_.AwaitFired(done));
    return done->status;
  };
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_EQ(read(bad).code(), absl::StatusCode::kInvalidArgument) << at;
    EXPECT_EQ(read(good.substr(0, at)).code(), absl::StatusCode::kInvalidArgument) << at;
  }
  EXPECT_EQ(place, std::string(memory.size(), '\0'));
  EXPECT_TRUE(read(good).ok());
  EXPECT_EQ(place, memory);
}

}  // namespace
}  // namespace tideway::ucx
