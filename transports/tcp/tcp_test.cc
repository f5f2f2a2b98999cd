// What is special to TCP: bytes that no peer of ours sends, sockets that end in odd ways, addresses, options, and the
// reader and writer on their own. What every transport promises is in tests/conformance.

#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/transport_probe.h"
#include "transports/tcp/frame.h"
#include "transports/tcp/raw_client.h"
#include "transports/tcp/reader.h"
#include "transports/tcp/writer.h"

namespace tideway::tcp {

TransportEntry Entry();

namespace {

using ::testing::HasSubstr;
using testing::Peer;
using testing::World;

// --- frame, reader, writer: no sockets --------------------------------------------------------------------------

TEST(TcpFrame, MatchesTheExampleOfTheSpecification) {
  EXPECT_EQ(Frame("hi", "abc"), std::string("TDW1\x02\x00\x00\x00\x03\x00\x00\x00hiabc", 17));
}

TEST(TcpFrame, APrefixComesBackAsItWasAndAnyOtherBytesAreRefusedOrInLimits) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) {
    std::byte bytes[kPrefixBytes];
    const Prefix sent = {random() % (kMessageHeaderBytesMax + 1),
                         random() % kMessagePayloadBytesMax + 1};
    EncodePrefix(sent, absl::MakeSpan(bytes));
    auto got = DecodePrefix(bytes);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->header_bytes, sent.header_bytes);
    EXPECT_EQ(got->payload_bytes, sent.payload_bytes);
    bytes[random() % kPrefixBytes] ^= static_cast<std::byte>(1 + random() % 255);
    got = DecodePrefix(bytes);
    if (got.ok()) {
      EXPECT_LE(got->header_bytes, kMessageHeaderBytesMax);
      EXPECT_LE(got->payload_bytes, kMessagePayloadBytesMax);
    }
  }
}

// Lands everything in one text.
struct Collector final : Receiver {
  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override {
    place.assign(payload_bytes, '\0');
    absl::StrAppend(&text, "[",
                    absl::string_view(reinterpret_cast<const char*>(header.data()), header.size()),
                    "|");
    return Landing{{reinterpret_cast<std::byte*>(place.data()), payload_bytes},
                   [this](absl::Status status) {
                     absl::StrAppend(&text, status.ok() ? place : "failed", "]");
                   }};
  }
  void OnClosed(const absl::Status&) override {}
  std::string place;
  std::string text;
};

TEST(TcpReader, GivesTheSameMessagesHoweverTheStreamIsCut) {
  const std::string large(40'000, 'L');
  std::string stream;
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    const std::string header = absl::StrCat("h", i);
    const std::string payload =
        i % 7 == 3 ? large : std::string(static_cast<size_t>(i * i % 97), 'p');
    stream += Frame(header, payload);
    absl::StrAppend(&expected, "[", header, "|", payload, "]");
  }
  const std::atomic<bool> closing = false;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    std::mt19937_64 random(seed);
    const size_t cut_max = seed == 0 ? 1 : size_t{1} << (random() % 16);
    Reader reader;
    Collector collector;
    size_t at = 0;
    while (at < stream.size()) {
      size_t bytes = std::min(1 + random() % cut_max, stream.size() - at);
      size_t filled = 0;
      for (absl::Span<std::byte> place : reader.Prepare()) {
        const size_t now = std::min(bytes - filled, place.size());
        if (now > 0) std::memcpy(place.data(), stream.data() + at + filled, now);
        filled += now;
      }
      ASSERT_GT(filled, 0u);
      at += filled;
      ASSERT_TRUE(reader.Consume(filled, collector, closing).ok());
    }
    ASSERT_TRUE(collector.text == expected) << "seed " << seed;
    EXPECT_FALSE(reader.InMidMessage());
  }
}

TEST(TcpReader, NeverLandsOutsideOfItsMemoryWhateverBytesCome) {
  const std::atomic<bool> closing = false;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    Reader reader;
    Collector collector;
    for (int i = 0; i < 50; ++i) {
      auto places = reader.Prepare();
      std::string bytes = Frame("h", std::string(random() % 50, 'x'));
      if (random() % 4 == 0) bytes[random() % bytes.size()] = static_cast<char>(random());
      const size_t now = std::min(bytes.size(), places[0].size());
      std::memcpy(places[0].data(), bytes.data(), now);
      if (!reader.Consume(now, collector, closing).ok()) break;
    }
    reader.Fail(absl::CancelledError("end"));
  }
}

