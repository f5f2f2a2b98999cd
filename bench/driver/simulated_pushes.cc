#include "bench/driver/simulated_pushes.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/common/noise.h"
#include "bench/driver/busy_host.h"
#include "tideway/client.h"
#include "tideway/layout.h"
#include "tideway/runtime.h"
#include "tideway/server.h"
#include "tideway/sim_executor.h"
#include "tideway/sim_network.h"

namespace bench {
namespace {

constexpr char kUri[] = "sim://server:5000";
constexpr absl::Duration kPatience = absl::Hours(24 * 365);  // virtual

class Simulation {
 public:
  explicit Simulation(const SimulatedPushes& what)
      : what_(what),
        worker_host_(&simulation_, what.cores),
        server_host_(&simulation_, what.cores) {
    network_.SetLink("worker", "server",
                     {.latency = what.delay, .bytes_per_second = what.bytes_per_second});
  }

  ~Simulation() {
    if (client_ != nullptr) client_->Close();
    simulation_.RunFor(absl::Minutes(2));
    client_.reset();
    if (server_ != nullptr) server_->Stop();
    simulation_.RunFor(absl::Seconds(10));
    server_.reset();
  }

  absl::StatusOr<Measured> Run() {
    absl::Status status = Start();
    if (!status.ok()) return status;
    std::vector<float> delta(layout_->elements());
    FillWithNoise(delta, what_.fragment_bytes / sizeof(float));
    for (float& value : delta) value = -value;  // the server subtracts
    status = Push(delta);                       // warms up
    const absl::Duration worker_before = worker_host_.spent();
    const absl::Duration server_before = server_host_.spent();
    Measured measured;
    for (int i = 0; status.ok() && i < what_.pushes; ++i) {
      const absl::Time begun = simulation_.Now();
      status = Push(delta);
      const absl::Duration took = simulation_.Now() - begun;
      measured.latencies.Record(static_cast<uint64_t>(absl::ToInt64Nanoseconds(took)));
      measured.seconds += absl::ToDoubleSeconds(took);
      measured.bytes += delta.size() * sizeof(float);
    }
    if (status.ok()) status = Verify(delta);
    if (!status.ok()) return status;
    measured.client_cpu_s = absl::ToDoubleSeconds(worker_host_.spent() - worker_before);
    measured.server_cpu_s = absl::ToDoubleSeconds(server_host_.spent() - server_before);
    return measured;
  }

 private:
  absl::Status Start() {
    auto layout = tideway::Layout::Create(
        {{"vector", {static_cast<int64_t>(what_.bytes / sizeof(float))}}},
        {.fragment_bytes_max = std::min(what_.fragment_bytes, what_.bytes)});
    if (!layout.ok()) return layout.status();
    layout_.emplace(*std::move(layout));
    absl::Status status = StartRuntime("server", &server_host_, server_runtime_);
    if (status.ok()) status = StartRuntime("worker", &worker_host_, worker_runtime_);
    if (!status.ok()) return status;
    auto server = tideway::Server::Start(
        server_runtime_.get(),
        {.listen = {kUri}, .outer_optimizer = "sgd:lr=1", .lease = kPatience}, *layout_,
        std::vector<float>(layout_->elements(), 0.0f));
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    const bool priced = worker_runtime_->codecs().Create(kPricedCodec).ok();
    auto client = tideway::Client::Create(
        worker_runtime_.get(),
        {.servers = {kUri}, .worker = "bench", .codec_up = priced ? kPricedCodec : "identity"},
        *layout_);
    if (!client.ok()) return client.status();
    client_ = *std::move(client);
    return Await([&](auto done) { client_->Join(Deadline(), std::move(done)); });
  }

  absl::Status StartRuntime(const std::string& host, BusyHost* executor,
                            std::unique_ptr<tideway::Runtime>& runtime) {
    tideway::RuntimeOptions options;
    absl::Status added = options.transports.Add(SimTransportEntry(&network_, host));
    if (!added.ok()) return added;
    auto codecs = PricedCodecs(what_.codec, what_.price, executor);
    if (!codecs.ok()) return codecs.status();
    options.codecs = *std::move(codecs);
    options.executor = executor;
    runtime = std::make_unique<tideway::Runtime>(std::move(options));
    return absl::OkStatus();
  }

  absl::Time Deadline() const { return simulation_.Now() + kPatience; }

  // Runs until what `start` begins has ended.
  template <typename Start>
  absl::Status Await(Start start) {
    std::optional<absl::Status> ended;
    start([&ended](absl::Status status) { ended = std::move(status); });
    if (simulation_.RunUntilTrue([&ended] { return ended.has_value(); }, Deadline())) return *ended;
    return absl::DeadlineExceededError("the simulation came to no end");
  }

  absl::Status Push(const std::vector<float>& delta) {
    ++pushes_;
    return Await([&](auto done) {
      client_->Push(
          delta, {.inner_steps = 1, .known_finite = true}, Deadline(),
          [done](const absl::StatusOr<tideway::PushReport>& report) { done(report.status()); });
    });
  }

  // What the server has subtracted and what the residual holds is all that was pushed, but for rounding.
  absl::Status Verify(const std::vector<float>& delta) {
    std::vector<float> sum(delta.size());
    const absl::Status pulled = Await([&](auto done) {
      client_->Pull(
          absl::MakeSpan(sum), {}, Deadline(),
          [done](const absl::StatusOr<tideway::PullReport>& report) { done(report.status()); });
    });
    if (!pulled.ok()) return pulled;
    std::vector<float> residual = client_->residual();
    residual.resize(delta.size());
    double most = 0;
    for (const float value : delta) most = std::max<double>(most, std::abs(value));
    const double rounding = pushes_ * pushes_ * most * 0x1p-22;
    for (size_t i = 0; i < delta.size(); ++i) {
      const double found = static_cast<double>(residual[i]) - static_cast<double>(sum[i]);
      if (!(std::abs(found - pushes_ * static_cast<double>(delta[i])) <= rounding)) {
        return absl::DataLossError("what was pushed is neither at the server nor in the residual");
      }
    }
    return absl::OkStatus();
  }

  const SimulatedPushes& what_;
  tideway::SimExecutor simulation_{1};
  tideway::SimNetwork network_{1};
  BusyHost worker_host_;
  BusyHost server_host_;
  std::optional<tideway::Layout> layout_;
  std::unique_ptr<tideway::Runtime> server_runtime_;
  std::unique_ptr<tideway::Runtime> worker_runtime_;
  std::unique_ptr<tideway::Server> server_;
  std::unique_ptr<tideway::Client> client_;
  double pushes_ = 0;
};

}  // namespace

absl::StatusOr<Measured> Simulate(const SimulatedPushes& what) { return Simulation(what).Run(); }

}  // namespace bench
