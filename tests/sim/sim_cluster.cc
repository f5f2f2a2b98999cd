#include "tests/sim/sim_cluster.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/sim/sim_runtime.h"

namespace tideway::testing {
namespace {

const char* NameOf(ServerEvent::Kind kind) {
  switch (kind) {
    case ServerEvent::Kind::kJoin:
      return "join";
    case ServerEvent::Kind::kLeave:
      return "leave";
    case ServerEvent::Kind::kPush:
      return "push";
    case ServerEvent::Kind::kPublish:
      return "publish";
    case ServerEvent::Kind::kArrive:
      return "arrive";
    case ServerEvent::Kind::kRelease:
      return "release";
    case ServerEvent::Kind::kSnapshot:
      return "snapshot";
  }
  return "?";
}

std::string LineOf(uint32_t server, const ServerEvent& event) {
  return absl::StrFormat(
      "server %u %s worker %u sequence %u fragment %u version %u staleness %u window %u %s", server,
      NameOf(event.kind), event.worker, event.sequence, event.fragment, event.version,
      event.staleness, event.window, event.verdict);
}

std::string HostOf(uint32_t server) { return absl::StrCat("server-", server); }

constexpr absl::Duration kPatience = absl::Hours(1);

}  // namespace

// --- worker ----------------------------------------------------------------------------------------

void SimWorker::Start() {
  const int life = ++life_;
  alive_ = true;
  runtime_ = cluster_->NewRuntime(name_);
  ClientOptions options = cluster_->options.client;
  options.servers = cluster_->uris;
  options.worker = name_;
  auto client = Client::Create(runtime_.get(), std::move(options), cluster_->layout);
  ASSERT_TRUE(client.ok()) << client.status();
  client_ = *std::move(client);
  cycle_ = std::make_unique<WorkerCycle>(client_.get());
  parameters_.assign(cluster_->layout.elements(), 0.0f);
  delta_.assign(cluster_->layout.elements(), 0.0f);
  client_->Join(cluster_->executor.Now() + kPatience, [this, life](absl::Status joined) {
    if (life != life_) return;
    cluster_->Log(absl::StrCat(name_, " joined: ", joined.ToString()));
    if (!joined.ok()) {
      error_ = joined;
      return DropClient();
    }
    cycle_->Begin(absl::MakeSpan(parameters_), cluster_->executor.Now() + kPatience,
                  [this, life](auto outcome) { OnOutcome(life, std::move(outcome)); });
  });
}

void SimWorker::OnOutcome(int life, absl::StatusOr<WorkerCycle::Outcome> outcome) {
  if (life != life_) return;
  if (!outcome.ok()) {
    cluster_->Log(absl::StrCat(name_, " failed: ", outcome.status().ToString()));
    error_ = outcome.status();
    return DropClient();
  }
  acknowledged_ += std::exchange(pushing_, 0);
  assignment_ = outcome->assignment;
  cluster_->Log(absl::StrFormat("%s window %u steps %u shard %u versions %u..%u", name_,
                                assignment_.window, assignment_.inner_steps, assignment_.shard,
                                outcome->pull.version_min, outcome->pull.version_max));
  if (assignment_.window != 0) {  // 0 asks for the newest, which moves while a slow worker pulls it
    auto [known, first] = cluster_->by_window.emplace(assignment_.window, parameters_);
    if (!first && known->second != parameters_)
      cluster_->torn_windows.push_back(assignment_.window);
  }
  if (assignment_.finished) return Leave();
  Train();
}

void SimWorker::Train() {
  // Up to a tenth slower than nominal.
  const double jitter = 1.0 + 0.1 * static_cast<double>(cluster_->executor.Random() % 1024) / 1024;
  busy_ = assignment_.inner_steps * step_time_ * jitter;
  cluster_->executor.PostAt(cluster_->executor.Now() + busy_, [this, life = life_] {
    if (life == life_) Push();
  });
}

void SimWorker::Push() {
  ++exchanges_;
  inner_steps_ += assignment_.inner_steps;
  pushing_ = static_cast<int64_t>(cluster_->executor.Random() % 5) + 1;
  std::fill(delta_.begin(), delta_.end(), static_cast<float>(pushing_));
  const Arrival arrival{.inner_steps = assignment_.inner_steps,
                        .busy_seconds = absl::ToDoubleSeconds(busy_)};
  cycle_->Exchange(delta_, arrival, absl::MakeSpan(parameters_),
                   cluster_->executor.Now() + kPatience,
                   [this, life = life_](auto outcome) { OnOutcome(life, std::move(outcome)); });
}

void SimWorker::Leave() {
  client_->Leave(cluster_->executor.Now() + absl::Minutes(1),
                 [this, life = life_](absl::Status left) {
                   if (life != life_) return;
                   cluster_->Log(absl::StrCat(name_, " left: ", left.ToString()));
                   finished_ = true;
                   DropClient();
                 });
}

void SimWorker::Crash() {
  cluster_->Log(absl::StrCat(name_, " crashes"));
  ++life_;
  if (pushing_ != 0) cut_off_.push_back(std::exchange(pushing_, 0));
  cluster_->network.Crash(name_);
  runtime_->Stop();
  DropClient();
}

void SimWorker::DropClient() {
  alive_ = false;
  client_->Close();
  // Long enough for a connection to be gone; the destructor would otherwise wait for a simulation that stands still.
  cluster_->executor.PostAt(cluster_->executor.Now() + absl::Seconds(10), [this] {
    cycle_.reset();
    client_.reset();
    runtime_.reset();
  });
}

// --- cluster ---------------------------------------------------------------------------------------

SimCluster::SimCluster(SimClusterOptions given)
    : options(std::move(given)),
      executor(options.seed),
      network(options.seed, options.link),
      layout(*Layout::Create(
          {{"w", {static_cast<int64_t>(options.elements)}}},
          {.fragment_bytes_max = options.fragment_bytes, .servers = options.servers})) {
  network.SetObserver(
      [this](const SimEvent& event) { absl::StrAppend(&log_, event.ToString(), "\n"); });
  const std::vector<float> initial(options.elements, 0.0f);
  for (uint32_t index = 0; index < options.servers; ++index) {
    runtimes.push_back(NewRuntime(HostOf(index)));
    ServerOptions server_options = options.server;
    server_options.server_index = index;
    server_options.listen = {absl::StrCat(options.scheme, "://", HostOf(index), ":5000")};
    server_options.on_event = [this, index](const ServerEvent& event) {
      Log(LineOf(index, event));
    };
    auto server = Server::Start(runtimes.back().get(), std::move(server_options), layout, initial);
    EXPECT_TRUE(server.ok()) << server.status();
    if (!server.ok()) return;
    uris.push_back((*server)->addresses()[0]);
    servers.push_back(*std::move(server));
  }
  for (int i = 0; i < options.workers; ++i) {
    const absl::Duration step_time = absl::Milliseconds(50 + 25 * (i % 4));
    workers.push_back(std::make_unique<SimWorker>(this, absl::StrCat("worker-", i), step_time));
  }
}

SimCluster::~SimCluster() {
  for (auto& worker : workers) {
    if (worker->alive()) worker->Crash();
  }
  executor.RunFor(absl::Minutes(1));
  for (auto& server : servers) server->Stop();
  executor.RunFor(absl::Minutes(1));
  servers.clear();
  network.SetObserver({});
}

std::unique_ptr<Runtime> SimCluster::NewRuntime(const std::string& host) {
  TransportEntry entry = SimTransportEntry(&network, host);
  if (options.wrap) entry = options.wrap(std::move(entry));
  return NewSimRuntime(&executor, std::move(entry));
}

void SimCluster::Reset(const std::string& worker) {
  for (uint32_t index = 0; index < options.servers; ++index) network.Reset(worker, HostOf(index));
}

void SimCluster::Partition(const std::string& worker) {
  for (uint32_t index = 0; index < options.servers; ++index)
    network.Partition(worker, HostOf(index));
}

void SimCluster::Heal(const std::string& worker) {
  for (uint32_t index = 0; index < options.servers; ++index) network.Heal(worker, HostOf(index));
}

void SimCluster::Log(const std::string& line) {
  absl::StrAppend(&log_, absl::FormatTime(absl::RFC3339_full, executor.Now(), absl::UTCTimeZone()),
                  " ", line, "\n");
}

bool SimCluster::RunToTheEnd() {
  return executor.RunUntilTrue(
      [this] {
        for (const auto& worker : workers) {
          if (!worker->finished()) return false;
        }
        return true;
      },
      executor.Now() + kPatience);
}

std::vector<float> SimCluster::Parameters() {
  auto runtime = NewRuntime("observer");
  auto observer = Client::Create(runtime.get(), {.servers = uris, .observer = true}, layout);
  EXPECT_TRUE(observer.ok()) << observer.status();
  std::vector<float> parameters(layout.elements());
  bool done = false;
  (*observer)->Join(executor.Now() + kPatience, [&](absl::Status joined) {
    EXPECT_TRUE(joined.ok()) << joined;
    (*observer)->Pull(absl::MakeSpan(parameters), {}, executor.Now() + kPatience,
                      [&](absl::StatusOr<PullReport> report) {
                        EXPECT_TRUE(report.ok()) << report.status();
                        done = true;
                      });
  });
  executor.RunUntilTrue([&done] { return done; }, executor.Now() + kPatience);
  (*observer)->Close();
  executor.RunFor(absl::Seconds(10));
  observer->reset();
  return parameters;
}

}  // namespace tideway::testing
