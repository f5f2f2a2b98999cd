// What every transport promises (tideway/transport.h), asked of each registered one.
//
// A transport takes part by its line in transports/CMakeLists.txt and by serving `scheme://127.0.0.1:0`. What it can't
// do it says in its TransportInfo, and the test in question is skipped with that reason.

#include <dirent.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/conformance/transport_probe.h"
#include "tideway/builtin_transports.h"

#define XXH_INLINE_ALL
#include "xxhash.h"

namespace tideway {
namespace {

using testing::Calling;
using testing::Completion;
using testing::InCallback;
using testing::Peer;
using testing::World;

// One transport under test. A decorator (faults, for instance) becomes a subject by wrapping `entry`.
struct Subject {
  std::string name;
  std::function<TransportEntry()> entry;
};

std::vector<Subject> Subjects() {
  std::vector<Subject> subjects;
  const auto registry = std::make_shared<TransportRegistry>(BuiltinTransports());
  for (const TransportEntry& listed : registry->entries()) {
    const auto entry = [registry, &listed] {
      TransportEntry copy;
      copy.name = listed.name;
      copy.schemes = listed.schemes;
      copy.probe = [registry, &listed] { return listed.probe(); };
      copy.create = [registry, &listed](const TransportContext& context) {
        return listed.create(context);
      };
      return copy;
    };
    subjects.push_back({listed.name, entry});
    // What has no clock and no thread of its own must run in virtual time too.
    const TransportInfo info = listed.probe();
    if (!info.real_time || info.crosses_processes) continue;
    subjects.push_back({listed.name + "_in_virtual_time", [entry] {
                          TransportEntry simulated = entry();
                          simulated.probe = [probe = std::move(simulated.probe)] {
                            TransportInfo changed = probe();
                            changed.real_time = false;
                            return changed;
                          };
                          return simulated;
                        }});
  }
  return subjects;
}

std::string Pattern(size_t bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; i += 8) {
    const uint64_t word = random();
    std::memcpy(&text[i], &word, std::min<size_t>(8, bytes - i));
  }
  return text;
}

// A connection seen from both of its ends.
struct Pair {
  std::shared_ptr<Peer> client;
  std::shared_ptr<Connection> to_server;
  std::shared_ptr<Peer> server;
  std::shared_ptr<Connection> to_client;
};

class Transports : public ::testing::TestWithParam<Subject> {
 protected:
  void SetUp() override {
    const TransportEntry entry = GetParam().entry();
    info_ = entry.probe();
    if (!info_.viable)
      GTEST_SKIP() << entry.name << " is unavailable: " << info_.unavailable_reason;
    world_ = std::make_unique<World>(entry);
  }

  Uri Address(const std::string& rest = "127.0.0.1:0") const {
    return *Uri::Parse(absl::StrCat(info_.schemes[0], "://", rest));
  }

  // Listens and connects once. `shape` prepares each end before anything can arrive.
  Pair Connected(const std::function<void(Peer& client, Peer& server)>& shape = nullptr) {
    Pair pair;
    pair.client = std::make_shared<Peer>(*world_, world_->client_rule());
    pair.server = std::make_shared<Peer>(*world_, world_->server_rule());
    if (shape) shape(*pair.client, *pair.server);
    auto accepted = world_->NewCompletion();
    auto listener = Calling([&] {
      return world_->server().Listen(Address(), [&, accepted](std::shared_ptr<Connection> c) {
        InCallback in_callback(world_->server_rule());
        absl::MutexLock lock(&world_->mutex());
        accepted->fired = 1;
        pair.to_client = std::move(c);
        return pair.server;
      });
    });
    EXPECT_TRUE(listener.ok()) << listener.status();
    if (!listener.ok()) return pair;
    auto [completion, connection] = Connect((*listener)->address(), pair.client);
    EXPECT_TRUE(world_->AwaitFired(completion));
    EXPECT_TRUE(completion->status.ok()) << completion->status;
    EXPECT_TRUE(world_->AwaitFired(accepted));
    pair.to_server = *connection;
    return pair;
  }

  using Slot = std::shared_ptr<std::shared_ptr<Connection>>;