TEST(TcpWriter, WritesTheSameStreamHoweverTheKernelCutsIt) {
  std::vector<std::string> texts;
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    texts.push_back(absl::StrCat("header ", i));
    texts.push_back(std::string(static_cast<size_t>(i * 37 % 500), 'p'));
    expected += Frame(texts[texts.size() - 2], texts.back() + texts.back());
  }
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    Writer writer;
    for (size_t i = 0; i < texts.size(); i += 2) {
      SendOp op;
      op.message.header = Peer::Bytes(texts[i]);
      op.message.payload = {Peer::Bytes(texts[i + 1]), Peer::Bytes(texts[i + 1])};
      op.payload_bytes = op.message.payload_bytes();
      writer.Push(std::move(op));
    }
    std::string stream;
    RingQueue<SendOp> finished;
    while (!writer.empty()) {
      std::string offered;
      for (const asio::const_buffer& part : writer.Gather()) {
        offered.append(static_cast<const char*>(part.data()), part.size());
      }
      ASSERT_FALSE(offered.empty());
      const size_t taken = seed == 0 ? 1 : 1 + random() % offered.size();
      stream += offered.substr(0, taken);
      writer.Advance(taken, finished);
    }
    EXPECT_EQ(finished.size(), texts.size() / 2);
    ASSERT_TRUE(stream == expected) << "seed " << seed;
  }
}

// --- real sockets -----------------------------------------------------------------------------------------------

// A server that greets a well-behaved connection beside each ill-behaved one.
class TcpSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    listener_ = *world_.server().Listen(
        *Uri::Parse("tcp://127.0.0.1:0"), [this](std::shared_ptr<Connection>) {
          auto peer = std::make_shared<Peer>(world_, world_.server_rule());
          peer->on_message = [this](const std::string&, size_t) {
            absl::MutexLock lock(&world_.mutex());
            ++headers_seen_;
            return absl::OkStatus();
          };
          absl::MutexLock lock(&world_.mutex());
          peers_.push_back(peer);
          return peer;
        });
    good_ = std::make_shared<Peer>(world_, world_.client_rule());
    auto connected = world_.NewCompletion();
    world_.client().Connect(
        listener_->address(), world_.Soon(), good_,
        [this, connected](absl::StatusOr<std::shared_ptr<Connection>> connection) {
          absl::MutexLock lock(&world_.mutex());
          connected->fired = 1;
          if (connection.ok()) good_connection_ = *connection;
        });
    ASSERT_TRUE(world_.AwaitFired(connected));
    ASSERT_NE(good_connection_, nullptr);
    ASSERT_TRUE(world_.Await([&] { return peers_.size() == 1; }));
  }

  void TearDown() override {
    // Whatever the other one did, this connection goes on.
    good_->Send(*good_connection_, "still here", "x", world_.Soon());
    EXPECT_TRUE(world_.Await([&] { return peers_[0]->received_count == 1; }));
  }

  // What the server says about a connection that sends `bytes` (and then, if asked, ends).
  absl::Status ReasonFor(const std::string& bytes,
                         const std::function<void(RawClient&)>& end = nullptr) {
    RawClient client(listener_->address());
    client.Write(bytes);
    // A connection that ends before it is accepted is no news to the server.
    EXPECT_TRUE(world_.Await([&] { return peers_.size() == 2; }));
    if (end) end(client);
    EXPECT_TRUE(
        world_.Await([&] { return peers_.size() == 2 && peers_[1]->close_reason.has_value(); }));
    EXPECT_TRUE(end != nullptr || client.AwaitClosed());
    absl::MutexLock lock(&world_.mutex());
    return peers_.size() == 2 ? peers_[1]->close_reason.value_or(absl::OkStatus())
                              : absl::OkStatus();
  }

  std::vector<std::shared_ptr<Peer>> peers_;
  int headers_seen_ = 0;
  World world_{Entry()};
  std::unique_ptr<Listener> listener_;
  std::shared_ptr<Peer> good_;
  std::shared_ptr<Connection> good_connection_;
};

