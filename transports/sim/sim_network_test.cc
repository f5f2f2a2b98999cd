// What the simulated network promises beyond the conformance suite: reproducible runs and faults on demand.

#include "tideway/sim_network.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/sim_executor.h"

namespace tideway {
namespace {

using ::testing::HasSubstr;

struct Mailbox final : Receiver {
  explicit Mailbox(std::shared_ptr<Connection> c = nullptr) : connection(std::move(c)) {}
  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override {
    headers.emplace_back(reinterpret_cast<const char*>(header.data()), header.size());
    place.resize(payload_bytes);
    return Landing{absl::MakeSpan(place), [this](absl::Status status) {
                     landed.push_back(status);
                     if (on_landed) on_landed();
                   }};
  }
  void OnClosed(const absl::Status& status) override {
    closed.push_back(status);
    connection.reset();
  }

  std::shared_ptr<Connection> connection;
  std::function<void()> on_landed;
  std::vector<std::string> headers;
  std::vector<std::byte> place;
  std::vector<absl::Status> landed;
  std::vector<absl::Status> closed;
};

// One host with its transport, and a mailbox per accepted connection.
struct Host {
  Host(SimNetwork& network, SimExecutor& executor, const std::string& host_name)
      : name(host_name), clock(executor) {
    transport = *SimTransportEntry(&network, name).create({.executor = &executor, .log = {}});
  }
  void Listen() {
    listener =
        *transport->Listen(*Uri::Parse(absl::StrCat("sim://", name, ":5000")),
                           [this](std::shared_ptr<Connection> connection) {
                             accepted.push_back(std::make_shared<Mailbox>(std::move(connection)));
                             return accepted.back();
                           });
  }
  std::shared_ptr<Mailbox> Connect(const std::string& to,
                                   absl::Time deadline = absl::InfiniteFuture()) {
    auto mailbox = std::make_shared<Mailbox>();
    transport->Connect(*Uri::Parse(absl::StrCat("sim://", to, ":5000")), deadline, mailbox,
                       [this, mailbox](absl::StatusOr<std::shared_ptr<Connection>> connection) {
                         connects.push_back(connection.status());
                         if (connection.ok()) mailbox->connection = *connection;
                       });
    return mailbox;
  }
  void Send(Mailbox& mailbox, const std::string& text, size_t payload_bytes = 0,
            absl::Time deadline = absl::InfiniteFuture()) {
    auto kept = std::make_shared<std::pair<std::string, std::vector<std::byte>>>(
        text, std::vector<std::byte>(payload_bytes));
    Message message;
    message.header = {reinterpret_cast<const std::byte*>(kept->first.data()), kept->first.size()};
    if (payload_bytes > 0) message.payload.push_back(kept->second);
    mailbox.connection->Send(std::move(message), deadline,
                             [this, kept](absl::Status status) { sent.push_back(status); });
  }

  const std::string name;
  SimExecutor& clock;
  std::vector<std::shared_ptr<Mailbox>> accepted;
  std::vector<absl::Status> connects;
  std::vector<absl::Status> sent;
  // Behind what its callbacks write to: it makes the last of them as it is destroyed.
  std::unique_ptr<Transport> transport;
  std::unique_ptr<Listener> listener;
};

class SimNetworkTest : public ::testing::Test {
 protected:
  void Build(const SimLink& link) {
    network = std::make_unique<SimNetwork>(7, link);
    a = std::make_unique<Host>(*network, executor, "a");
    b = std::make_unique<Host>(*network, executor, "b");
    b->Listen();
    mailbox = a->Connect("b");
    executor.RunUntilIdle();
    ASSERT_EQ(a->connects, std::vector<absl::Status>{absl::OkStatus()});
    ASSERT_EQ(b->accepted.size(), 1u);
  }

