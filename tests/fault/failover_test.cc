// A data path that dies under load: the client goes on over the next one that auto:// finds, the sum stays exact, and the
// report says what happened. Paths die by the fault decorator, or by a reset of the real TCP connection.

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fault/alias_transport.h"
#include "tests/fault/builtin_entry.h"
#include "tests/fault/tcp_relay.h"
#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/client.h"
#include "tideway/fault_transport.h"
#include "tideway/layout.h"
#include "tideway/runtime.h"
#include "tideway/server.h"
#include "tideway/transport_report.h"
#include "tideway/uri.h"

namespace tideway::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t kElements = 1 << 15;
constexpr int kPushes = 200;
constexpr int kInFlight = 16;

// TCP once more, as a transport of its own: the second path of a build that has no other.
constexpr char kSecond[] = "second";

// Makes every probe of a path slower than any other's, on a busy host under a sanitizer too.
FaultPlan Slow() {
  return {.delay_probability = 1,
          .delay_min = absl::Milliseconds(15),
          .delay_max = absl::Milliseconds(25)};
}

// A slow path over shared memory would still be chosen: it has a bonus (core/client/path_table.cc).
TransportEntry WithoutSharedMemory(TransportEntry entry) {
  entry.probe = [probe = std::move(entry.probe)] {
    TransportInfo info = probe();
    std::erase_if(info.providers,
                  [](const ProviderInfo& provider) { return provider.same_host_only; });
    return info;
  };
  return entry;
}

// A server and a client with a Runtime each, which have the same transports. Each of these is wrapped, under a control of its
// own that strikes both ends.
class Failover {
 public:
  explicit Failover(std::map<std::string, FaultPlan> transports)
      : plans_(std::move(transports)),
        server_runtime_(NewRuntime()),
        client_runtime_(NewRuntime()) {
    auto started = Server::Start(server_runtime_.get(),
                                 {.listen = {"auto://127.0.0.1:0"}, .outer_optimizer = "sgd:lr=1"},
                                 layout_, std::vector<float>(kElements, 0.0f));
    EXPECT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }

  std::string address() const { return server_->addresses()[0]; }
  FaultControl& control(const std::string& transport) { return controls_[transport]; }

  void Join(const std::string& uri) {
    client_ = *Client::Create(client_runtime_.get(), {.servers = {uri}, .worker = "anna"}, layout_);
    const absl::Status joined = Await([&](auto done) { client_->Join(Soon(), std::move(done)); });
    ASSERT_TRUE(joined.ok()) << joined;
  }

  TransportReport report() const { return client_->transport_reports()[0]; }
  // The transport of the data path.
  std::string transport() const { return report().connection.transport; }

  // Pushes ones, kInFlight at a time, all of which must be acknowledged in the end; `at_half` happens in the middle.
  void PushAll(const std::function<void()>& at_half) {
    const std::vector<float> delta(kElements, 1.0f);
    absl::Mutex mutex;
    int pending = 0;
    for (int i = 0; i < kPushes; ++i) {
      if (i == kPushes / 2) at_half();
      absl::MutexLock lock(&mutex);
      mutex.Await(absl::Condition(
          +[](int* n) { return *n < kInFlight; }, &pending));
      ++pending;
      client_->Push(delta, {.inner_steps = 1}, Soon(),
                    [&](const absl::StatusOr<PushReport>& report) {
                      EXPECT_TRUE(report.ok()) << report.status();
                      absl::MutexLock inner(&mutex);
                      --pending;
                    });
    }
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(
        +[](int* n) { return *n == 0; }, &pending));
  }

  void ExpectTheExactSum() {
    std::vector<float> parameters(kElements);
    EXPECT_TRUE(server_->ReadParameters(absl::MakeSpan(parameters)).ok());
    EXPECT_THAT(parameters, Each(-static_cast<float>(kPushes)));
  }

  void ExpectOneSwitchFrom(const std::string& before) {
    const TransportReport now = report();
    EXPECT_NE(now.provider, before);
    EXPECT_EQ(now.switches_total, 1u) << now.ToString();
    ASSERT_EQ(now.switches.size(), 1u);
    EXPECT_EQ(now.switches[0].from, before);
    EXPECT_EQ(now.switches[0].to, now.provider);
    EXPECT_FALSE(now.switches[0].reason.empty());
    const auto given_up =
        std::find_if(now.candidates.begin(), now.candidates.end(),
                     [&](const auto& candidate) { return candidate.provider == before; });
    ASSERT_NE(given_up, now.candidates.end());
    EXPECT_THAT(given_up->refused, Not(::testing::IsEmpty())) << now.ToString();
  }

 private:
  absl::Time Soon() { return client_runtime_->executor().Now() + absl::Seconds(60); }

  std::unique_ptr<Runtime> NewRuntime() {
    RuntimeOptions options;
    for (const auto& [name, plan] : plans_) {
      TransportEntry entry =
          name == kSecond ? WithAlias(BuiltinEntry("tcp"), kSecond) : BuiltinEntry(name);
      if (plan.delay_probability > 0) entry = WithoutSharedMemory(std::move(entry));
      EXPECT_TRUE(options.transports.Add(WithFaults(std::move(entry), plan, controls_[name])).ok());
    }
    options.codecs = BuiltinCodecs();
    options.executor_options = {.threads = 2};
    return std::make_unique<Runtime>(std::move(options));
  }

  const std::map<std::string, FaultPlan> plans_;
  std::map<std::string, FaultControl> controls_;
  const Layout layout_ =
      *Layout::Create({{"w", {int64_t{kElements}}}}, {.fragment_bytes_max = 1 << 14});
  std::unique_ptr<Runtime> server_runtime_, client_runtime_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
};