  std::pair<std::shared_ptr<Completion>, Slot> Connect(const Uri& uri,
                                                       std::shared_ptr<Receiver> receiver,
                                                       absl::Time deadline, Transport& from) {
    auto completion = world_->NewCompletion();
    auto slot = std::make_shared<std::shared_ptr<Connection>>();
    CallbackRule& rule = &from == &world_->client() ? world_->client_rule() : world_->server_rule();
    Calling([&] {
      from.Connect(
          uri, deadline, std::move(receiver),
          [this, completion, slot, &rule](absl::StatusOr<std::shared_ptr<Connection>> connection) {
            InCallback in_callback(rule);
            absl::MutexLock lock(&world_->mutex());
            EXPECT_EQ(++completion->fired, 1) << "ConnectDone fired twice";
            completion->status = connection.status();
            if (connection.ok()) *slot = *std::move(connection);
          });
    });
    return {completion, slot};
  }
  std::pair<std::shared_ptr<Completion>, Slot> Connect(const Uri& uri,
                                                       std::shared_ptr<Receiver> receiver) {
    return Connect(uri, std::move(receiver), world_->Soon(), world_->client());
  }

  using CallbackRule = testing::CallbackRule;

  absl::Status StatusOf(const std::shared_ptr<Completion>& completion) {
    EXPECT_TRUE(world_->AwaitFired(completion)) << "a completion did not come";
    absl::MutexLock lock(&world_->mutex());
    return completion->status;
  }

  absl::Status AwaitClosed(Peer& peer) {
    EXPECT_TRUE(world_->Await([&] { return peer.close_reason.has_value(); }))
        << "OnClosed did not come";
    absl::MutexLock lock(&world_->mutex());
    return peer.close_reason.value_or(absl::UnknownError("OnClosed did not come"));
  }

  void ExpectCloses(Peer& peer) { EXPECT_FALSE(AwaitClosed(peer).ok()); }

  bool AwaitReceived(Peer& peer, size_t count) {
    return world_->Await([&] { return peer.received_count >= count; });
  }

