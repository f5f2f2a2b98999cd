#include "trainer/observer.h"

#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tideway/blocking.h"
#include "trainer/run_record.h"

namespace tideway::trainer {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(20);

}  // namespace

absl::StatusOr<std::unique_ptr<Observer>> Observer::Connect(Runtime* runtime,
                                                            std::vector<std::string> servers,
                                                            const Layout& layout) {
  ClientOptions options;
  options.servers = std::move(servers);
  options.observer = true;
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Create(runtime, options, layout);
  if (!client.ok()) return client.status();
  const absl::Status joined =
      Await([&](auto done) { (*client)->Join(absl::Now() + kTimeout, std::move(done)); });
  if (!joined.ok()) return joined;
  return std::unique_ptr<Observer>(new Observer(*std::move(client), layout.servers()));
}

absl::StatusOr<ServerStats> Observer::Stats() {
  std::vector<ServerStats> all;
  for (uint32_t i = 0; i < servers_; ++i) {
    absl::StatusOr<ServerStats> stats = AwaitResult<ServerStats>(
        [&](auto done) { client_->Stats(i, absl::Now() + kTimeout, std::move(done)); });
    if (!stats.ok()) return stats;
    all.push_back(*std::move(stats));
  }
  return MergeStats(all);
}

absl::Status Observer::Pull(absl::Span<float> destination) {
  return AwaitResult<PullReport>([&](auto done) {
           client_->Pull(destination, {}, absl::Now() + kTimeout, std::move(done));
         })
      .status();
}

}  // namespace tideway::trainer
