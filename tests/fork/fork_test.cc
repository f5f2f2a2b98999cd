// A forked child, and what its parent made: each call says what to do instead, nothing hangs, and the parent goes on.

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "core/runtime/fork_testing.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tideway/blocking.h"
#include "tideway/client.h"
#include "tideway/local_sgd.h"
#include "tideway/publisher.h"
#include "tideway/server.h"
#include "tideway/subscriber.h"

namespace tideway::testing {
namespace {

constexpr size_t kElements = 1000;
constexpr uint16_t kWord = 0x3f80;  // bf16's 1

const char kTcp[] = "tcp://127.0.0.1:0";

WeightLayout OneTensor() {
  return *WeightLayout::Create({{"w", WeightType::kBf16, {int64_t{kElements}}}});
}

// One of each that a program makes from a Runtime, connected to one another.
struct Ends {
  Ends() {
    StartServer();
    StartPublisher();
    JoinAll();
  }

  void StartServer() {
    auto started = Server::Start(
        runtime.get(), {.listen = {kTcp}, .scheduling = {.inner_steps = 1, .dylu = false}}, layout,
        std::vector<float>(kElements, 1.0f));
    ASSERT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
  }

  void StartPublisher() {
    auto started = Publisher::Start(runtime.get(), {.listen = {kTcp}}, weight_layout);
    ASSERT_TRUE(started.ok()) << started.status();
    publisher = *std::move(started);
    auto following =
        Subscriber::Start(runtime.get(), {.publisher = publisher->addresses()[0]}, weight_layout);
    ASSERT_TRUE(following.ok()) << following.status();
    subscriber = *std::move(following);
    ASSERT_TRUE(Publish(1).ok());
    auto came = AwaitResult<WeightsPtr>(
        [&](auto done) { subscriber->WhenNewer({}, Soon(*runtime), std::move(done)); });
    ASSERT_TRUE(came.ok()) << came.status();
    weights = *std::move(came);
  }

  void JoinAll() {
    auto created =
        Client::Create(runtime.get(), {.servers = server->addresses(), .worker = "client"}, layout);
    ASSERT_TRUE(created.ok()) << created.status();
    client = *std::move(created);
    ASSERT_TRUE(Await([&](auto done) { client->Join(Soon(*runtime), std::move(done)); }).ok());
    auto joined = LocalSgd::Join(
        runtime.get(), {.servers = server->addresses(), .worker = "trainer", .inner_steps = 2},
        {{"w", {int64_t{kElements}}, parameters.data()}});
    ASSERT_TRUE(joined.ok()) << joined.status();
    local_sgd = *std::move(joined);
  }

  absl::StatusOr<PushReport> Push() {
    return AwaitResult<PushReport>(
        [&](auto done) { client->Push(delta, {}, Soon(*runtime), std::move(done)); });
  }
  absl::StatusOr<PublishReport> Publish(uint64_t version) {
    return publisher->Publish(version,
                              {{{"w", WeightType::kBf16, {int64_t{kElements}}, words.data()}}});
  }

  // In the order in which a program would, but for the runtime, which goes last.
  void Destroy() {
    local_sgd.reset();
    client.reset();
    server.reset();
    weights.reset();
    subscriber.reset();
    publisher.reset();
    runtime.reset();
  }

  const Layout layout = *Layout::Create({{"w", {int64_t{kElements}}}});
  const WeightLayout weight_layout = OneTensor();
  const std::vector<float> delta = std::vector<float>(kElements, 0.5f);
  const std::vector<uint16_t> words = std::vector<uint16_t>(kElements, kWord);
  std::vector<float> parameters = std::vector<float>(kElements);
  std::vector<float> pulled = std::vector<float>(kElements);

