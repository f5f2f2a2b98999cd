#include "bench/peer/ends.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <utility>

#include "bench/common/vectors.h"
#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"

namespace bench {
namespace {

constexpr absl::Duration kJoinTimeout = absl::Seconds(10);
constexpr size_t kWorkersMax = 4096;
constexpr size_t kSessionsMin = 256;  // the server's default

void LogToStderr(tideway::LogLevel level, absl::string_view text) {
  if (level == tideway::LogLevel::kInfo) return;
  std::cerr << text << "\n";
}

bool AreFinite(const std::vector<float>& floats) {
  return std::all_of(floats.begin(), floats.end(),
                     [](float value) { return std::isfinite(value); });
}

}  // namespace

Settings::Settings(const Options& options)
    : uri(options.Text("uri", "tcp://127.0.0.1:0")),
      form(options.Choice("form", {"push", "pull", "push-pull", "bidir", "incast", "train-step"})),
      bytes(options.Number("bytes", size_t{64} << 20)),
      fragment_bytes(options.Number("fragment", tideway::kFragmentBytesDefault)),
      threads(static_cast<int>(options.Number("threads", 0))),
      workers(options.Number("workers", 100)),
      outstanding(std::max<size_t>(options.Number("outstanding", 1), 1)),
      codec(options.Text("codec", "identity")),
      known_finite(options.Choice("finite", {"known", "check"}) == "known"),
      pull(options.Choice("pull", {"any", "asked", "one-sided"})),
      stages(options.Choice("stages", {"off", "on"}) == "on"),
      shared_delta(options.Choice("delta", {"shared", "own"}) == "shared"),
      inner_steps(std::max<size_t>(options.Number("inner-steps", 50), 1)),
      step_s(1e-6 * static_cast<double>(options.Number("step-us", 10000))),
      overlap(options.Choice("overlap", {"on", "off"}) == "on"),
      completions_at_once(options.Choice("completions", {"at-once", "executor"}) == "at-once") {
  if (workers < 1 || workers > kWorkersMax) {
    throw std::invalid_argument("--workers must be from 1 to " + std::to_string(kWorkersMax));
  }
  if (form == "incast" && lossy()) {
    throw std::invalid_argument("incast is measured with --codec=identity, whose sum is exact");
  }
}

void Check(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
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

std::unique_ptr<tideway::Client> Join(tideway::Runtime& runtime, const Settings& settings,
                                      const tideway::Layout& layout, const std::string& name,
                                      StageLog* stages) {
  tideway::ClientOptions options = {.servers = {settings.uri},
                                    .worker = name,
                                    .codec_up = settings.codec,
                                    .one_sided_pull = settings.pull != "asked",
                                    .completions_at_once = settings.completions_at_once};
  if (stages != nullptr) {
    options.on_push_times = [stages](const tideway::ClientPushTimes& times) { stages->Add(times); };
  }
  auto client = Get(tideway::Client::Create(&runtime, std::move(options), layout));
  Check(tideway::Await(
      [&](auto done) { client->Join(runtime.executor().Now() + kJoinTimeout, std::move(done)); }));
  return client;
}

std::string PushError(const absl::StatusOr<tideway::PushReport>& report) {
  if (!report.ok()) return report.status().ToString();
  return report->applied == report->fragments ? "" : "not all was applied";
}

VectorServer::VectorServer(tideway::Runtime& runtime, const Settings& settings, StageLog* stages)
    : settings_(settings) {
  const tideway::Layout layout = MakeLayout(settings);
  vector_.resize(layout.elements(), 0.0f);
  if (settings.pulls_only()) FillPattern(vector_);
  tideway::ServerOptions options = {.listen = {settings.uri},
                                    .outer_optimizer = "sgd:lr=1",
                                    .sessions_max = std::max(kSessionsMin, settings.workers)};
  if (stages != nullptr) {
    options.on_push_times = [stages](const tideway::ServerPushTimes& times) { stages->Add(times); };
  }
  server_ = Get(tideway::Server::Start(&runtime, std::move(options), layout, vector_));
}

bool VectorServer::Verify(uint64_t pushes) {
  Check(server_->ReadParameters(absl::MakeSpan(vector_)));
  if (settings_.lossy()) return AreFinite(vector_);  // the client knows what is to come
  return IsPattern(vector_, settings_.pulls_only() ? 1.0 : static_cast<double>(pushes));
}

}  // namespace bench
