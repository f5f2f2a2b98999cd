// Connections of several streams over real sockets: who may join, who is closed, and that nobody else notices. That messages
// get through is what the conformance suite asks with streams=4.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/transport_probe.h"
#include "transports/tcp/newcomers.h"
#include "transports/tcp/raw_client.h"
#include "transports/tcp/stripe_frame.h"

namespace tideway::tcp {

TransportEntry Entry();

namespace {

using testing::Completion;
using ::testing::HasSubstr;
using testing::Peer;
using testing::World;

std::string Text(absl::Span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string Hello(size_t streams, size_t index, uint64_t token) {
  return Text(EncodeGreeting({streams, index, {token, ~token}}));
}

std::string Head(const std::string& header, size_t payload_bytes) {
  std::byte prefix[kPrefixBytes];
  EncodeStripedHead({header.size(), payload_bytes}, absl::MakeSpan(prefix));
  return Text(prefix) + header;
}

std::string Chunk(size_t index, uint64_t message, const std::string& bytes) {
  std::byte frame[kChunkFrameBytes];
  EncodeChunk({index, message}, absl::MakeSpan(frame));
  return Text(frame) + bytes;
}

class TcpStreams : public ::testing::Test {
 protected:
  void SetUp() override { Listen("streams=2"); }

  void Listen(const std::string& params) {
    listener_ = *world_.server().Listen(*Uri::Parse(absl::StrCat("tcp://127.0.0.1:0?", params)),
                                        [this](std::shared_ptr<Connection> connection) {
                                          auto peer =
                                              std::make_shared<Peer>(world_, world_.server_rule());
                                          absl::MutexLock lock(&world_.mutex());
                                          peers_.push_back(peer);
                                          connections_.push_back(std::move(connection));
                                          return peer;
                                        });
  }

  std::unique_ptr<RawClient> Raw(const std::string& bytes) {
    auto client = std::make_unique<RawClient>(listener_->address());
    client->Write(bytes);
    return client;
  }

  // A connection of the real transport; its peer is `peer`.
  std::shared_ptr<Connection> Connect(Uri uri, const std::shared_ptr<Peer>& peer) {
    auto connected = world_.NewCompletion();
    std::shared_ptr<Connection> result;
    world_.client().Connect(uri, world_.Soon(), peer,
                            [&](absl::StatusOr<std::shared_ptr<Connection>> connection) {
                              absl::MutexLock lock(&world_.mutex());
                              connected->fired = 1;
                              EXPECT_TRUE(connection.ok()) << connection.status();
                              if (connection.ok()) result = *connection;
                            });
    EXPECT_TRUE(world_.AwaitFired(connected));
    return result;
  }

  bool AwaitPeers(size_t count) {
    return world_.Await([&] { return peers_.size() == count; });
  }
  bool AwaitReceived(size_t peer, size_t count) {
    return world_.Await(
        [&] { return peers_.size() > peer && peers_[peer]->received_count == count; });
  }
  bool AwaitClosed(size_t peer) {
    return world_.Await(
        [&] { return peers_.size() > peer && peers_[peer]->close_reason.has_value(); });
  }

  World world_{Entry()};
  std::vector<std::shared_ptr<Peer>> peers_;
  std::vector<std::shared_ptr<Connection>> connections_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(TcpStreams, SocketsThatGreetWithOneTokenAreOneConnectionInWhateverOrderTheyCome) {
  auto second = Raw(Hello(2, 1, 7));
  auto first = Raw(Hello(2, 0, 7) + Frame("small", "s") + Head("large", kChunkBytes));
  ASSERT_TRUE(AwaitPeers(1));
  EXPECT_EQ(connections_[0]->info().details.at("streams"), "2");
  EXPECT_FALSE(connections_[0]->info().details.at("round_trip_us").empty());
  second->Write(Chunk(0, 0, std::string(kChunkBytes, 'c')));
  ASSERT_TRUE(AwaitReceived(0, 2));
  EXPECT_EQ(peers_[0]->received[0].header, "small");
  EXPECT_TRUE(peers_[0]->received[1].payload == std::string(kChunkBytes, 'c'));
}

TEST_F(TcpStreams, ADamagedGreetingAndATakenPlaceCloseTheirOwnSocketOnly) {
  std::string damaged = Hello(2, 1, 7);
  damaged[20] ^= 1;
  auto first = Raw(Hello(2, 0, 7));
  EXPECT_TRUE(Raw(damaged)->AwaitClosed());
  // `first` came before the damaged one, and so has its place.
  EXPECT_TRUE(Raw(Hello(3, 1, 7))->AwaitClosed());
  EXPECT_TRUE(Raw(Hello(2, 0, 7))->AwaitClosed());
  auto stranger = Raw(Hello(2, 1, 8));  // waits for a connection that never is
  auto second = Raw(Hello(2, 1, 7));
  ASSERT_TRUE(AwaitPeers(1));
  first->Write(Frame("h", "p"));
  EXPECT_TRUE(AwaitReceived(0, 1));
}

TEST_F(TcpStreams, AnotherVersionIsRefused) {
  std::string other = Hello(2, 0, 7);
  other[3] = '2';
  EXPECT_TRUE(Raw(other)->AwaitClosed());
  EXPECT_TRUE(peers_.empty());
}

TEST_F(TcpStreams, AStrangerIsFoundOutAndAPlainPeerIsServed) {
  auto plain = Raw(Frame("h", "p"));
  EXPECT_TRUE(AwaitReceived(0, 1));
  EXPECT_EQ(connections_[0]->info().details.at("streams"), "1");
  auto stranger = Raw("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(stranger->AwaitClosed());
  auto brief = Raw("TD");
  brief->EndWriting();
  EXPECT_TRUE(brief->AwaitClosed());
  plain->Write(Frame("h", "p"));
  EXPECT_TRUE(AwaitReceived(0, 2));
}

TEST_F(TcpStreams, ASilentPeerIsAConnectionAllTheSame) {
  auto silent = Raw("");
  EXPECT_TRUE(AwaitPeers(1));
}

TEST_F(TcpStreams, WhatTheOtherStreamsStillBringIsDeliveredBeforeTheEnd) {
  auto first = Raw(Hello(2, 0, 7) + Head("h", kChunkBytes));
  auto second = Raw(Hello(2, 1, 7));
  ASSERT_TRUE(AwaitPeers(1));
  first->EndWriting();
  second->Write(Chunk(0, 0, std::string(kChunkBytes, 'c')));
  second->EndWriting();
  ASSERT_TRUE(AwaitClosed(0));
  EXPECT_EQ(peers_[0]->received_count, 1u);
  EXPECT_EQ(peers_[0]->close_reason->code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(absl::StrContains(peers_[0]->close_reason->message(), "mid-message"));
}

TEST_F(TcpStreams, AStreamThatBreaksEndsTheConnectionAndFailsWhatWasArriving) {
  auto first = Raw(Hello(2, 0, 7) + Head("h", 2 * kChunkBytes));
  auto second = Raw(Hello(2, 1, 7));
  ASSERT_TRUE(AwaitPeers(1));
  second->Write(Chunk(0, 0, std::string(1000, 'c')));
  second->Reset();
  ASSERT_TRUE(AwaitClosed(0));
  EXPECT_EQ(peers_[0]->close_reason->code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(first->AwaitClosed());
}

TEST_F(TcpStreams, AForbiddenFrameOnAnyStreamClosesTheConnection) {
  auto first = Raw(Hello(2, 0, 7));
  auto second = Raw(Hello(2, 1, 7) + Frame("h", "p"));
  ASSERT_TRUE(AwaitClosed(0));
  EXPECT_EQ(peers_[0]->close_reason->code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(first->AwaitClosed());
}

TEST_F(TcpStreams, OneSlowStreamDelaysItsOwnConnectionOnly) {
  auto first = Raw(Hello(2, 0, 7) + Head("stuck", 2 * kChunkBytes));
  auto second = Raw(Hello(2, 1, 7) + Chunk(1, 0, "only a little"));
  ASSERT_TRUE(AwaitPeers(1));
  // Nor does it read what we have for it.
  std::vector<std::shared_ptr<Completion>> unread;
  for (int i = 0; i < 20; ++i) {
    unread.push_back(peers_[0]->Send(*connections_[0], "h", std::string(size_t{2} << 20, 'u'),
                                     world_.Soon(absl::Hours(1))));
  }
  auto other = std::make_shared<Peer>(world_, world_.client_rule());
  const std::shared_ptr<Connection> connection = Connect(listener_->address(), other);
  ASSERT_NE(connection, nullptr);
  for (int i = 0; i < 5; ++i) {
    other->Send(*connection, "h", std::string(size_t{1} << 20, 'o'), world_.Soon());
  }
  EXPECT_TRUE(AwaitReceived(1, 5));
  EXPECT_EQ(peers_[0]->received_count, 0u);
}

class TcpStreamsAskedForByTheClient : public TcpStreams {
 protected:
  void SetUp() override { Listen("spin_us=20"); }
};

TEST_F(TcpStreamsAskedForByTheClient, TheyWorkThoughTheListenerTookEachSocketForAConnection) {
  Uri uri = listener_->address();
  uri.params["streams"] = "3";
  auto peer = std::make_shared<Peer>(world_, world_.client_rule());
  const std::shared_ptr<Connection> connection = Connect(uri, peer);
  ASSERT_NE(connection, nullptr);
  EXPECT_EQ(connection->info().details.at("streams"), "3");
  peer->Send(*connection, "h", std::string(size_t{3} << 20, 'p'), world_.Soon());
  ASSERT_TRUE(AwaitReceived(3, 1));
  EXPECT_EQ(connections_[3]->info().details.at("streams"), "3");
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(AwaitClosed(i));
    EXPECT_EQ(peers_[i]->close_reason->code(), absl::StatusCode::kCancelled);
  }
}

TEST_F(TcpStreamsAskedForByTheClient, OnTheLoopbackInterfaceOneIsChosen) {
  auto peer = std::make_shared<Peer>(world_, world_.client_rule());
  const std::shared_ptr<Connection> connection = Connect(listener_->address(), peer);
  ASSERT_NE(connection, nullptr);
  EXPECT_EQ(connection->info().details.at("streams"), "1");
}

TEST_F(TcpStreamsAskedForByTheClient, ANumberOutOfRangeIsRefusedAndAutoIsNot) {
  for (const char* bad : {"0", "9", "x", ""}) {
    Uri uri = *Uri::Parse("tcp://127.0.0.1:0");
    uri.params["streams"] = bad;
    const absl::Status status = world_.server().Listen(uri, nullptr).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr("from 1 to 8"));
  }
  EXPECT_TRUE(world_.server().Listen(*Uri::Parse("tcp://127.0.0.1:0?streams=auto"), nullptr).ok());
}

// --- newcomers whose patience is short ------------------------------------------------------------------------------

class TcpNewcomers : public ::testing::Test {
 protected:
  TcpNewcomers()
      : loop_(std::make_shared<Loop>(executor_.get(),
                                     [this](LogLevel, absl::string_view text) { Note(text); })),
        acceptor_(loop_->io(), {asio::ip::address_v4::loopback(), 0}) {
    newcomers_ = std::make_shared<Newcomers>(
        loop_,
        Newcomers::Patience{.first_bytes = std::chrono::milliseconds(20),
                            .greeting = std::chrono::milliseconds(100)},
        Newcomers::Callbacks{.on_plain = [this](Newcomers::Socket) { Note("plain"); },
                             .on_streams =
                                 [this](std::vector<Newcomers::Socket> sockets) {
                                   Note(absl::StrCat("streams ", sockets.size()));
                                 }});
  }

  ~TcpNewcomers() override {
    absl::Notification closed;
    loop_->Post([&] {
      newcomers_->Close();
      acceptor_.close();
      closed.Notify();
    });
    closed.WaitForNotification();
    newcomers_.reset();
    loop_->Stop();
    loop_->Destroy();
  }

  void Note(absl::string_view text) {
    absl::MutexLock lock(&mutex_);
    notes_.emplace_back(text);
  }
  std::string AwaitNote(size_t index) {
    absl::MutexLock lock(&mutex_);
    const auto there = [&] {
      mutex_.AssertHeld();
      return notes_.size() > index;
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&there), testing::kPatience));
    return notes_.size() > index ? notes_[index] : "";
  }

  std::unique_ptr<RawClient> Enter(const std::string& bytes) {
    Uri uri;
    uri.port = acceptor_.local_endpoint().port();
    auto client = std::make_unique<RawClient>(uri);
    client->Write(bytes);
    auto socket = std::make_shared<Newcomers::Socket>(acceptor_.accept());
    loop_->Post([this, socket] { newcomers_->Add(std::move(*socket)); });
    return client;
  }

  std::unique_ptr<Executor> executor_ = NewThreadExecutor({.threads = 1});
  absl::Mutex mutex_;
  std::vector<std::string> notes_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Loop> loop_;
  asio::ip::tcp::acceptor acceptor_;
  std::shared_ptr<Newcomers> newcomers_;
};

TEST_F(TcpNewcomers, AConnectionWhoseStreamsDoNotAllComeInTimeIsClosed) {
  auto first = Enter(Hello(3, 0, 7));
  auto second = Enter(Hello(3, 1, 7));
  EXPECT_THAT(AwaitNote(0), HasSubstr("3 streams of which only 2 came in time"));
  EXPECT_TRUE(first->AwaitClosed());
  EXPECT_TRUE(second->AwaitClosed());
}

TEST_F(TcpNewcomers, AGreetingThatStopsInTheMiddleIsNotAwaitedForLong) {
  auto client = Enter(Hello(2, 0, 7).substr(0, 12));
  EXPECT_THAT(AwaitNote(0), HasSubstr("its greeting is late"));
  EXPECT_TRUE(client->AwaitClosed());
}

TEST_F(TcpNewcomers, ASocketThatSaysNothingOrTooLittleIsPlain) {
  auto silent = Enter("");
  EXPECT_EQ(AwaitNote(0), "plain");
  auto brief = Enter("TDG");
  EXPECT_EQ(AwaitNote(1), "plain");
}

TEST_F(TcpNewcomers, NoMoreConnectionsThanTheLimitWaitForTheirStreams) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (uint64_t token = 0; token <= kTcpUnpairedConnectionsMax; ++token) {
    clients.push_back(Enter(Hello(2, 0, token)));
  }
  // Slow as this may be: either one too many came, or the first had to go in time.
  EXPECT_THAT(AwaitNote(0),
              ::testing::AnyOf(HasSubstr("too many connections"), HasSubstr("came in time")));
}

}  // namespace
}  // namespace tideway::tcp
