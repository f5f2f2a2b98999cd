// Pulls without the server's CPU: what they bring is what an asked pull brings, and the server sees no frame of them.

#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"

namespace tideway {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr size_t kElements = 5000;

Layout TheLayout() {
  return *Layout::Create({{"w", {static_cast<int64_t>(kElements)}}},
                         {.fragment_bytes_max = 4096, .servers = 2});
}

// Two servers and the clients in one process and on one runtime: where inproc connections meet.
class OneSidedPull : public ::testing::Test {
 protected:
  OneSidedPull() : runtime(testing::NewRuntime({}, 3)) {}
  ~OneSidedPull() override {
    clients.clear();
    servers.clear();
  }

  void Start(ServerOptions options = {}) {
    options.outer_optimizer = "sgd:lr=1";
    options.on_event = [this](const ServerEvent& event) {
      if (event.kind == ServerEvent::Kind::kPublish) answered.fetch_add(1);
    };
    for (uint32_t index = 0; index < layout.servers(); ++index) {
      options.server_index = index;
      options.listen = {"inproc://server-" + std::to_string(index)};
      auto server =
          Server::Start(runtime.get(), options, layout, std::vector<float>(kElements, 0.0f));
      ASSERT_TRUE(server.ok()) << server.status();
      servers.push_back(*std::move(server));
    }
  }

  Client& Join(const std::string& name, ClientOptions options = {}) {
    options.worker = name;
    for (const auto& server : servers) options.servers.push_back(server->addresses()[0]);
    auto client = Client::Create(runtime.get(), std::move(options), layout);
    EXPECT_TRUE(client.ok()) << client.status();
    clients.push_back(*std::move(client));
    const absl::Status joined =
        Await([&](auto done) { clients.back()->Join(Soon(), std::move(done)); });
    EXPECT_TRUE(joined.ok()) << joined;
    return *clients.back();
  }

  absl::Time Soon() { return testing::Soon(*runtime); }

  void Push(Client& client, float value) {
    const std::vector<float> delta(kElements, value);
    auto report = AwaitResult<PushReport>(
        [&](auto done) { client.Push(delta, {.inner_steps = 1}, Soon(), std::move(done)); });
    ASSERT_TRUE(report.ok()) << report.status();
    ASSERT_EQ(report->applied, report->fragments);
  }

  PullReport Pull(Client& client, std::vector<float>& theta, uint64_t window = 0) {
    theta.assign(kElements, std::nanf(""));
    auto report = AwaitResult<PullReport>([&](auto done) {
      client.Pull(absl::MakeSpan(theta), {.window = window}, Soon(), std::move(done));
    });
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : PullReport();
  }

  // Until every fragment has come one-sided: what was pushed is published a moment later.
  void PullUntilOneSided(Client& client, std::vector<float>& theta) {
    const absl::Time end = Soon();
    while (Pull(client, theta).one_sided < layout.fragments().size()) {
      ASSERT_LT(runtime->executor().Now(), end) << "never one-sided";
    }
  }

