// Tideway's side of the comparison: a real Server and real Clients, over any transport that an address can name.
//
//   tideway_peer server --uri=tcp://127.0.0.1:0?congestion=cubic --form=push --bytes=67108864
//   tideway_peer client --uri=ADDRESS and the same options
//   tideway_peer idle   --uri=ADDRESS --workers=100          connects, prints {"ready": true}, and does nothing
//
// Push: Client::Push with --codec (identity), one completion per push; the server's outer optimizer is sgd with lr=1, so that it adds
// (the delta counts downwards, so the sum is the pattern times minus the number of pushes). Pull: Client::Pull, by --pull from the server's memory without its CPU (one-sided), by asking it
// (asked), or as the connection can (any).

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/common/control.h"
#include "bench/common/options.h"
#include "bench/common/vectors.h"
#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/client.h"
#include "tideway/server.h"

namespace bench {
namespace {

constexpr absl::Duration kJoinTimeout = absl::Seconds(10);
constexpr absl::Duration kOperationTimeout = absl::Seconds(30);
constexpr int kDeltaMax = 1000;     // of the deltas for lossy codecs
constexpr int kPullsUntilOpen = 3;  // fewer than RunClient warms up with

struct Settings {
  explicit Settings(const Options& options)
      : uri(options.Text("uri", "tcp://127.0.0.1:0")),
        push(options.Choice("form", {"push", "pull"}) == "push"),
        bytes(options.Number("bytes", size_t{64} << 20)),
        fragment_bytes(options.Number("fragment", tideway::kFragmentBytesDefault)),
        threads(static_cast<int>(options.Number("threads", 0))),
        workers(options.Number("workers", 100)),
        codec(options.Text("codec", "identity")),
        known_finite(options.Choice("finite", {"known", "check"}) == "known"),
        pull(options.Choice("pull", {"any", "asked", "one-sided"})) {}

