// Strangers on both ends of the side channel: other protocols, greetings that lie, peers that vanish or fall silent, and
// damaged memory descriptors. A well-behaved connection lives through all of it.

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/hostile_fixture.h"
#include "transports/libfabric/frame.h"
#include "transports/libfabric/greeting.h"
#include "transports/libfabric/provider.h"

namespace tideway::libfabric {

TransportEntry Entry();

namespace {

using ::testing::HasSubstr;
using testing::Peer;
using testing::World;

std::vector<std::string> UsableSchemes() {
  std::vector<std::string> schemes;
  for (const Provider& provider : Providers()) {
    if (GetInfo(provider, "").ok()) schemes.emplace_back(provider.scheme);
  }
  return schemes;
}

// What it hears on the socket, as a greeting.
Greeting ReadGreeting(const RawSocket& socket) {
  std::string bytes = socket.Read(kGreetingHeadBytes);
  const absl::StatusOr<size_t> wanted = GreetingBytes(Peer::Bytes(bytes));
  if (!wanted.ok() || *wanted < kGreetingHeadBytes) return {};  // it has closed
  bytes += socket.Read(*wanted - bytes.size());
  const absl::StatusOr<Greeting> greeting = DecodeGreeting(Peer::Bytes(bytes));
  EXPECT_TRUE(greeting.ok()) << greeting.status();
  return greeting.value_or(Greeting());
}

class OfiHostileTest : public ::testing::TestWithParam<std::string>,
                       protected testing::HostileFixture {
 protected:
  OfiHostileTest() : HostileFixture(Entry()) {}
  void SetUp() override { Begin(*Uri::Parse(absl::StrCat(GetParam(), "://127.0.0.1:0"))); }
  void TearDown() override { ExpectGoodOneLives(std::string(100'000, 'x')); }

  absl::Status Attempt(const std::function<void(const RawSocket&)>& play,
                       absl::Duration patience = testing::kPatience) {
    const RawServer server;
    return AttemptAt(server, *Uri::Parse(absl::StrCat(GetParam(), "://127.0.0.1:", server.port())),
                     play, patience);
  }
  // An acceptable greeting, but for what a test changes.
  Greeting AHello(const std::string& fabric_address) const {
    Greeting hello;
    hello.connection = 77;
    hello.frame_bytes = 8704;
    hello.scheme = GetParam();
    hello.fabric_address = fabric_address;
    hello.text = "a stranger";
    return hello;
  }
  // How the server answers `hello`; all refusals give a reason.
  GreetingKind AnswerTo(const Greeting& hello) const {
    const RawSocket socket = Stranger();
    socket.Write(EncodeGreeting(hello));
    const Greeting answer = ReadGreeting(socket);
    EXPECT_FALSE(answer.text.empty());
    socket.EndWriting();
    EXPECT_TRUE(socket.AwaitClosed());
    return answer.kind;
  }
};

// Those whose side channel is a TCP socket, which a stranger can reach.
class OfiStreamHostileTest : public OfiHostileTest {};

std::vector<std::string> StreamSchemes() {
  std::vector<std::string> schemes = UsableSchemes();
  std::erase(schemes, "ofi+shm");
  return schemes;
}

std::string NameOf(const ::testing::TestParamInfo<std::string>& scheme) {
  return scheme.param.substr(4);
}

INSTANTIATE_TEST_SUITE_P(Providers, OfiHostileTest, ::testing::ValuesIn(UsableSchemes()), NameOf);
INSTANTIATE_TEST_SUITE_P(Providers, OfiStreamHostileTest, ::testing::ValuesIn(StreamSchemes()),
                         NameOf);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OfiHostileTest);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OfiStreamHostileTest);

// --- strangers at a server --------------------------------------------------------------------------------------

TEST_P(OfiStreamHostileTest, AnotherProtocolIsTurnedAwayAtOnce) {
  const RawSocket socket = Stranger();
  socket.Write("G");
  EXPECT_TRUE(socket.AwaitClosed());  // though this end stays open
}

TEST_P(OfiStreamHostileTest, RandomBytesEndOnlyTheirOwnConnection) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937_64 random(seed);
    std::string noise(1 + random() % 2000, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    const RawSocket socket = Stranger();
    socket.Write(seed % 2 == 0 ? noise
                               : EncodeGreeting(AHello("x")).substr(0, random() % 60) + noise);
    socket.EndWriting();
    EXPECT_TRUE(socket.AwaitClosed());
  }
}

TEST_P(OfiStreamHostileTest, AClientMayVanishAnywhereInItsGreeting) {
  const std::string hello = EncodeGreeting(AHello(std::string(16, 'a')));
  for (size_t bytes = 0; bytes < hello.size(); ++bytes) {
    const RawSocket socket = Stranger();
    socket.Write(hello.substr(0, bytes));
    socket.EndWriting();
    EXPECT_TRUE(socket.AwaitClosed()) << bytes;
  }
}

TEST_P(OfiStreamHostileTest, AGreetingThatDoesNotFitIsRefusedWithTheReason) {
  Greeting hello = AHello(std::string(16, 'a'));
  hello.scheme = "ofi+other";
  EXPECT_EQ(AnswerTo(hello), GreetingKind::kRefusal);
  hello = AHello(std::string(16, 'a'));
  hello.kind = GreetingKind::kWelcome;
  EXPECT_EQ(AnswerTo(hello), GreetingKind::kRefusal);
  hello = AHello(std::string(16, 'a'));
  hello.frame_bytes = kRemoteFrameBytesMax - 1;
  EXPECT_EQ(AnswerTo(hello), GreetingKind::kRefusal);
}

TEST_P(OfiStreamHostileTest, AFabricAddressOfAnotherLengthIsRefusedWithTheReason) {
  for (const size_t bytes : {0, 1, 2, 8, 15, 17, 28, 255})
    EXPECT_EQ(AnswerTo(AHello(std::string(bytes, '\2'))), GreetingKind::kRefusal) << bytes;
}

TEST_P(OfiStreamHostileTest, AFabricAddressOfNoOneHarmsNobody) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937_64 random(seed);
    std::string address(16, '\0');
    for (char& byte : address) byte = static_cast<char>(random());
    if (seed % 2 == 0) address.replace(0, 2, std::string("\2\0", 2));  // AF_INET
    const RawSocket socket = Stranger();
    socket.Write(EncodeGreeting(AHello(address)));
    (void)ReadGreeting(socket);
    socket.EndWriting();
    EXPECT_TRUE(socket.AwaitClosed());
  }
}

