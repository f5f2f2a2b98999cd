#include "bench/peer/peer.h"

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
        outstanding(std::max<size_t>(options.Number("outstanding", 1), 1)),
        codec(options.Text("codec", "identity")),
        known_finite(options.Choice("finite", {"known", "check"}) == "known"),
        pull(options.Choice("pull", {"any", "asked", "one-sided"})) {}

  std::string uri;
  bool push;
  size_t bytes;
  size_t fragment_bytes;
  int threads;
  size_t workers;
  size_t outstanding;  // pushes that are not acknowledged yet
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

// A server of one vector, and whether that is what it must be.
class VectorServer {
 public:
  VectorServer(tideway::Runtime& runtime, const Settings& settings) : settings_(settings) {
    const tideway::Layout layout = MakeLayout(settings);
    vector_.resize(layout.elements(), 0.0f);
    if (!settings.push) FillPattern(vector_);
    server_ = Get(tideway::Server::Start(&runtime,
                                         {.listen = {settings.uri},
                                          .outer_optimizer = "sgd:lr=1",
                                          .sessions_max = std::max<size_t>(256, settings.workers)},
                                         layout, vector_));
  }

  std::string address() const { return server_->addresses()[0]; }

  bool Verify(uint64_t pushes) {
    Check(server_->ReadParameters(absl::MakeSpan(vector_)));
    if (IsLossy(settings_)) return AreFinite(vector_);  // the client knows what is to come
    return IsPattern(vector_, settings_.push ? static_cast<double>(pushes) : 1.0);
  }

 private:
  const Settings& settings_;
  std::vector<float> vector_;
  std::unique_ptr<tideway::Server> server_;  // its destructor stops it
};

void RunServer(const Settings& settings) {
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  VectorServer server(runtime, settings);
  ServeDriver(server.address(), [&](uint64_t pushes) { return server.Verify(pushes); });
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

// A worker that pushes its vector, or pulls into it.
class Worker {
 public:
  Worker(tideway::Runtime& runtime, const Settings& settings)
      : runtime_(runtime),
        settings_(settings),
        layout_(MakeLayout(settings)),
        vector_(layout_.elements()) {
    if (settings.push) {
      if (IsLossy(settings)) {
        FillAtRandom(vector_.span());
      } else {
        FillPattern(vector_.span());
      }
      for (float& value : vector_.span()) value = -value;  // the server subtracts
    }
    client_ = Join(runtime, settings, layout_, "bench");
  }

  // To be done over and over.
  Work MakeWork() {
    return {.bytes = settings_.bytes,
            .pushes = settings_.push,
            .outstanding = settings_.push ? settings_.outstanding : 1,  // pulls have one target
            .operation = nullptr,
            .begin =
                [this](Work::Ended ended) {
                  if (settings_.push) {
                    Push(std::move(ended));
                  } else {
                    Pull(std::move(ended));
                  }
                },
            .check = [this] { return Check(); }};
  }

  uint64_t pushes() const { return pushes_; }

 private:
  absl::Time Deadline() const { return runtime_.executor().Now() + kOperationTimeout; }

  void Push(Work::Ended ended) {
    client_->Push(vector_.span(), {.inner_steps = 1, .known_finite = settings_.known_finite},
                  Deadline(),
                  [this, ended = std::move(ended)](absl::StatusOr<tideway::PushReport> report) {
                    ++pushes_;
                    ended(!report.ok()                           ? report.status().ToString()
                          : report->applied != report->fragments ? "not all was applied"
                                                                 : "");
                  });
  }

  void Pull(Work::Ended ended) {
    client_->Pull(absl::MakeSpan(vector_.data(), vector_.size()), {}, Deadline(),
                  [this, ended = std::move(ended)](absl::StatusOr<tideway::PullReport> report) {
                    // The server opens its memory when the first client comes that could read it;
                    // until then, pulls are asked for.
                    const bool open = ++pulls_ > kPullsUntilOpen;
                    ended(!report.ok() ? report.status().ToString()
                          : settings_.pull == "one-sided" && open &&
                                  report->one_sided != layout_.fragments().size()
                              ? "not all was read from the server's memory"
                              : "");
                  });
  }

  bool Check() {
    if (settings_.push && IsLossy(settings_)) {
      return NothingIsLost(runtime_, *client_, vector_.span(), pushes_);
    }
    return IsPattern(vector_.span(), settings_.push ? -1.0 : 1.0);
  }

  tideway::Runtime& runtime_;
  const Settings& settings_;
  const tideway::Layout layout_;
  Vector vector_;
  int pulls_ = 0;  // this and the next: completions come one at a time
  uint64_t pushes_ = 0;
  std::unique_ptr<tideway::Client> client_;  // its destructor waits for completions
};

void RunWorker(const Settings& settings) {
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  Worker worker(runtime, settings);
  RunClient(worker.MakeWork());
}

// Both ends in this process: the only way to meet over inproc://.
void RunPair(Settings settings) {
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  VectorServer server(runtime, settings);
  settings.uri = server.address();
  Worker worker(runtime, settings);
  Work work = worker.MakeWork();
  work.check = [&, check = work.check] { return check() && server.Verify(worker.pushes()); };
  RunClient(work);
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

int PeerMain(int argc, char** argv) {
  return Main([&] {
    const Options options(argc, argv,
                          {"uri", "form", "bytes", "fragment", "threads", "workers", "outstanding",
                           "codec", "finite", "pull"});
    const Settings settings(options);
    if (options.role() == "server") {
      RunServer(settings);
    } else if (options.role() == "client") {
      RunWorker(settings);
    } else if (options.role() == "pair") {
      RunPair(settings);
    } else if (options.role() == "idle") {
      RunIdle(settings);
    } else {
      throw std::invalid_argument("'" + options.role() +
                                  "' is no role; there are server, client, pair, idle");
    }
  });
}

}  // namespace bench