TEST_F(TcpSocketTest, AnotherProtocolIsFoundOutAndItsFirstBytesAreShown) {
  const absl::Status reason = ReasonFor("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(reason.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(reason.message()), HasSubstr("another protocol"));
  EXPECT_THAT(std::string(reason.message()), HasSubstr("47 45 54 20"));
  EXPECT_THAT(std::string(reason.message()), HasSubstr("GET / HTTP"));
}

TEST_F(TcpSocketTest, OneWrongByteIsEnoughAndIsShownEscaped) {
  const absl::Status reason = ReasonFor(std::string("\x01", 1));
  EXPECT_EQ(reason.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(reason.message()), HasSubstr("01 ('.')"));
}

TEST_F(TcpSocketTest, AnotherVersionIsFoundOut) {
  std::string bytes = Frame("h", "p");
  bytes[3] = '2';
  EXPECT_THAT(std::string(ReasonFor(bytes).message()), HasSubstr("another version"));
}

TEST_F(TcpSocketTest, AHeaderLengthOverTheLimitIsRefusedWithTheLimit) {
  std::string bytes = Frame("h", "p");
  bytes[5] = '\x7f';
  const absl::Status reason = ReasonFor(bytes);
  EXPECT_EQ(reason.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(reason.message()),
              HasSubstr(absl::StrCat("the limit is ", kMessageHeaderBytesMax)));
}

TEST_F(TcpSocketTest, APayloadLengthOverTheLimitIsRefusedWithTheLimit) {
  std::string bytes = Frame("h", "p");
  bytes[11] = '\xff';
  const absl::Status reason = ReasonFor(bytes);
  EXPECT_EQ(reason.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(reason.message()),
              HasSubstr(absl::StrCat("the limit is ", kMessagePayloadBytesMax)));
}

TEST_F(TcpSocketTest, ReservedBytesAndEmptyMessagesAreRefused) {
  std::string bytes = Frame("h", "p");
  bytes[6] = '\x01';
  EXPECT_THAT(std::string(ReasonFor(bytes).message()), HasSubstr("reserved"));
}

TEST_F(TcpSocketTest, AMessageOfNothingIsRefused) {
  EXPECT_EQ(ReasonFor(std::string("TDW1\0\0\0\0\0\0\0\0", 12)).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(TcpSocketTest, AGoodMessageBeforeTheGarbageIsDelivered) {
  EXPECT_FALSE(ReasonFor(Frame("good", "one") + "garbage").ok());
  EXPECT_EQ(peers_[1]->received_count, 1u);
}

TEST_F(TcpSocketTest, AStreamThatEndsInAPrefixIsCutShort) {
  const absl::Status reason =
      ReasonFor(Frame("h", "p").substr(0, 7), [](RawClient& client) { client.Close(); });
  EXPECT_EQ(reason.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(reason.message()), HasSubstr("mid-message"));
}

TEST_F(TcpSocketTest, AStreamThatEndsInAPayloadFailsItsLanding) {
  const std::string whole = Frame("h", std::string(100'000, 'p'));
  const absl::Status reason =
      ReasonFor(whole.substr(0, 50'000), [](RawClient& client) { client.Close(); });
  EXPECT_EQ(reason.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(reason.message()), HasSubstr("mid-message"));
  EXPECT_EQ(peers_[1]->received_count, 0u);  // the World checks that the landing's done came
}

TEST_F(TcpSocketTest, AResetInMidMessageFailsItsLanding) {
  const std::string whole = Frame("h", std::string(100'000, 'p'));
  const absl::Status reason = ReasonFor(whole.substr(0, 50'000), [this](RawClient& client) {
    EXPECT_TRUE(world_.Await([&] { return headers_seen_ == 1; }));
    client.Reset();
  });
  EXPECT_THAT(std::string(reason.message()), HasSubstr("mid-message"));
  EXPECT_EQ(reason.code(), absl::StatusCode::kUnavailable) << reason;
}

TEST_F(TcpSocketTest, APeerThatStopsWritingCountsAsGone) {
  const absl::Status reason =
      ReasonFor(Frame("h", "p"), [](RawClient& client) { client.EndWriting(); });
  EXPECT_EQ(reason.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(reason.message()), HasSubstr("closed the connection"));
}

TEST_F(TcpSocketTest, RandomBytesCloseOnlyTheirOwnConnection) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937_64 random(seed);
    std::string bytes(1 + random() % 2000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (seed % 2 == 0) bytes = Frame("h", bytes).substr(0, random() % 64) + bytes;
    RawClient client(listener_->address());
    client.Write(bytes);
    client.EndWriting();
    EXPECT_TRUE(client.AwaitClosed());
  }
}

// --- addresses and options --------------------------------------------------------------------------------------

struct Once {
  int fired = 0;
  absl::Status status;
  std::shared_ptr<Connection> connection;
};

Once ConnectAndWait(World& world, const Uri& uri) {
  auto once = std::make_shared<Once>();
  auto peer = std::make_shared<Peer>(world, world.client_rule());
  world.client().Connect(uri, world.Soon(), peer,
                         [&world, once](absl::StatusOr<std::shared_ptr<Connection>> c) {
                           absl::MutexLock lock(&world.mutex());
                           ++once->fired;
                           once->status = c.status();
                           if (c.ok()) once->connection = *c;
                         });
  EXPECT_TRUE(world.Await([&] { return once->fired == 1; }));
  absl::MutexLock lock(&world.mutex());
  return *once;
}

AcceptHandler AcceptAll(World& world) {
  return [&world](std::shared_ptr<Connection>) {
    return std::make_shared<Peer>(world, world.server_rule());
  };
}

TEST(TcpAddress, AnIpv6AddressWorksInBrackets) {
  World world(Entry());
  auto listener = world.server().Listen(*Uri::Parse("tcp://[::1]:0"), AcceptAll(world));
  if (!listener.ok() && absl::IsUnavailable(listener.status())) {
    GTEST_SKIP() << "this machine has no IPv6: " << listener.status();
  }
  ASSERT_TRUE(listener.ok()) << listener.status();
  const Once once = ConnectAndWait(world, (*listener)->address());
  EXPECT_TRUE(once.status.ok()) << once.status;
  EXPECT_THAT(once.connection->info().peer, HasSubstr("[::1]:"));
}

TEST(TcpAddress, ANameIsResolvedOnBothSides) {
  World world(Entry());
  auto listener = world.server().Listen(*Uri::Parse("tcp://localhost:0"), AcceptAll(world));
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ((*listener)->address().host, "localhost");
  const Once once = ConnectAndWait(world, (*listener)->address());
  EXPECT_TRUE(once.status.ok()) << once.status;
}

TEST(TcpAddress, AnAddressOfAnotherMachineCannotBeListenedOn) {
  World world(Entry());
  const absl::Status status =
      world.server().Listen(*Uri::Parse("tcp://192.0.2.1:0"), AcceptAll(world)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST(TcpAddress, APortIsNeeded) {
  World world(Entry());
  const absl::Status status =
      world.server().Listen(*Uri::Parse("tcp://127.0.0.1"), AcceptAll(world)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(ConnectAndWait(world, *Uri::Parse("tcp://127.0.0.1:0")).status.code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TcpOptions, TheCongestionControlIsSetAndReported) {
  World world(Entry());
  auto listener = world.server().Listen(*Uri::Parse("tcp://127.0.0.1:0"), AcceptAll(world));
  ASSERT_TRUE(listener.ok()) << listener.status();
  Uri uri = (*listener)->address();
  uri.params["congestion"] = "reno";  // the one that every Linux has
  const Once once = ConnectAndWait(world, uri);
  ASSERT_TRUE(once.status.ok()) << once.status;
  EXPECT_EQ(once.connection->info().details.at("congestion"), "reno");
}

TEST(TcpOptions, OnTheLoopbackInterfaceBbrIsUsedOnlyWhereItIsAskedFor) {
  World world(Entry());
  auto listener = world.server().Listen(*Uri::Parse("tcp://127.0.0.1:0"), AcceptAll(world));
  ASSERT_TRUE(listener.ok()) << listener.status();
  Uri uri = (*listener)->address();
  const Once plain = ConnectAndWait(world, uri);
  ASSERT_TRUE(plain.status.ok()) << plain.status;
  EXPECT_NE(plain.connection->info().details.at("congestion"), "bbr");
  uri.params["congestion"] = "bbr";
  const Once asked = ConnectAndWait(world, uri);
  if (!asked.status.ok()) GTEST_SKIP() << "no bbr here: " << asked.status;
  EXPECT_EQ(asked.connection->info().details.at("congestion"), "bbr");
}

TEST(TcpOptions, AnUnknownCongestionControlIsRefused) {
  World world(Entry());
  const Uri uri = *Uri::Parse("tcp://127.0.0.1:0?congestion=carrier-pigeon");
  const absl::Status status = world.server().Listen(uri, AcceptAll(world)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("carrier-pigeon"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("choose one of: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("reno"));
  Uri to = uri;
  to.port = 1;
  EXPECT_EQ(ConnectAndWait(world, to).status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(TcpOptions, ANumberOutOfRangeIsRefusedWithTheRange) {
  World world(Entry());
  for (const char* bad : {"spin_us=-1", "spin_us=x", "socket_buffer_bytes=1e9", "spin_us="}) {
    const Uri uri = *Uri::Parse(absl::StrCat("tcp://127.0.0.1:0?", bad));
    const absl::Status status = world.server().Listen(uri, AcceptAll(world)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr("from 0 to")) << status;
  }
}

TEST(TcpOptions, ASimulatedExecutorIsRefused) {
  SimExecutor executor(1);
  EXPECT_EQ(Entry().create({.executor = &executor, .log = {}}).status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace tideway::tcp