TEST_P(OfiStreamHostileTest, AClientThatVanishesOrTalksNonsenseOnceWelcomedIsReportedAsGone) {
  const std::string address = std::string("\2\0\0\1\x7f\0\0\1", 8) + std::string(8, '\0');
  for (const char* last_words : {"", "\1\0\0\0\0\0\0\0", "\x9\0\0\0\0\0\0\0"}) {
    RawSocket socket = Stranger();
    socket.Write(EncodeGreeting(AHello(address)));
    EXPECT_EQ(static_cast<int>(ReadGreeting(socket).kind),
              static_cast<int>(GreetingKind::kWelcome));
    socket.Write(std::string(last_words, *last_words == '\0' ? 0 : kNoteBytes));
    socket.EndWriting();
    EXPECT_TRUE(socket.AwaitClosed());
  }
  EXPECT_TRUE(world_.Await([&] {
    for (size_t i = 1; i < peers_.size(); ++i) {
      if (!peers_[i]->close_reason.has_value()) return false;
    }
    return peers_.size() == 4;
  }));
  absl::MutexLock lock(&world_.mutex());
  for (size_t i = 1; i < peers_.size(); ++i)
    EXPECT_EQ(peers_[i]->close_reason->code(), absl::StatusCode::kUnavailable);
}

// --- a client that meets strangers ------------------------------------------------------------------------------

TEST_P(OfiStreamHostileTest, AServerOfAnotherProtocolIsNamedAsOne) {
  const absl::Status status = Attempt([](const RawSocket& socket) {
    socket.Write("HTTP/1.1 400 Bad Request\r\n\r\n");
    EXPECT_TRUE(socket.AwaitClosed());
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another protocol"));
}

TEST_P(OfiStreamHostileTest, AServerMayVanishBeforeOrWithinItsGreeting) {
  Greeting welcome = AHello(std::string(16, 'a'));
  welcome.kind = GreetingKind::kWelcome;
  const std::string bytes = EncodeGreeting(welcome);
  for (size_t cut = 0; cut < bytes.size(); cut += 7) {
    const absl::Status status = Attempt([&](const RawSocket& socket) {
      (void)ReadGreeting(socket);
      socket.Write(bytes.substr(0, cut));
    });
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << cut;
  }
}

TEST_P(OfiStreamHostileTest, AServerThatFallsSilentFailsTheAttemptAtItsDeadline) {
  const absl::Status status = Attempt(
      [&](const RawSocket& socket) { EXPECT_TRUE(socket.AwaitClosed()); }, absl::Milliseconds(200));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("did not answer by the deadline"));
}

TEST_P(OfiStreamHostileTest, AWelcomeThatDoesNotFitFailsTheAttempt) {
  for (const size_t address_bytes : {0, 1, 15, 255}) {
    const absl::Status status = Attempt([&](const RawSocket& socket) {
      (void)ReadGreeting(socket);
      Greeting welcome = AHello(std::string(address_bytes, '\2'));
      welcome.kind = GreetingKind::kWelcome;
      socket.Write(EncodeGreeting(welcome));
      EXPECT_TRUE(socket.AwaitClosed());
    });
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << address_bytes;
  }
}

TEST_P(OfiStreamHostileTest, ARefusalIsPassedOnAsPrintableText) {
  const absl::Status status = Attempt([&](const RawSocket& socket) {
    (void)ReadGreeting(socket);
    Greeting refusal;
    refusal.kind = GreetingKind::kRefusal;
    refusal.text = "too\nlate";
    socket.Write(EncodeGreeting(refusal));
    EXPECT_TRUE(socket.AwaitClosed());
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("too\\nlate"));
}

// --- reads ------------------------------------------------------------------------------------------------------

TEST_P(OfiHostileTest, ADamagedMemoryDescriptorFailsItsReadAndNothingElse) {
  OneSided* const reader = good_connection_->one_sided();
  if (reader == nullptr) return;  // this provider has none; another instance of the test does
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
}  // namespace tideway::libfabric