  TransportInfo info_;
  std::unique_ptr<World> world_;
};

// --- messages ---------------------------------------------------------------------------------------------------

TEST_P(Transports, AMessageArrivesWithItsHeaderAndPayloadInBothDirections) {
  Pair pair = Connected();
  const std::string payload = Pattern(100'000, 1);
  pair.client->Send(*pair.to_server, "ask", payload, world_->Soon());
  ASSERT_TRUE(AwaitReceived(*pair.server, 1));
  EXPECT_EQ(pair.server->received[0].header, "ask");
  EXPECT_EQ(pair.server->received[0].payload, payload);
  pair.server->Send(*pair.to_client, "answer", "42", world_->Soon());
  ASSERT_TRUE(AwaitReceived(*pair.client, 1));
  EXPECT_EQ(pair.client->received[0].header, "answer");
  EXPECT_EQ(pair.client->received[0].payload, "42");
}

TEST_P(Transports, MessagesArriveInTheOrderOfSendingWhateverTheirSizes) {
  Pair pair = Connected();
  std::mt19937_64 random(2);
  constexpr size_t kMessages = 400;
  std::vector<std::string> payloads;
  for (size_t i = 0; i < kMessages; ++i) {
    const size_t bytes = random() % (random() % 10 == 0 ? 300'000 : 300);
    payloads.push_back(Pattern(bytes, i));
    pair.client->Send(*pair.to_server, absl::StrCat("message ", i), payloads.back(),
                      world_->Soon());
  }
  ASSERT_TRUE(AwaitReceived(*pair.server, kMessages));
  for (size_t i = 0; i < kMessages; ++i) {
    ASSERT_EQ(pair.server->received[i].header, absl::StrCat("message ", i));
    ASSERT_TRUE(pair.server->received[i].payload == payloads[i]) << "message " << i;
  }
}

TEST_P(Transports, AHeaderMayComeWithoutPayloadAndAPayloadWithoutHeader) {
  Pair pair = Connected();
  pair.client->Send(*pair.to_server, "only a header", "", world_->Soon());
  pair.client->Send(*pair.to_server, "", "only a payload", world_->Soon());
  pair.client->Send(*pair.to_server, std::string(kMessageHeaderBytesMax, 'h'), "x", world_->Soon());
  ASSERT_TRUE(AwaitReceived(*pair.server, 3));
  EXPECT_EQ(pair.server->received[0].header, "only a header");
  EXPECT_EQ(pair.server->received[0].payload, "");
  EXPECT_EQ(pair.server->received[1].header, "");
  EXPECT_EQ(pair.server->received[1].payload, "only a payload");
  EXPECT_EQ(pair.server->received[2].header.size(), kMessageHeaderBytesMax);
}

TEST_P(Transports, AMessageOfMaximumSizeArrivesWhole) {
  Pair pair = Connected();
  const std::string payload = Pattern(kMessagePayloadBytesMax, 3);
  auto sent = pair.client->Send(*pair.to_server, "big", payload, world_->Soon());
  ASSERT_TRUE(AwaitReceived(*pair.server, 1));
  EXPECT_TRUE(pair.server->received[0].payload == payload);
  EXPECT_TRUE(StatusOf(sent).ok());
}

TEST_P(Transports, APayloadInAsManyPartsAsAllowedArrivesInOnePiece) {
  Pair pair = Connected();
  std::vector<std::string> parts;
  std::string whole;
  for (size_t i = 0; i < kGatherPartsMax; ++i) {
    parts.push_back(Pattern(i == 3 ? 0 : 1000 * i + 1, i));  // one of them is empty
    whole += parts.back();
  }
  Message message;
  const std::string header = "parts";
  message.header = Peer::Bytes(header);
  for (const std::string& part : parts) message.payload.push_back(Peer::Bytes(part));
  auto sent = world_->NewCompletion();
  Calling([&] {
    pair.to_server->Send(message, world_->Soon(), world_->Watched(sent, world_->client_rule()));
  });
  ASSERT_TRUE(AwaitReceived(*pair.server, 1));
  EXPECT_TRUE(pair.server->received[0].payload == whole);
  EXPECT_TRUE(StatusOf(sent).ok());
}

TEST_P(Transports, WhatIsOverALimitIsRefusedAndLeavesTheConnectionAsItWas) {
  Pair pair = Connected();
  const auto refused = [&](Message message) {
    auto sent = world_->NewCompletion();
    Calling([&] {
      pair.to_server->Send(message, world_->Soon(), world_->Watched(sent, world_->client_rule()));
    });
    return StatusOf(sent).code();
  };
  const std::string header(kMessageHeaderBytesMax + 1, 'h');
  const std::string half(kMessagePayloadBytesMax / 2 + 1, 'p');
  Message message;
  message.header = Peer::Bytes(header);
  EXPECT_EQ(refused(message), absl::StatusCode::kResourceExhausted);
  message.header = {};
  message.payload = {Peer::Bytes(half), Peer::Bytes(half)};
  EXPECT_EQ(refused(message), absl::StatusCode::kResourceExhausted);
  message.payload.clear();
  EXPECT_EQ(refused(message), absl::StatusCode::kInvalidArgument);
  for (size_t i = 0; i < kGatherPartsMax + 1; ++i)
    message.payload.push_back(Peer::Bytes(header).first(1));
  EXPECT_EQ(refused(message), absl::StatusCode::kInvalidArgument);
  pair.client->Send(*pair.to_server, "still there", "", world_->Soon());
  ASSERT_TRUE(AwaitReceived(*pair.server, 1));
  EXPECT_EQ(pair.server->received[0].header, "still there");
}

TEST_P(Transports, TheSendersBufferIsUntouchedUntilDoneAndFreeFromThenOn) {
  Pair pair = Connected([](Peer&, Peer& server) { server.keep = false; });
  std::atomic<int> wrong = 0;
  const std::string expected = Pattern(50'000, 5);
  pair.server->on_landed = [&](const std::string&, const std::string& payload) {
    wrong += payload != expected;
  };
  constexpr int kMessages = 200;
  for (int i = 0; i < kMessages; ++i) {
    auto content = std::make_shared<std::string>(expected);
    Message message;
    message.payload.push_back(Peer::Bytes(*content));
    auto sent = world_->NewCompletion();
    Calling([&] {
      pair.to_server->Send(
          message, world_->Soon(),
          world_->Watched(sent, world_->client_rule(), [&, content](const absl::Status&) {
            wrong += *content != expected;
            content->assign(content->size(), '!');
          }));
    });
  }
  ASSERT_TRUE(AwaitReceived(*pair.server, kMessages));
  world_->ExpectAllFired();
  EXPECT_EQ(wrong, 0);
}

// --- connecting and listening -----------------------------------------------------------------------------------

TEST_P(Transports, ConnectingWhereNobodyListensIsUnavailable) {
  auto listener = Calling([&] { return world_->server().Listen(Address(), nullptr); });
  ASSERT_TRUE(listener.ok()) << listener.status();
  const Uri address = (*listener)->address();
  Calling([&] { listener->reset(); });
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  const absl::Status status = StatusOf(Connect(address, peer).first);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(peer.use_count(), 1) << "the receiver of a failed attempt is kept";
}

TEST_P(Transports, ANameThatLeadsNowhereIsUnavailable) {
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  const absl::Status status = StatusOf(Connect(Address("no-such-host.invalid:5000"), peer).first);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST_P(Transports, AnAttemptWhoseDeadlineHasPassedIsGivenUp) {
  auto listener =
      world_->server().Listen(Address(), [](std::shared_ptr<Connection>) { return nullptr; });
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  const absl::Status status = StatusOf(
      Connect((*listener)->address(), peer, world_->Soon(-absl::Seconds(1)), world_->client())
          .first);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

TEST_P(Transports, AnUnknownParameterIsRefusedWithTheKnownOnes) {
  const Uri uri = Address("127.0.0.1:0?no_such_parameter=1");
  auto listener = Calling([&] { return world_->server().Listen(uri, nullptr); });
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kInvalidArgument) << listener.status();
  EXPECT_TRUE(absl::StrContains(listener.status().message(), "no_such_parameter"))
      << listener.status();
  EXPECT_TRUE(absl::StrContains(listener.status().message(), "; it has ")) << listener.status();
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  const absl::Status status =
      StatusOf(Connect(Address("127.0.0.1:1?no_such_parameter=1"), peer).first);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
}

TEST_P(Transports, AnAddressOfAnotherTransportIsRefused) {
  const Uri uri = *Uri::Parse("other://127.0.0.1:5000");
  EXPECT_EQ(world_->server().Listen(uri, nullptr).status().code(),
            absl::StatusCode::kInvalidArgument);
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  EXPECT_EQ(StatusOf(Connect(uri, peer).first).code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(Transports, PortZeroBecomesARealPortThatIsFreeAndReported) {
  auto first = world_->server().Listen(Address(), nullptr);
  auto second = world_->server().Listen(Address(), nullptr);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_NE((*first)->address().port.value_or(0), 0);
  EXPECT_NE((*first)->address().port, (*second)->address().port);
}

TEST_P(Transports, ATakenAddressIsAlreadyThereAndFreeOnceItsListenerIsGone) {
  auto first = world_->server().Listen(Address(), nullptr);
  ASSERT_TRUE(first.ok()) << first.status();
  const Uri address = (*first)->address();
  EXPECT_EQ(world_->server().Listen(address, nullptr).status().code(),
            absl::StatusCode::kAlreadyExists);
  first->reset();
  auto again = world_->server().Listen(address, nullptr);
  EXPECT_TRUE(again.ok()) << again.status();
}

TEST_P(Transports, AListenersEndLeavesItsConnectionsAlive) {
  Pair pair = Connected();  // its listener is gone by now
  pair.client->Send(*pair.to_server, "hello", "", world_->Soon());
  EXPECT_TRUE(AwaitReceived(*pair.server, 1));
}

TEST_P(Transports, ARefusedConnectionIsClosedForThePeer) {
  auto listener =
      world_->server().Listen(Address(), [](std::shared_ptr<Connection>) { return nullptr; });
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  auto [completion, connection] = Connect((*listener)->address(), peer);
  if (!StatusOf(completion).ok()) return;  // refused before it stood: as good
  EXPECT_EQ(AwaitClosed(*peer).code(), absl::StatusCode::kUnavailable);
}

TEST_P(Transports, AConnectionLivesOnWithoutItsHandle) {
  Pair pair = Connected();
  pair.client->Send(*pair.to_server, "last words", "", world_->Soon());
  pair.to_server.reset();
  EXPECT_TRUE(AwaitReceived(*pair.server, 1));
  pair.server->Send(*pair.to_client, "I hear you", "", world_->Soon());
  EXPECT_TRUE(AwaitReceived(*pair.client, 1));
}

TEST_P(Transports, AConnectionTellsWhatItIs) {
  Pair pair = Connected();
  EXPECT_EQ(pair.to_server->info().transport, info_.name);
  EXPECT_FALSE(pair.to_server->info().local.empty());
  EXPECT_EQ(pair.to_server->info().local, pair.to_client->info().peer);
  EXPECT_EQ(pair.to_server->info().peer, pair.to_client->info().local);
}

// --- completions and the end of a connection --------------------------------------------------------------------

TEST_P(Transports, EveryCompletionFiresOnceAndNeverInsideTheCallWhileManyThreadsSend) {
  if (!info_.real_time)
    GTEST_SKIP() << info_.name << " runs in virtual time: one thread makes all calls";
  Pair pair = Connected([](Peer&, Peer& server) { server.keep = false; });
  constexpr size_t kEach = 500;
  std::vector<std::thread> senders;
  for (int t = 0; t < 4; ++t) {
    senders.emplace_back([&, t] {
      for (size_t i = 0; i < kEach; ++i) {
        pair.client->Send(*pair.to_server, absl::StrCat(t), std::string(i, 'x'), world_->Soon());
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_TRUE(AwaitReceived(*pair.server, 4 * kEach));
}  // World checks the rest

TEST_P(Transports, CloseFailsAllPendingWithItsReasonAndThePeerSeesItClosed) {
  Pair pair = Connected();
  std::vector<std::shared_ptr<Completion>> sent;
  for (int i = 0; i < 8; ++i) {
    sent.push_back(
        pair.client->Send(*pair.to_server, "x", std::string(8 << 20, 'x'), world_->Soon()));
  }
  Calling([&] { pair.to_server->Close(absl::CancelledError("enough")); });
  Calling([&] { pair.to_server->Close(absl::InternalError("a second close does nothing")); });
  const absl::Status reason = AwaitClosed(*pair.client);
  EXPECT_EQ(reason, absl::CancelledError("enough"));
  for (const auto& completion : sent) {
    const absl::Status status = StatusOf(completion);
    EXPECT_TRUE(status.ok() || status == reason) << status;
  }
  EXPECT_EQ(StatusOf(sent.back()), reason);
  EXPECT_EQ(AwaitClosed(*pair.server).code(), absl::StatusCode::kUnavailable);
  const absl::Status late =
      StatusOf(pair.client->Send(*pair.to_server, "late", "", world_->Soon()));
  EXPECT_EQ(late.code(), absl::StatusCode::kCancelled) << late;
}

TEST_P(Transports, APeersEndFailsAllPendingOnceAndThenOnClosedComes) {
  Pair pair = Connected([](Peer&, Peer& server) {
    server.on_message = [](const std::string&, size_t) { return absl::OkStatus(); };
  });
  std::vector<std::shared_ptr<Completion>> sent;
  for (int i = 0; i < 16; ++i) {
    sent.push_back(
        pair.client->Send(*pair.to_server, "x", std::string(4 << 20, 'x'), world_->Soon()));
  }
  ASSERT_TRUE(AwaitReceived(*pair.server, 1));
  Calling([&] { pair.to_client->Close(absl::CancelledError("the server goes")); });
  EXPECT_EQ(AwaitClosed(*pair.client).code(), absl::StatusCode::kUnavailable);
  for (const auto& completion : sent) {
    const absl::Status status = StatusOf(completion);
    EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kUnavailable) << status;
  }
}

TEST_P(Transports, AnErrorOfOnMessageClosesTheConnectionWithThatReason) {
  Pair pair = Connected([](Peer&, Peer& server) {
    server.on_message = [](const std::string& header, size_t) {
      return header == "bad" ? absl::InvalidArgumentError("I don't understand") : absl::OkStatus();
    };
  });
  pair.client->Send(*pair.to_server, "good", "", world_->Soon());
  pair.client->Send(*pair.to_server, "bad", "payload", world_->Soon());
  pair.client->Send(*pair.to_server, "good", "", world_->Soon());
  EXPECT_EQ(AwaitClosed(*pair.server), absl::InvalidArgumentError("I don't understand"));
  EXPECT_EQ(AwaitClosed(*pair.client).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(pair.server->received_count, 1u);
}

TEST_P(Transports, ADestinationOfTheWrongSizeClosesTheConnection) {
  class Careless final : public Receiver {
   public:
    explicit Careless(World* world) : world_(world), landed(world->NewCompletion()) {}
    absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte>, size_t) override {
      return Landing{absl::MakeSpan(place_), world_->Watched(landed, world_->server_rule())};
    }
    void OnClosed(const absl::Status&) override {}

   private:
    World* const world_;
    std::array<std::byte, 4> place_;

   public:
    const std::shared_ptr<Completion> landed;
  };
  auto careless = std::make_shared<Careless>(world_.get());
  auto listener =
      world_->server().Listen(Address(), [&](std::shared_ptr<Connection>) { return careless; });
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  auto [completion, connection] = Connect((*listener)->address(), peer);
  ASSERT_TRUE(StatusOf(completion).ok());
  peer->Send(**connection, "", std::string(100, 'x'), world_->Soon());
  EXPECT_EQ(StatusOf(careless->landed).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(AwaitClosed(*peer).code(), absl::StatusCode::kUnavailable);
}

TEST_P(Transports, CloseMayBeCalledFromEveryCallback) {
  {  // from OnMessage
    Pair pair;
    pair = Connected([&](Peer&, Peer& server) {
      server.on_message = [&](const std::string&, size_t) {
        absl::MutexLock lock(&world_->mutex());
        Calling([&] { pair.to_client->Close(absl::CancelledError("in OnMessage")); });
        return absl::OkStatus();
      };
    });
    pair.client->sends_race_close = true;
    for (int i = 0; i < 5; ++i) pair.client->Send(*pair.to_server, "x", "y", world_->Soon());
    EXPECT_EQ(AwaitClosed(*pair.server), absl::CancelledError("in OnMessage"));
    ExpectCloses(*pair.client);
    EXPECT_LE(pair.server->received_count, 1u) << "messages went on after Close";
  }
  {  // from a landing's done and from a send's done
    Pair pair = Connected();
    pair.server->on_landed = [&](const std::string&, const std::string&) {
      pair.to_client->Close(absl::CancelledError("in a landing's done"));
    };
    pair.client->Send(*pair.to_server, "x", "y", world_->Soon());
    EXPECT_EQ(AwaitClosed(*pair.server), absl::CancelledError("in a landing's done"));
  }
  {
    Pair pair = Connected();
    pair.client->Send(*pair.to_server, "x", "y", world_->Soon(), [&](const absl::Status&) {
      Calling([&] { pair.to_server->Close(absl::CancelledError("in a send's done")); });
    });
    const absl::Status reason = AwaitClosed(*pair.client);
    EXPECT_EQ(reason, absl::CancelledError("in a send's done"));
  }
  {  // from OnClosed, where it does nothing
    Pair pair = Connected();
    pair.client->on_closed = [&](const absl::Status&) {
      pair.to_server->Close(absl::CancelledError("again"));
    };
    pair.to_server->Close(absl::CancelledError("first"));
    EXPECT_EQ(AwaitClosed(*pair.client), absl::CancelledError("first"));
  }
  {  // from the accept handler
    auto peer = std::make_shared<Peer>(*world_, world_->server_rule());
    auto listener = world_->server().Listen(Address(), [&](std::shared_ptr<Connection> connection) {
      Calling([&] { connection->Close(absl::CancelledError("in accept")); });
      return peer;
    });
    auto client = std::make_shared<Peer>(*world_, world_->client_rule());
    auto connecting = Connect((*listener)->address(), client);
    EXPECT_EQ(AwaitClosed(*peer), absl::CancelledError("in accept"));
    if (StatusOf(connecting.first).ok()) ExpectCloses(*client);
  }
}

TEST_P(Transports, ASendFromADoneOfAClosingConnectionIsFailedBeforeOnClosed) {
  Pair pair = Connected();
  auto again = std::make_shared<std::function<void(const absl::Status&)>>();
  std::atomic<int> rounds = 0;
  *again = [&](const absl::Status& status) {
    if (status.ok() || ++rounds > 3) return;
    pair.client->Send(*pair.to_server, "again", "", world_->Soon(), *again);
  };
  for (int i = 0; i < 8; ++i) {
    pair.client->Send(*pair.to_server, "x", std::string(8 << 20, 'x'), world_->Soon(), *again);
  }
  Calling([&] { pair.to_server->Close(absl::CancelledError("enough")); });
  ExpectCloses(*pair.client);  // Peer checks that no send was waiting then
  world_->ExpectAllFired();
  EXPECT_GE(rounds, 4);
}

// --- flow and deadlines -----------------------------------------------------------------------------------------

// Holds a progress thread inside OnMessage. In virtual time nobody has to be held: nothing moves by itself.
class Gate {
 public:
  explicit Gate(World& world) : world_(world) {}
  void Wait() {
    if (world_.sim() != nullptr) return;
    entered_.Notify();
    EXPECT_TRUE(open_.WaitForNotificationWithTimeout(testing::kPatience));
  }
  void AwaitEntered() {
    if (world_.sim() != nullptr) return;
    EXPECT_TRUE(entered_.WaitForNotificationWithTimeout(testing::kPatience));
  }
  void Open() { open_.Notify(); }
  // Opens it at `when`, while the test's thread waits for something else.
  void OpenAt(absl::Time when) {
    if (world_.sim() == nullptr) world_.executor().PostAt(when, [this] { Open(); });
  }

 private:
  World& world_;
  absl::Notification entered_;
  absl::Notification open_;
};

TEST_P(Transports, ASlowReaderStallsTheSenderWithoutGrowth) {
  Gate gate(*world_);
  Pair pair = Connected([&](Peer&, Peer& server) {
    server.keep = false;
    server.on_message = [&gate](const std::string& header, size_t) {
      if (header == "first") gate.Wait();
      return absl::OkStatus();
    };
  });
  pair.client->Send(*pair.to_server, "first", "", world_->Soon());
  gate.AwaitEntered();
  const std::string payload = Pattern(4 << 20, 6);  // one buffer for all of them
  std::atomic<size_t> ok = 0;
  std::atomic<size_t> completions_left = 0;
  size_t accepted = 0;
  const size_t enough = 2 * kSendQueueBytesMax / payload.size();
  for (size_t i = 0; i < enough; ++i) {
    Message message;
    message.payload.push_back(Peer::Bytes(payload));
    auto sent = world_->NewCompletion();
    ++completions_left;
    Calling([&] {
      pair.to_server->Send(
          message, absl::InfiniteFuture(),
          world_->Watched(sent, world_->client_rule(), [&](const absl::Status& status) {
            EXPECT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status;
            ok += status.ok();
            --completions_left;
          }));
    });
    ++accepted;
  }
  gate.Open();
  ASSERT_TRUE(world_->Await(
      [&] { return pair.server->received_count >= ok + 1 && ok > 0 && completions_left == 0; }));
  // What was taken fits into the queue and the few MiB that a kernel buffers; and some was refused.
  EXPECT_LT(ok * payload.size(), kSendQueueBytesMax + (64u << 20));
  EXPECT_GE((ok + 1) * payload.size(), kSendQueueBytesMax);
  EXPECT_LT(ok, accepted);
  pair.client->Send(*pair.to_server, "last", "", world_->Soon());
  EXPECT_TRUE(AwaitReceived(*pair.server, ok + 2)) << "the connection was harmed";
  world_->ExpectAllFired();
}

TEST_P(Transports, TheSendQueueIsBoundedInMessagesToo) {
  Gate gate(*world_);
  Pair pair = Connected([&](Peer&, Peer& server) {
    server.keep = false;
    server.on_message = [&gate](const std::string& header, size_t) {
      if (header == "first") gate.Wait();
      return absl::OkStatus();
    };
  });
  pair.client->Send(*pair.to_server, "first", "", world_->Soon());
  gate.AwaitEntered();
  const std::string large(32 << 20, 'x');  // fills what the kernel buffers
  pair.client->Send(*pair.to_server, "large", large, absl::InfiniteFuture());
  std::atomic<size_t> refused = 0;
  for (size_t i = 0; i < kSendQueueMessagesMax + 10; ++i) {
    pair.client->Send(
        *pair.to_server, "s", "", absl::InfiniteFuture(),
        [&](const absl::Status& status) { refused += absl::IsResourceExhausted(status); });
  }
  gate.Open();
  const size_t expected = kSendQueueMessagesMax + 12;
  ASSERT_TRUE(world_->Await([&] { return pair.server->received_count + refused >= expected; }));
  EXPECT_GE(refused, 9u);
  EXPECT_LE(refused, 12u);
  world_->ExpectAllFired();
}

TEST_P(Transports, AMessageThatIsNotOutByItsDeadlineFailsAndTheConnectionCloses) {
  Gate gate(*world_);
  Pair pair = Connected([&](Peer&, Peer& server) {
    server.on_message = [&gate](const std::string& header, size_t) {
      if (header == "first") gate.Wait();
      return absl::OkStatus();
    };
  });
  pair.client->Send(*pair.to_server, "first", "", world_->Soon());
  gate.AwaitEntered();
  const std::string payload(kMessagePayloadBytesMax, 'x');
  // In virtual time nobody holds the reader up, so there the deadline has to have passed.
  const absl::Time deadline = world_->Soon(absl::Milliseconds(world_->sim() == nullptr ? 20 : -1));
  auto late = pair.client->Send(*pair.to_server, "late", payload, deadline);
  gate.OpenAt(deadline + absl::Milliseconds(20));
  EXPECT_EQ(StatusOf(late).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(AwaitClosed(*pair.client).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(AwaitClosed(*pair.server).code(), absl::StatusCode::kUnavailable);
}

// --- stop -------------------------------------------------------------------------------------------------------

TEST_P(Transports, StopFailsAllPendingReturnsAfterTheLastCallbackAndRefusesWhatComesLater) {
  auto listener = world_->server().Listen(Address(), nullptr);
  ASSERT_TRUE(listener.ok()) << listener.status();
  const Uri address = (*listener)->address();
  Pair pair = Connected();
  for (int i = 0; i < 8; ++i) {
    pair.client->Send(*pair.to_server, "x", std::string(8 << 20, 'x'), world_->Soon());
  }
  world_->client().Stop();
  EXPECT_EQ(*pair.client->sends_waiting, 0) << "a completion was still to come when Stop returned";
  {
    absl::MutexLock lock(&world_->mutex());
    ASSERT_TRUE(pair.client->close_reason.has_value())
        << "OnClosed was still to come when Stop returned";
    EXPECT_EQ(pair.client->close_reason->code(), absl::StatusCode::kCancelled);
  }
  if (world_->sim() == nullptr) ExpectCloses(*pair.server);
  EXPECT_EQ(world_->client().Listen(Address(), nullptr).status().code(),
            absl::StatusCode::kCancelled);
  auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
  EXPECT_EQ(StatusOf(Connect(address, peer).first).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(StatusOf(pair.client->Send(*pair.to_server, "late", "", world_->Soon())).code(),
            absl::StatusCode::kCancelled);
  world_->client().Stop();  // once more does nothing
}

TEST_P(Transports, StopEndsAttemptsToConnect) {
  auto listener =
      world_->server().Listen(Address(), [](std::shared_ptr<Connection>) { return nullptr; });
  std::vector<std::shared_ptr<Completion>> attempts;
  for (int i = 0; i < 20; ++i) {
    auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
    attempts.push_back(Connect((*listener)->address(), peer).first);
  }
  world_->client().Stop();
  absl::MutexLock lock(&world_->mutex());
  for (const auto& attempt : attempts) EXPECT_EQ(attempt->fired, 1);
}

// --- many -------------------------------------------------------------------------------------------------------

size_t OpenDescriptors() {
  size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

TEST_P(Transports, AThousandConnectsAndClosesLeaveNothingBehind) {
  std::vector<std::weak_ptr<void>> remains;
  int server_ends = 0;
  auto listener = world_->server().Listen(Address(), [&](std::shared_ptr<Connection> connection) {
    auto peer = std::make_shared<Peer>(*world_, world_->server_rule());
    peer->on_closed = [&](const absl::Status&) {
      absl::MutexLock lock(&world_->mutex());
      ++server_ends;
    };
    absl::MutexLock lock(&world_->mutex());
    remains.push_back(connection);
    remains.push_back(peer);
    return peer;
  });
  ASSERT_TRUE(listener.ok()) << listener.status();
  size_t descriptors = 0;
  constexpr int kConnects = 1000;
  for (int i = 0; i < kConnects; ++i) {
    auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
    auto [completion, connection] = Connect((*listener)->address(), peer);
    ASSERT_TRUE(StatusOf(completion).ok()) << "connect " << i << ": " << completion->status;
    {
      absl::MutexLock lock(&world_->mutex());
      remains.push_back(*connection);
      remains.push_back(peer);
    }
    (*connection)->Close(absl::CancelledError("next"));
    ExpectCloses(*peer);
    if (i == 10) descriptors = OpenDescriptors();
  }
  ASSERT_TRUE(world_->Await([&] { return server_ends == kConnects; }));
  EXPECT_LE(OpenDescriptors(), descriptors + 4) << "file descriptors leak";
  world_->client().Stop();
  world_->server().Stop();
  const auto alive = std::count_if(remains.begin(), remains.end(),
                                   [](const auto& thing) { return !thing.expired(); });
  EXPECT_EQ(remains.size(), 4u * kConnects);
  EXPECT_EQ(alive, 0) << "connections or receivers outlive their end";
}

TEST_P(Transports, ManyConnectionsAtOnceMixNothingUp) {
  constexpr uint64_t kSeed = 20240607;
  constexpr size_t kConnections = 24;
  constexpr size_t kMessages = 60;
  SCOPED_TRACE(absl::StrCat("seed ", kSeed));
  std::atomic<int> wrong = 0;
  std::vector<std::shared_ptr<Peer>> servers;
  auto listener = world_->server().Listen(Address(), [&](std::shared_ptr<Connection>) {
    auto peer = std::make_shared<Peer>(*world_, world_->server_rule());
    peer->keep = false;
    peer->on_landed = [&wrong](const std::string& header, const std::string& payload) {
      wrong += header != absl::StrCat(XXH3_64bits(payload.data(), payload.size()));
    };
    absl::MutexLock lock(&world_->mutex());
    servers.push_back(peer);
    return peer;
  });
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::vector<std::pair<std::shared_ptr<Completion>, Slot>> connections;
  std::vector<std::shared_ptr<Peer>> clients;
  for (size_t c = 0; c < kConnections; ++c) {
    clients.push_back(std::make_shared<Peer>(*world_, world_->client_rule()));
    connections.push_back(Connect((*listener)->address(), clients.back()));
  }
  for (auto& [completion, connection] : connections) ASSERT_TRUE(StatusOf(completion).ok());
  std::mt19937_64 random(kSeed);
  for (size_t m = 0; m < kMessages; ++m) {
    for (size_t c = 0; c < kConnections; ++c) {
      const std::string payload =
          Pattern(random() % (random() % 8 == 0 ? 200'000 : 5'000), random());
      clients[c]->Send(**connections[c].second,
                       absl::StrCat(XXH3_64bits(payload.data(), payload.size())), payload,
                       world_->Soon());
    }
  }
  EXPECT_TRUE(world_->Await([&] {
    size_t received = 0;
    for (const auto& server : servers) received += server->received_count;
    return received == kConnections * kMessages;
  }));
  EXPECT_EQ(wrong, 0);
}

void PrintTo(const Subject& subject, std::ostream* out) { *out << subject.name; }

INSTANTIATE_TEST_SUITE_P(Registered, Transports, ::testing::ValuesIn(Subjects()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace tideway