  SimExecutor executor{7};
  std::unique_ptr<SimNetwork> network;
  std::unique_ptr<Host> a;
  std::unique_ptr<Host> b;
  std::shared_ptr<Mailbox> mailbox;  // a's end
};

TEST_F(SimNetworkTest, AMessageTakesTheLatencyAndTheTimeOfItsBytes) {
  Build({.latency = absl::Milliseconds(10), .bytes_per_second = 1e6});
  const absl::Time start = executor.Now();
  absl::Time landed;
  b->accepted[0]->on_landed = [&] { landed = executor.Now(); };
  a->Send(*mailbox, "x", 1'000'000);
  executor.RunUntilIdle();
  EXPECT_GE(landed - start, absl::Milliseconds(1010));
  EXPECT_LE(landed - start, absl::Milliseconds(1011));
}

TEST_F(SimNetworkTest, ConnectionsOfOneDirectionShareItsBandwidth) {
  Build({.latency = absl::Milliseconds(1), .bytes_per_second = 1e6});
  auto second = a->Connect("b");
  executor.RunUntilIdle();
  const absl::Time start = executor.Now();
  a->Send(*mailbox, "x", 500'000);
  a->Send(*second, "y", 500'000);
  executor.RunUntilIdle();
  EXPECT_GE(executor.Now() - start, absl::Milliseconds(1001));
}

TEST_F(SimNetworkTest, WhatIsSentIntoAPartitionArrivesInOrderAfterItHeals) {
  Build({.latency = absl::Milliseconds(10)});
  a->Send(*mailbox, "on its way", 100);
  executor.RunFor(absl::Milliseconds(5));
  network->Partition("b", "a");
  a->Send(*mailbox, "second", 100);
  executor.RunFor(absl::Seconds(100));
  EXPECT_TRUE(b->accepted[0]->headers.empty());
  network->Heal("a", "b");
  executor.RunUntilIdle();
  EXPECT_THAT(b->accepted[0]->headers, ::testing::ElementsAre("on its way", "second"));
  EXPECT_EQ(b->accepted[0]->landed.size(), 2u);
}

TEST_F(SimNetworkTest, ADeadlinePassesDuringAPartitionAndThePeerLearnsOfItAfterwards) {
  Build({});
  network->Partition("a", "b");
  a->Send(*mailbox, "late", 100, executor.Now() + absl::Seconds(1));
  executor.RunFor(absl::Seconds(2));
  ASSERT_EQ(a->sent.size(), 1u);
  EXPECT_TRUE(absl::IsDeadlineExceeded(a->sent[0])) << a->sent[0];
  EXPECT_EQ(mailbox->closed.size(), 1u);
  EXPECT_TRUE(b->accepted[0]->closed.empty());
  network->Heal("a", "b");
  executor.RunUntilIdle();
  ASSERT_EQ(b->accepted[0]->closed.size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(b->accepted[0]->closed[0]));
}

TEST_F(SimNetworkTest, ConnectingThroughAPartitionWaitsForItsEndOrTheDeadline) {
  Build({});
  network->Partition("a", "b");
  a->Connect("b", executor.Now() + absl::Seconds(1));
  executor.RunFor(absl::Seconds(3));
  ASSERT_EQ(a->connects.size(), 2u);
  EXPECT_TRUE(absl::IsDeadlineExceeded(a->connects[1]));
  a->Connect("b");
  executor.RunFor(absl::Seconds(3));
  network->Heal("a", "b");
  executor.RunFor(absl::Seconds(3));
  ASSERT_EQ(a->connects.size(), 3u);
  EXPECT_TRUE(a->connects[2].ok()) << a->connects[2];
}

TEST_F(SimNetworkTest, ACrashedHostFallsSilentItsPeersLearnAndItsNextLifeIsReachable) {
  Build({.latency = absl::Milliseconds(10)});
  auto* dead = b->accepted[0].get();
  b->Send(*dead, "never out", 1 << 20);
  network->Crash("b");
  executor.RunUntilIdle();
  ASSERT_EQ(mailbox->closed.size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(mailbox->closed[0]));
  EXPECT_THAT(std::string(mailbox->closed[0].message()), HasSubstr("died"));
  EXPECT_TRUE(dead->closed.empty()) << "a dead process ran a callback";
  EXPECT_TRUE(b->sent.empty()) << "a dead process ran a callback";
  Host again(*network, executor, "b");
  again.Listen();
  a->Connect("b");
  executor.RunUntilIdle();
  EXPECT_TRUE(a->connects.back().ok()) << a->connects.back();
  EXPECT_EQ(again.accepted.size(), 1u);
  b->transport->Stop();  // the harness takes the corpse down: now everything pending fails, once
  EXPECT_EQ(dead->closed.size(), 1u);
  ASSERT_EQ(b->sent.size(), 1u);
  EXPECT_TRUE(absl::IsCancelled(b->sent[0]));
}

TEST_F(SimNetworkTest, AResetInMidMessageFailsTheLandingAndClosesBothEnds) {
  Build({});
  network->SetLink("a", "b", {.reset_probability = 1.0});
  a->Send(*mailbox, "broken", 1 << 20);
  executor.RunUntilIdle();
  Mailbox& receiver = *b->accepted[0];
  EXPECT_EQ(receiver.headers.size(), 1u);
  ASSERT_EQ(receiver.landed.size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(receiver.landed[0])) << receiver.landed[0];
  EXPECT_EQ(receiver.closed.size(), 1u);
  EXPECT_EQ(mailbox->closed.size(), 1u);
}

TEST_F(SimNetworkTest, ResetBreaksBothEndsButNotInsideTheCall) {
  Build({});
  network->Reset("a", "b");
  EXPECT_TRUE(mailbox->closed.empty());
  executor.RunUntilIdle();
  EXPECT_EQ(mailbox->closed.size(), 1u);
  EXPECT_EQ(b->accepted[0]->closed.size(), 1u);
}

TEST_F(SimNetworkTest, AResetBeforeTheConnectingSideKnowsOfTheConnectionFailsTheAttempt) {
  Build({.latency = absl::Milliseconds(10)});
  const size_t connects = a->connects.size();
  auto attempt = a->Connect("b");
  executor.RunFor(absl::Milliseconds(15));  // accepted, and the answer is on its way
  network->Reset("a", "b");
  executor.RunUntilIdle();
  ASSERT_EQ(a->connects.size(), connects + 1);
  EXPECT_TRUE(absl::IsUnavailable(a->connects.back())) << a->connects.back();
  EXPECT_TRUE(attempt->closed.empty()) << "the receiver is dropped unused";
}

// Some hosts that talk at random over a network that jitters and breaks.
std::string EventLog(uint64_t seed) {
  std::vector<std::string> lines;
  SimExecutor executor(seed);
  SimNetwork network(seed, {.latency = absl::Milliseconds(5),
                            .jitter = absl::Milliseconds(5),
                            .bytes_per_second = 1e8,
                            .reset_probability = 0.01});
  network.SetObserver([&](const SimEvent& event) { lines.push_back(event.ToString()); });
  Host server(network, executor, "server");
  server.Listen();
  std::vector<std::unique_ptr<Host>> clients;
  std::vector<std::shared_ptr<Mailbox>> mailboxes;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<Host>(network, executor, absl::StrCat("client-", i)));
    mailboxes.push_back(clients.back()->Connect("server"));
  }
  executor.RunUntilIdle();
  for (int round = 0; round < 100; ++round) {
    const size_t i = executor.Random() % clients.size();
    if (mailboxes[i]->connection == nullptr) mailboxes[i] = clients[i]->Connect("server");
    executor.RunFor(absl::Microseconds(executor.Random() % 2000));
    if (mailboxes[i]->connection != nullptr)
      clients[i]->Send(*mailboxes[i], "x", executor.Random() % 100'000);
    if (round == 50) network.Partition("client-1", "server");
    if (round == 60) network.Heal("server", "client-1");
    if (round == 80) network.Crash("client-2");
  }
  executor.RunUntilIdle();
  return absl::StrJoin(lines, "\n");
}

TEST(SimNetworkLog, IsTheSameByteForByteForTheSameSeedAndAnotherForAnotherSeed) {
  const std::string log = EventLog(11);
  EXPECT_EQ(log, EventLog(11));
  EXPECT_NE(log, EventLog(12));
  for (const char* kind :
       {" connected ", " delivered ", " closed ", " partitioned ", " healed ", " crashed "}) {
    EXPECT_THAT(log, HasSubstr(kind));
  }
}

TEST(SimNetworkLog, JitterReordersAcrossConnectionsButNotWithinOne) {
  SimExecutor executor(3);
  SimNetwork network(3, {.latency = absl::Milliseconds(1), .jitter = absl::Milliseconds(20)});
  Host a(network, executor, "a");
  Host b(network, executor, "b");
  std::string order;
  b.Listen();
  std::vector<std::shared_ptr<Mailbox>> mailboxes;
  for (int i = 0; i < 8; ++i) mailboxes.push_back(a.Connect("b"));
  executor.RunUntilIdle();
  for (int message = 0; message < 10; ++message) {
    for (auto& mailbox : mailboxes) a.Send(*mailbox, absl::StrCat(message));
  }
  std::vector<std::string> arrivals;
  network.SetObserver([&](const SimEvent& event) {
    if (event.kind == SimEvent::Kind::kDelivered)
      arrivals.push_back(absl::StrCat(event.connection));
  });
  executor.RunUntilIdle();
  for (const auto& mailbox : b.accepted) {
    EXPECT_THAT(mailbox->headers,
                ::testing::ElementsAre("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"));
  }
  std::vector<std::string> in_order;
  for (int message = 0; message < 10; ++message) {
    for (int i = 1; i <= 8; ++i) in_order.push_back(absl::StrCat(i));
  }
  ASSERT_EQ(arrivals.size(), in_order.size());
  EXPECT_NE(arrivals, in_order);
}

}  // namespace
}  // namespace tideway