  std::unique_ptr<Runtime> runtime = NewRuntime();
  std::unique_ptr<Server> server;
  std::unique_ptr<Publisher> publisher;
  std::unique_ptr<Subscriber> subscriber;
  WeightsPtr weights;
  std::unique_ptr<Client> client;
  std::unique_ptr<LocalSgd> local_sgd;
};

::testing::AssertionResult SaysSo(const absl::Status& status) {
  if (absl::IsFailedPrecondition(status) && absl::StrContains(status.message(), "was forked") &&
      absl::StrContains(status.message(), "make a runtime of the child's own")) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << status;
}
template <typename T>
::testing::AssertionResult SaysSo(const absl::StatusOr<T>& result) {
  return SaysSo(result.status());
}

void ExpectClientSaysSo(Ends& ends) {
  Client& client = *ends.client;
  const absl::Time soon = Soon(*ends.runtime);
  EXPECT_TRUE(SaysSo(ends.Push()));
  EXPECT_TRUE(SaysSo(Await([&](auto done) { client.Join(soon, std::move(done)); })));
  EXPECT_TRUE(SaysSo(AwaitResult<PullReport>(
      [&](auto done) { client.Pull(absl::MakeSpan(ends.pulled), {}, soon, std::move(done)); })));
  EXPECT_TRUE(SaysSo(AwaitResult<Client::PushPullReport>([&](auto done) {
    client.PushPull(ends.delta, {}, absl::MakeSpan(ends.pulled), {}, soon, std::move(done));
  })));
  EXPECT_TRUE(SaysSo(AwaitResult<Assignment>(
      [&](auto done) { client.NextAssignment(nullptr, soon, std::move(done)); })));
  EXPECT_TRUE(
      SaysSo(AwaitResult<ServerStats>([&](auto done) { client.Stats(0, soon, std::move(done)); })));
  EXPECT_TRUE(SaysSo(Await([&](auto done) { client.Snapshot(soon, std::move(done)); })));
  EXPECT_TRUE(SaysSo(Await([&](auto done) { client.Leave(soon, std::move(done)); })));
  EXPECT_TRUE(SaysSo(client.SetResidual(ends.delta)));
}

void ExpectAllSaySo(Ends& ends) {
  ExpectClientSaysSo(ends);
  EXPECT_TRUE(SaysSo(ends.local_sgd->AfterInnerStep({.loss = 1.0})));
  EXPECT_TRUE(SaysSo(ends.local_sgd->Leave()));
  EXPECT_TRUE(SaysSo(ends.server->ReadParameters(absl::MakeSpan(ends.pulled))));
  EXPECT_TRUE(SaysSo(ends.server->Snapshot()));
  EXPECT_TRUE(SaysSo(ends.Publish(100)));
  EXPECT_TRUE(SaysSo(AwaitResult<WeightsPtr>(
      [&](auto done) { ends.subscriber->WhenNewer({}, Soon(*ends.runtime), std::move(done)); })));
  EXPECT_TRUE(SaysSo(ends.runtime->CheckProcess()));
}

TEST(Fork, EachCallInAChildFailsAndSaysWhatToDoInstead) {
  Ends ends;
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(PassesInChild([&] { ExpectAllSaySo(ends); }));
}

TEST(Fork, NothingIsMadeInAChildFromItsParentsRuntime) {
  Ends ends;
  ASSERT_FALSE(HasFatalFailure());
  const std::vector<std::string> servers = ends.server->addresses();
  const std::string publisher = ends.publisher->addresses()[0];
  EXPECT_TRUE(PassesInChild([&] {
    Runtime* const runtime = ends.runtime.get();
    EXPECT_TRUE(SaysSo(runtime->TransportFor("tcp")));
    EXPECT_TRUE(SaysSo(Client::Create(runtime, {.servers = servers}, ends.layout)));
    EXPECT_TRUE(SaysSo(Server::Start(runtime, {}, ends.layout, ends.delta)));
    EXPECT_TRUE(SaysSo(Server::Recover(runtime, {.snapshot_dir = "none"}, ends.layout)));
    EXPECT_TRUE(SaysSo(Publisher::Start(runtime, {.listen = {kTcp}}, ends.weight_layout)));
    EXPECT_TRUE(SaysSo(Subscriber::Start(runtime, {.publisher = publisher}, ends.weight_layout)));
    EXPECT_TRUE(SaysSo(LocalSgd::Join(runtime, {.servers = servers},
                                      {{"w", {int64_t{kElements}}, ends.parameters.data()}})));
  }));
}

TEST(Fork, WhatHasNoStatusToReturnIsEmptyInAChild) {
  Ends ends;
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_FALSE(ends.client->connections().empty());
  EXPECT_TRUE(PassesInChild([&] {
    ends.client->SetStatus({});
    EXPECT_TRUE(ends.client->connections().empty());
    EXPECT_TRUE(ends.client->transport_reports().empty());
    EXPECT_TRUE(ends.client->residual().empty());
    EXPECT_EQ(ends.client->residual_stats().norm, 0);
    EXPECT_EQ(ends.client->layout().elements(), kElements);
    EXPECT_EQ(ends.server->stats().workers.size(), 0u);
    EXPECT_EQ(ends.server->addresses().size(), 1u);
    EXPECT_EQ(ends.publisher->stats().versions, 0u);
    EXPECT_FALSE(ends.subscriber->stats().connected);
    EXPECT_EQ(ends.subscriber->current(), nullptr);
    ends.local_sgd->RequestStop();
  }));
}

TEST(Fork, AParentGoesOnAfterItsChildStoppedAndDestroyedAll) {
  Ends ends;
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(PassesInChild([&] {
    ends.client->Close();
    ends.server->Stop();
    ends.publisher->Stop();
    ends.subscriber->Close();
    ends.runtime->Stop();
    ends.Destroy();
  }));
  const auto push = ends.Push();
  ASSERT_TRUE(push.ok()) << push.status();
  EXPECT_EQ(push->applied + push->buffered, push->fragments);
  const auto event = ends.local_sgd->AfterInnerStep({.loss = 1.0});
  EXPECT_TRUE(event.ok()) << event.status();
  ASSERT_TRUE(ends.Publish(2).ok());
  const auto newer = AwaitResult<WeightsPtr>([&](auto done) {
    ends.subscriber->WhenNewer(ends.weights->id(), Soon(*ends.runtime), std::move(done));
  });
  EXPECT_TRUE(newer.ok()) << newer.status();
}

// What is in static storage is destroyed after main returns, and by exit().
TEST(Fork, AChildThatExitsDestroysWhatIsInStaticStorage) {
  static std::unique_ptr<Ends> ends;
  ends = std::make_unique<Ends>();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(PassesInChild([] { EXPECT_NE(ends, nullptr); }, TIDEWAY_EXIT));
  EXPECT_TRUE(ends->Push().ok());
  ends.reset();
}

TEST(Fork, AChildReadsTheWeightsThatItsParentHeldAndDropsThem) {
  Ends ends;
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(PassesInChild([&] {
    ends.subscriber.reset();
    ASSERT_EQ(ends.weights->tensor(0).size(), kElements * sizeof(uint16_t));
    uint16_t word = 0;
    std::memcpy(&word, ends.weights->tensor(0).data(), sizeof word);
    EXPECT_EQ(word, kWord);
    ends.weights.reset();
  }));
}

TEST(Fork, NoMomentOfABusyParentMakesItsChildWait) {
  Ends ends;
  ASSERT_FALSE(HasFatalFailure());
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) EXPECT_TRUE(ends.Push().ok());
  });
  bool passed = true;
  for (uint64_t version = 2; passed && version < 32; ++version) {
    EXPECT_TRUE(ends.Publish(version).ok());
    EXPECT_TRUE(passed = static_cast<bool>(PassesInChild([&] {
                  ExpectAllSaySo(ends);
                  ends.Destroy();
                })));
  }
  stop = true;
  busy.join();
}

TEST(Fork, AChildPushesWithARuntimeOfItsOwn) {
  Ends ends;
  ASSERT_FALSE(HasFatalFailure());
  const std::vector<std::string> servers = ends.server->addresses();
  EXPECT_TRUE(PassesInChild([&] {
    ends.Destroy();
    ends.runtime = NewRuntime();
    auto client =
        Client::Create(ends.runtime.get(), {.servers = servers, .worker = "child"}, ends.layout);
    ASSERT_TRUE(client.ok()) << client.status();
    ends.client = *std::move(client);
    EXPECT_TRUE(
        Await([&](auto done) { ends.client->Join(Soon(*ends.runtime), std::move(done)); }).ok());
    EXPECT_TRUE(ends.Push().ok());
    ends.client.reset();
    ends.runtime.reset();
  }));
  EXPECT_TRUE(ends.Push().ok());
}

}  // namespace
}  // namespace tideway::testing