  std::string uri;
  bool push;
  size_t bytes;
  size_t fragment_bytes;
  int threads;
  size_t workers;
  std::string codec;
  bool known_finite;
  std::string pull;
};

void Check(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

template <typename T>
T Get(absl::StatusOr<T> result) {
  Check(result.status());
  return *std::move(result);
}

void LogToStderr(tideway::LogLevel level, absl::string_view text) {
  if (level == tideway::LogLevel::kInfo) return;
  std::cerr << text << "\n";
}

tideway::RuntimeOptions MakeRuntimeOptions(const Settings& settings) {
  return {.transports = tideway::BuiltinTransports(),
          .codecs = tideway::BuiltinCodecs(),
          .executor_options = {.threads = settings.threads},
          .log = LogToStderr};
}

tideway::Layout MakeLayout(const Settings& settings) {
  return Get(tideway::Layout::Create(
      {{"vector", {static_cast<int64_t>(settings.bytes / sizeof(float))}}},
      {.fragment_bytes_max = std::min(settings.fragment_bytes, settings.bytes)}));
}

bool IsLossy(const Settings& settings) { return settings.codec != "identity"; }

// Whole numbers in no order, as a lossy codec meets them.
void FillAtRandom(std::span<float> floats) {
  std::mt19937 random(1);
  for (float& value : floats)
    value = static_cast<float>(static_cast<int>(random() % (2 * kDeltaMax + 1)) - kDeltaMax);
}

bool AreFinite(const std::vector<float>& floats) {
  return std::all_of(floats.begin(), floats.end(),
                     [](float value) { return std::isfinite(value); });
}

// What the server has subtracted and what the residual still holds is all that was pushed.
bool NothingIsLost(tideway::Runtime& runtime, tideway::Client& client, std::span<const float> delta,
                   uint64_t pushes) {
  std::vector<float> sum(delta.size());
  Get(tideway::AwaitResult<tideway::PullReport>([&](auto done) {
    client.Pull(absl::MakeSpan(sum), {}, runtime.executor().Now() + kOperationTimeout,
                std::move(done));
  }));
  std::vector<float> residual = client.residual();
  residual.resize(delta.size());
  // Each push rounds a sum and a residual, none larger than all that was pushed, to fp32.
  const double pushed_max = static_cast<double>(pushes) * kDeltaMax;
  const double rounding_max = static_cast<double>(pushes) * pushed_max * 0x1p-23;
  for (size_t i = 0; i < delta.size(); ++i) {
    const double pushed = static_cast<double>(pushes) * static_cast<double>(delta[i]);
    const double found = static_cast<double>(residual[i]) - static_cast<double>(sum[i]);
    if (!(std::abs(found - pushed) <= rounding_max)) return false;
  }
  return true;
}

void RunServer(const Settings& settings) {
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  const tideway::Layout layout = MakeLayout(settings);
  std::vector<float> initial(layout.elements(), 0.0f);
  if (!settings.push) FillPattern(initial);
  const auto server =
      Get(tideway::Server::Start(&runtime,
                                 {.listen = {settings.uri},
                                  .outer_optimizer = "sgd:lr=1",
                                  .sessions_max = std::max<size_t>(256, settings.workers)},
                                 layout, initial));
  const auto verify = [&](uint64_t pushes) {
    Check(server->ReadParameters(absl::MakeSpan(initial)));
    if (IsLossy(settings)) return AreFinite(initial);  // the client knows what is to come
    return IsPattern(initial, settings.push ? static_cast<double>(pushes) : 1.0);
  };
  ServeDriver(server->addresses()[0], verify);
  server->Stop();
}

std::unique_ptr<tideway::Client> Join(tideway::Runtime& runtime, const Settings& settings,
                                      const tideway::Layout& layout, const std::string& name) {
  auto client = Get(tideway::Client::Create(&runtime,
                                            {.servers = {settings.uri},
                                             .worker = name,
                                             .codec_up = settings.codec,
                                             .one_sided_pull = settings.pull != "asked"},
                                            layout));
  Check(tideway::Await(
      [&](auto done) { client->Join(runtime.executor().Now() + kJoinTimeout, std::move(done)); }));
  return client;
}

void RunWorker(const Settings& settings) {
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  const tideway::Layout layout = MakeLayout(settings);
  Vector vector(layout.elements());
  if (settings.push) {
    if (IsLossy(settings)) {
      FillAtRandom(vector.span());
    } else {
      FillPattern(vector.span());
    }
    for (float& value : vector.span()) value = -value;  // the server subtracts
  }
  const auto client = Join(runtime, settings, layout, "bench");
  int pulls = 0;
  uint64_t pushes = 0;
  const auto begin_push = [&](Work::Ended ended) {
    client->Push(
        vector.span(), {.inner_steps = 1, .known_finite = settings.known_finite},
        runtime.executor().Now() + kOperationTimeout,
        [&pushes, ended = std::move(ended)](const absl::StatusOr<tideway::PushReport>& report) {
          ++pushes;
          ended(!report.ok()                           ? report.status().ToString()
                : report->applied != report->fragments ? "not all was applied"
                                                       : "");
        });
  };
  const auto pull = [&] {
    const absl::Time deadline = runtime.executor().Now() + kOperationTimeout;
    const auto report = Get(tideway::AwaitResult<tideway::PullReport>([&](auto done) {
      client->Pull(absl::MakeSpan(vector.data(), vector.size()), {}, deadline, std::move(done));
    }));
    // The server opens its memory when the first client comes that could read it; until then, pulls are asked for.
    if (settings.pull == "one-sided" && ++pulls > kPullsUntilOpen &&
        report.one_sided != layout.fragments().size()) {
      throw std::runtime_error("not all was read from the server's memory");
    }
  };
  RunClient({.bytes = settings.bytes,
             .pushes = settings.push,
             .operation = pull,
             .begin = settings.push ? begin_push : std::function<void(Work::Ended)>(),
             .check = [&] {
               if (settings.push && IsLossy(settings)) {
                 return NothingIsLost(runtime, *client, vector.span(), pushes);
               }
               return IsPattern(vector.span(), settings.push ? -1.0 : 1.0);
             }});
}

// Connected workers that only keep their leases.
void RunIdle(const Settings& settings) {
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  const tideway::Layout layout = MakeLayout(settings);
  std::vector<std::unique_ptr<tideway::Client>> clients;
  for (size_t i = 0; i < settings.workers; ++i) {
    clients.push_back(Join(runtime, settings, layout, "idle-" + std::to_string(i)));
  }
  std::printf("{\"ready\": true}\n");
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line) && line != "quit") {
  }
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::Main([&] {
    const bench::Options options(
        argc, argv,
        {"uri", "form", "bytes", "fragment", "threads", "workers", "codec", "finite", "pull"});
    const bench::Settings settings(options);
    if (options.role() == "server") {
      bench::RunServer(settings);
    } else if (options.role() == "idle") {
      bench::RunIdle(settings);
    } else {
      bench::RunWorker(settings);
    }
  });
}
