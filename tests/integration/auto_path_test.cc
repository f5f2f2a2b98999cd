// auto:// over the real transports that this build and host have: which path is taken, what the report says, and that a path
// that breaks under load loses nothing.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tideway/transport_report.h"
#include "tideway/uri.h"

namespace tideway {
namespace {

using ::testing::HasSubstr;
using ::tideway::testing::Cluster;
using ::tideway::testing::Peer;

constexpr size_t kElements = 1 << 16;

Layout SmallLayout() {
  return *Layout::Create({{"w", {static_cast<int64_t>(kElements)}}},
                         {.fragment_bytes_max = 1 << 14});
}

Cluster Serving(const std::string& uri) {
  return {SmallLayout(),
          {.listen = {uri}, .outer_optimizer = "sgd:lr=1"},
          std::vector<float>(kElements, 0.0f)};
}

ProviderInfo ProviderNamed(const std::string& name) {
  const TransportRegistry registry = BuiltinTransports();
  for (const TransportEntry& entry : registry.entries()) {
    for (const ProviderInfo& provider : ProvidersOf(entry.probe())) {
      if (provider.name == name) return provider;
    }
  }
  return {.viable = false};
}

std::string With(std::string uri, const std::string& params) { return uri + "?" + params; }

TEST(AutoPath, TakesAPathThatBothEndsHaveAndAccountsForEveryOtherOne) {
  Cluster cluster = Serving("auto://127.0.0.1:0");
  ASSERT_EQ(cluster.servers.size(), 1u);
  EXPECT_TRUE(absl::StartsWith(cluster.uris[0], "auto://127.0.0.1:")) << cluster.uris[0];
  Peer peer(cluster, {.worker = "anna"});
  ASSERT_TRUE(peer.Join().ok());
  const TransportReport report = peer.client->transport_reports()[0];
  EXPECT_EQ(report.asked, cluster.uris[0]);
  EXPECT_FALSE(report.got.empty());
  ASSERT_FALSE(report.candidates.empty());
  EXPECT_EQ(report.candidates[0].provider, report.provider);
  EXPECT_TRUE(report.candidates[0].measured);
  for (const TransportCandidate& candidate : report.candidates) {
    EXPECT_TRUE(candidate.measured || !candidate.refused.empty())
        << candidate.provider << " was neither measured nor refused";
    if (!candidate.refused.empty()) continue;
    EXPECT_GT(candidate.latency_us, 0);
    if (candidate.same_host_only == report.candidates[0].same_host_only) {
      EXPECT_GE(candidate.fragment_time(), report.candidates[0].fragment_time());
    }
  }
  const TransportRegistry registry = BuiltinTransports();
  for (const TransportEntry& entry : registry.entries()) {
    const TransportInfo info = entry.probe();
    if (info.viable && !info.crosses_processes) continue;
    for (const ProviderInfo& provider : ProvidersOf(info)) {
      EXPECT_THAT(report.ToString(), HasSubstr(provider.name));
    }
  }
  EXPECT_TRUE(peer.Push(std::vector<float>(kElements, 1.0f)).ok());
  EXPECT_EQ(cluster.Parameters(), std::vector<float>(kElements, -1.0f));
}

TEST(AutoPath, PicksSharedMemoryOnOneHostWhereItIsThere) {
  if (!ProviderNamed("ucx/sm").viable && !ProviderNamed("ofi+shm").viable) {
    GTEST_SKIP() << "this build or host has neither ucx/sm nor ofi+shm";
  }
  Cluster cluster = Serving("auto://127.0.0.1:0");
  Peer peer(cluster, {.worker = "anna"});
  ASSERT_TRUE(peer.Join().ok());
  const TransportReport report = peer.client->transport_reports()[0];
  EXPECT_TRUE(ProviderNamed(report.provider).same_host_only) << report.ToString();
}

TEST(AutoPath, RequireTakesThatTransportAndNothingElse) {
  Cluster cluster = Serving("auto://127.0.0.1:0");
  const std::string uri = std::exchange(cluster.uris[0], With(cluster.uris[0], "require=tcp"));
  Peer tcp(cluster, {.worker = "anna"});
  ASSERT_TRUE(tcp.Join().ok());
  EXPECT_EQ(tcp.client->transport_reports()[0].provider, "tcp");
  cluster.uris[0] = With(uri, "require=ofi+carrier-pigeon");
  Peer pigeon(cluster, {.worker = "berta"});
  const absl::Status refused = pigeon.Join();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("tcp: require=ofi+carrier-pigeon leaves it out"));
}

TEST(AutoPath, AskingAServerThatListensOnTcpAloneFindsTcp) {
  Cluster cluster = Serving("tcp://127.0.0.1:0");
  cluster.uris[0] = "auto" + cluster.uris[0].substr(3);
  Peer peer(cluster, {.worker = "anna"});
  ASSERT_TRUE(peer.Join().ok());
  EXPECT_EQ(peer.client->transport_reports()[0].provider, "tcp");
}

TEST(AutoPath, AnAddressThatNamesItsTransportIsReportedToo) {
  Cluster cluster = Serving("tcp://127.0.0.1:0");
  Peer peer(cluster, {.worker = "anna"});
  ASSERT_TRUE(peer.Join().ok());
  const TransportReport report = peer.client->transport_reports()[0];
  EXPECT_EQ(report.provider, "tcp");
  EXPECT_EQ(report.why, "the address names it");
  EXPECT_TRUE(report.connection.details.contains("congestion"));
  ASSERT_TRUE(peer.Leave().ok());
  const ServerStats stats = cluster.servers[0]->stats();
  ASSERT_EQ(stats.workers.size(), 1u);
  EXPECT_EQ(stats.workers[0].transport, "tcp");
}

// Takes connections over tcp and answers every message with `answer`, or not at all.
class Stranger final : public Receiver {
 public:
  explicit Stranger(std::shared_ptr<Connection> connection, std::string answer)
      : connection_(std::move(connection)), answer_(std::move(answer)) {}

  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte>, size_t payload_bytes) override {
    place_.resize(payload_bytes);
    if (!answer_.empty()) {
      Message message;
      message.header = {reinterpret_cast<const std::byte*>(answer_.data()), answer_.size()};
      connection_->Send(message, absl::InfiniteFuture(), [](const absl::Status&) {});
    }
    return Landing{absl::MakeSpan(place_), [](const absl::Status&) {}};
  }
  void OnClosed(const absl::Status&) override { connection_.reset(); }