  const Layout layout = TheLayout();
  std::unique_ptr<Runtime> runtime;
  std::atomic<int> answered{0};  // pulls that a server answered
  std::vector<std::unique_ptr<Server>> servers;
  std::vector<std::unique_ptr<Client>> clients;
};

TEST_F(OneSidedPull, BringsTheParametersAndTheServersSeeNoPullFrame) {
  Start();
  Client& client = Join("reader");
  for (const ConnectionInfo& info : client.connections()) {
    EXPECT_EQ(info.details.at("pull"), "one-sided");
  }
  std::vector<float> theta;
  PullUntilOneSided(client, theta);
  const int answered_before = answered;
  const PullReport report = Pull(client, theta);
  EXPECT_EQ(report.one_sided, layout.fragments().size());
  EXPECT_EQ(report.bytes, kElements * sizeof(float));
  EXPECT_EQ(answered, answered_before);
  EXPECT_THAT(theta, Each(0.0f));
}

TEST_F(OneSidedPull, ContainsThePushesThatTheSameClientSawAcknowledged) {
  Start();
  Client& client = Join("writer");
  std::vector<float> theta;
  for (int i = 1; i <= 100; ++i) {
    Push(client, 1.0f);
    const PullReport report = Pull(client, theta);
    ASSERT_THAT(theta, Each(static_cast<float>(-i)));
    EXPECT_EQ(report.version_min, static_cast<uint64_t>(i));
  }
  PullUntilOneSided(client, theta);
  EXPECT_THAT(theta, Each(-100.0f));
}

TEST_F(OneSidedPull, OfAWindowBringsWhatTheFirstOneOfThatWindowGot) {
  Start();
  Client& reader = Join("reader");
  Client& asker = Join("asker", {.one_sided_pull = false});
  EXPECT_THAT(asker.connections()[0].details.at("pull"), HasSubstr("one_sided_pull"));
  std::vector<float> asked;
  std::vector<float> read;
  uint32_t one_sided = 0;
  for (uint64_t window = 1; window <= 10; ++window) {
    Push(reader, 1.0f);
    EXPECT_EQ(Pull(asker, asked, window).one_sided, 0u);
    Push(reader, 1.0f);
    one_sided += Pull(reader, read, window).one_sided;
    EXPECT_EQ(asked, read) << "window " << window;
    EXPECT_THAT(read, Each(static_cast<float>(1 - 2 * static_cast<int>(window))));
  }
  EXPECT_EQ(one_sided, 10 * layout.fragments().size());
}

TEST_F(OneSidedPull, WithALossyCodecOrATurnedOffServerIsAskedForAndSaysWhy) {
  Start({.one_sided_bytes_max = 0});
  Client& plain = Join("plain");
  Client& lossy = Join("lossy", {.codec_down = "bf16"});
  EXPECT_THAT(plain.connections()[0].details.at("pull"), StartsWith("two-sided: the server"));
  EXPECT_THAT(lossy.connections()[0].details.at("pull"), StartsWith("two-sided: codec_down"));
  std::vector<float> theta;
  EXPECT_EQ(Pull(plain, theta).one_sided, 0u);
  EXPECT_EQ(Pull(lossy, theta).one_sided, 0u);
  EXPECT_THAT(theta, Each(0.0f));
}

// Every push moves all elements of all fragments by the same whole number, so a fragment that is a mixture shows at once.
TEST_F(OneSidedPull, IsNeverTornAndNeverGoesBackWhilePushesGoOn) {
  Start();
  constexpr int kPushes = 300;
  Client& writer = Join("writer");
  std::vector<Client*> readers = {&Join("reader-1"), &Join("reader-2")};
  std::atomic<bool> finished{false};
  std::thread pushing([&] {
    for (int i = 0; i < kPushes; ++i) Push(writer, 1.0f);
    finished = true;
  });
  std::atomic<uint64_t> one_sided{0};
  std::vector<std::thread> pulling;
  for (Client* reader : readers) {
    pulling.emplace_back([&, reader] {
      std::vector<float> theta;
      std::vector<float> before(layout.fragments().size(), 0.0f);
      while (!finished) {
        one_sided += Pull(*reader, theta).one_sided;
        for (const FragmentSpec& spec : layout.fragments()) {
          const float value = theta[spec.offset];
          for (size_t i = 0; i < spec.elements; ++i) ASSERT_EQ(theta[spec.offset + i], value);
          ASSERT_LE(value, before[spec.id]);
          before[spec.id] = value;
        }
      }
    });
  }
  pushing.join();
  for (auto& thread : pulling) thread.join();
  EXPECT_GT(one_sided, 0u);
  std::vector<float> theta;
  PullUntilOneSided(*readers[0], theta);
  EXPECT_THAT(theta, Each(static_cast<float>(-kPushes)));
}

}  // namespace
}  // namespace tideway