// Empty: it can be a data path between two processes here. Otherwise why not.
std::string WhyNot(const std::string& transport) {
  for (const TransportEntry& entry : BuiltinEntries()) {
    if (entry.name != transport) continue;
    const TransportInfo info = entry.probe();
    return info.viable ? "" : info.unavailable_reason;
  }
  return "this build has no " + transport;
}

// `preferred` is chosen, since `other` is slow, and dies; `for_good` or only its connections.
void KillUnderLoad(const std::string& preferred, const std::string& other, bool for_good) {
  Failover failover({{preferred, {}}, {other, Slow()}});
  failover.Join(failover.address());
  const std::string before = failover.report().provider;
  ASSERT_EQ(failover.report().connection.details["faults"].empty(), false);
  FaultControl& control = failover.control(preferred);
  ASSERT_GE(control.connections(), 2u) << failover.report().ToString();
  ASSERT_EQ(failover.control(other).connections(), 0u) << failover.report().ToString();
  failover.PushAll([&] {
    control.RefuseConnections(for_good);
    EXPECT_GE(control.KillAll(), 2u);
  });
  failover.ExpectTheExactSum();
  failover.ExpectOneSwitchFrom(before);
  EXPECT_GE(control.count(FaultKind::kKill), 1u);
  EXPECT_GE(failover.control(other).connections(), 2u);
}

TEST(Failover, AKilledPathLosesNothingAndTheNextOneIsReported) {
  KillUnderLoad("tcp", kSecond, /*for_good=*/false);
}

TEST(Failover, APathThatIsGoneForGoodLosesNothingThoughTheServerCanNoLongerBeAsked) {
  KillUnderLoad("tcp", kSecond, /*for_good=*/true);
}

TEST(Failover, APathThatIsNotTheOneToAskOverLosesNothingEither) {
  KillUnderLoad(kSecond, "tcp", /*for_good=*/true);
}

TEST(Failover, AKilledUcxPathGoesOnOverTcp) {
  if (const std::string why = WhyNot("ucx"); !why.empty()) GTEST_SKIP() << why;
  KillUnderLoad("ucx", "tcp", /*for_good=*/true);
}

TEST(Failover, AKilledLibfabricPathGoesOnOverTcp) {
  if (const std::string why = WhyNot("libfabric"); !why.empty()) GTEST_SKIP() << why;
  KillUnderLoad("libfabric", "tcp", /*for_good=*/true);
}

// The client reaches tcp through a relay, and `next` directly.
void ResetUnderLoad(const std::string& next) {
  Failover failover({{"tcp", {}}, {next, Slow()}});
  TcpRelay relay(*Uri::Parse(failover.address())->port);
  failover.Join(absl::StrCat("auto://127.0.0.1:", relay.port()));
  ASSERT_EQ(failover.report().provider, "tcp") << failover.report().ToString();
  const uint64_t before = relay.bytes();
  failover.PushAll([&] { relay.Break(); });
  EXPECT_GT(relay.bytes(), before + 10 * kElements * sizeof(float)) << "there was no load";
  failover.ExpectTheExactSum();
  failover.ExpectOneSwitchFrom("tcp");
}

TEST(Failover, AResetOfTcpUnderLoadLosesNothing) { ResetUnderLoad(kSecond); }

TEST(Failover, AResetOfTcpUnderLoadGoesOnOverUcx) {
  if (const std::string why = WhyNot("ucx"); !why.empty()) GTEST_SKIP() << why;
  ResetUnderLoad("ucx");
}

}  // namespace
}  // namespace tideway::testing