 private:
  std::shared_ptr<Connection> connection_;
  const std::string answer_;
  std::vector<std::byte> place_;
};

absl::Status JoinAStranger(const std::string& answer) {
  Cluster cluster = Serving("tcp://127.0.0.1:0");
  auto runtime = tideway::testing::NewRuntime();
  auto listener =
      (*runtime->TransportFor("tcp"))
          ->Listen(*Uri::Parse("tcp://127.0.0.1:0"), [&](std::shared_ptr<Connection> c) {
            return std::make_shared<Stranger>(std::move(c), answer);
          });
  EXPECT_TRUE(listener.ok()) << listener.status();
  Uri uri = (*listener)->address();
  uri.scheme = "auto";
  cluster.uris[0] = uri.ToString();
  Peer peer(cluster, {.worker = "anna", .reconnect_timeout = absl::Milliseconds(200)});
  return Await([&](auto done) {
    peer.client->Join(peer.runtime->executor().Now() + absl::Seconds(1), std::move(done));
  });
}

TEST(AutoPath, AServerThatNeverAnswersTheQuestionIsGivenUpAtTheDeadline) {
  const absl::Status status = JoinAStranger("");
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

TEST(AutoPath, AServerThatAnswersNonsenseIsNamedAsSuch) {
  const absl::Status status = JoinAStranger("I am no Tideway");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(status.message(), HasSubstr("frame header has 15 bytes"));
}

TEST(AutoPath, AWrongAddressIsRefusedBeforeAnythingStarts) {
  Cluster cluster = Serving("tcp://127.0.0.1:0");
  for (const char* uri : {"auto://127.0.0.1", "auto://127.0.0.1:5000?prefer=tcp"}) {
    auto client = Client::Create(cluster.runtimes[0].get(), {.servers = {uri}}, cluster.layout);
    EXPECT_EQ(client.status().code(), absl::StatusCode::kInvalidArgument) << uri;
  }
  auto server =
      Server::Start(cluster.runtimes[0].get(), {.listen = {"auto://127.0.0.1:0?require=tcp"}},
                    cluster.layout, std::vector<float>(kElements));
  EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << server.status();
}

}  // namespace
}  // namespace tideway
