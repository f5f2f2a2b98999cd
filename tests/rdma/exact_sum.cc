// Deltas of whole numbers add up without rounding, so every lost, doubled or torn push shows in the sum; and pulls show it,
// which read the server's memory where they can.

#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/barrier.h"
#include "absl/synchronization/blocking_counter.h"
#include "tests/rdma/channel.h"
#include "tests/rdma/checks.h"
#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/client.h"
#include "tideway/server.h"

namespace tideway::rdma {
namespace {

constexpr size_t kElements = (size_t{1} << 19) + 3;
constexpr int kWorkers = 2;
constexpr int kPushes = 12;
constexpr int kPulls = 2;

absl::StatusOr<Layout> TheLayout() {
  return Layout::Create({{"w", {static_cast<int64_t>(kElements)}}},
                        {.fragment_bytes_max = size_t{256} << 10, .servers = 1});
}

// The delta that a worker pushes each time: small whole numbers, known to both machines.
std::vector<float> DeltaOf(int worker) {
  std::mt19937 random(static_cast<uint32_t>(worker) + 1);
  std::vector<float> delta(kElements);
  for (float& value : delta) value = static_cast<float>(static_cast<int>(random() % 17) - 8);
  return delta;
}

// sgd with lr=1 subtracts each delta once.
absl::Status CheckSum(absl::Span<const float> parameters) {
  std::vector<std::vector<float>> deltas(kWorkers);
  for (int w = 0; w < kWorkers; ++w) deltas[static_cast<size_t>(w)] = DeltaOf(w);
  for (size_t k = 0; k < kElements; ++k) {
    float expected = 0;
    for (const auto& delta : deltas) expected -= static_cast<float>(kPushes) * delta[k];
    if (parameters[k] != expected) {
      return absl::DataLossError(
          absl::StrCat("element ", k, " is ", parameters[k], " in place of ", expected));
    }
  }
  return absl::OkStatus();
}

absl::Status Join(Runtime& runtime, Client& client, absl::Time deadline) {
  return Await([&](auto done) {
    client.Join(std::min(deadline, runtime.executor().Now() + absl::Seconds(30)), std::move(done));
  });
}

// Makes clients until one has joined: the server's machine may come up later than this one.
absl::StatusOr<std::unique_ptr<Client>> Joined(Runtime& runtime, const Uri& uri,
                                               const Layout& layout, int worker) {
  const absl::Time deadline = runtime.executor().Now() + kPatience;
  while (true) {
    auto client = Client::Create(
        &runtime, {.servers = {uri.ToString()}, .worker = absl::StrCat("w", worker)}, layout);
    if (!client.ok()) return client.status();
    const absl::Status joined = Join(runtime, **client, deadline);
    if (joined.ok()) return client;
    if (!absl::IsUnavailable(joined) || runtime.executor().Now() >= deadline) return joined;
    Pause(runtime.executor(), absl::Milliseconds(300));
  }
}

// Pushes without waiting for the push before; the first failure counts.
absl::Status PushAll(Runtime& runtime, Client& client, absl::Span<const float> delta) {
  absl::Mutex mutex;
  absl::Status first;
  absl::BlockingCounter pending(kPushes);
  for (int i = 0; i < kPushes; ++i) {
    client.Push(delta, {.inner_steps = 1}, runtime.executor().Now() + kPatience,
                [&](const absl::StatusOr<PushReport>& report) {
                  {
                    absl::MutexLock lock(&mutex);
                    first.Update(report.status());
                  }
                  pending.DecrementCount();
                });
  }
  pending.Wait();
  absl::MutexLock lock(&mutex);
  return first;
}

absl::Status PullAndCheck(Runtime& runtime, Client& client) {
  std::vector<float> parameters(kElements);
  const auto report = AwaitResult<PullReport>([&](auto done) {
    client.Pull(absl::MakeSpan(parameters), {}, runtime.executor().Now() + kPatience,
                std::move(done));
  });
  if (!report.ok()) return report.status();
  std::cout << absl::StrCat("detail fragments_read_one_sided=", report->one_sided, "/",
                            client.layout().fragments().size(), "\n");
  return CheckSum(parameters);
}

// `all_pushed` is where the workers meet between pushing and pulling, whatever happened to them.
absl::Status Work(const Uri& uri, const Layout& layout, int worker, absl::Barrier* all_pushed) {
  Runtime runtime({.transports = BuiltinTransports(),
                   .codecs = BuiltinCodecs(),
                   .executor_options = {.threads = 1}});
  auto client = Joined(runtime, uri, layout, worker);
  absl::Status status = client.status();
  const std::vector<float> delta = DeltaOf(worker);
  if (status.ok()) status = PushAll(runtime, **client, delta);
  if (all_pushed->Block()) delete all_pushed;
  // A server that was only pushed to has stopped publishing: the first pull asks, the second finds what that published.
  for (int pull = 0; pull < kPulls && status.ok(); ++pull) status = PullAndCheck(runtime, **client);
  if (!status.ok()) return status;
  if (worker == 0) PrintConnection((*client)->connections()[0]);
  return Await(
      [&](auto done) { (*client)->Leave(runtime.executor().Now() + kPatience, std::move(done)); });
}

absl::Status CheckServer(const Server& server, const Layout& layout) {
  std::vector<float> parameters(kElements);
  if (absl::Status status = server.ReadParameters(absl::MakeSpan(parameters)); !status.ok()) {
    return status;
  }
  const uint64_t expected = layout.fragments().size() * kWorkers * kPushes;
  if (server.stats().outer_steps != expected) {
    return absl::DataLossError(
        absl::StrCat(server.stats().outer_steps, " outer steps in place of ", expected));
  }
  return CheckSum(parameters);
}

}  // namespace

absl::Status ServeExactSum(Runtime& runtime, const Uri& uri) {
  const absl::StatusOr<Layout> layout = TheLayout();
  if (!layout.ok()) return layout.status();
  absl::Mutex mutex;
  int left = 0;
  const auto count_leaving = [&](const ServerEvent& event) {
    absl::MutexLock lock(&mutex);
    if (event.kind == ServerEvent::Kind::kLeave) ++left;
  };
  auto server = Server::Start(&runtime,
                              {.listen = {uri.ToString()},
                               .outer_optimizer = "sgd:lr=1",
                               .lease = kPatience,
                               .on_event = count_leaving},
                              *layout, std::vector<float>(kElements, 0.0f));
  if (!server.ok()) return server.status();
  PrintAddress((*server)->addresses()[0]);
  {
    absl::MutexLock lock(&mutex);
    const auto all_left = [&left] { return left == kWorkers; };
    if (!mutex.AwaitWithTimeout(absl::Condition(&all_left), kPatience)) {
      return absl::DeadlineExceededError(absl::StrCat("only ", left, " workers came and left"));
    }
  }
  absl::Status status = CheckServer(**server, *layout);
  (*server)->Stop();
  return status;
}

absl::Status TryExactSum(const Uri& uri) {
  const absl::StatusOr<Layout> layout = TheLayout();
  if (!layout.ok()) return layout.status();
  auto* all_pushed = new absl::Barrier(kWorkers);  // the last worker to leave it deletes it
  std::vector<absl::Status> results(kWorkers);
  std::vector<std::thread> workers;
  workers.reserve(kWorkers);
  for (int w = 0; w < kWorkers; ++w) {
    workers.emplace_back(
        [&, w] { results[static_cast<size_t>(w)] = Work(uri, *layout, w, all_pushed); });
  }
  for (std::thread& worker : workers) worker.join();
  PrintBytes(kWorkers * (kPushes + kPulls) * kElements * sizeof(float));
  absl::Status first;
  for (const absl::Status& result : results) first.Update(result);
  return first;
}

}  // namespace tideway::rdma
