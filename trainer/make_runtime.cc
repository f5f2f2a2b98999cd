#include "trainer/make_runtime.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"

namespace tideway::trainer {
namespace {

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

absl::Status Because(const char* flag, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ", status.message()));
}

// A local run's processes must be able to reach each other.
absl::Status CheckTransport(const std::string& name) {
  const absl::StatusOr<std::string> address = LocalListenAddress(name);
  if (!address.ok()) return Because("transport", address.status());
  const TransportRegistry transports = BuiltinTransports();
  const auto entry = transports.FindScheme(Uri::Parse(*address)->scheme);
  if (!entry.ok() || (*entry)->probe().crosses_processes) return absl::OkStatus();  // or auto
  return absl::InvalidArgumentError(absl::StrCat(
      "--transport ", name, " stays inside one process, and a run has several; use tcp or auto."));
}

}  // namespace

absl::StatusOr<std::string> LocalListenAddress(const std::string& transport) {
  const absl::StatusOr<Uri> uri = BuiltinTransports().AddressFor(transport, "127.0.0.1");
  if (!uri.ok()) return uri.status();
  return uri->ToString();
}

RuntimeOptions MakeRuntimeOptions(int threads, bool verbose) {
  auto logger = std::make_shared<spdlog::logger>("tideway",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%H:%M:%S.%e %l %v");
  logger->set_level(verbose ? spdlog::level::info : spdlog::level::warn);
  RuntimeOptions options;
  options.transports = BuiltinTransports();
  options.codecs = BuiltinCodecs();
  options.executor_options.threads = threads;
  options.log = [logger](LogLevel level, absl::string_view text) {
    logger->log(LevelOf(level), "{}", std::string(text));
  };
  return options;
}

absl::Status CheckSpecs(const Settings& settings) {
  if (settings.role == "local") {
    if (absl::Status s = CheckTransport(settings.transport); !s.ok()) return s;
  }
  const CodecRegistry codecs = BuiltinCodecs();
  if (const auto codec = codecs.Create(settings.codec); !codec.ok()) {
    return Because("codec", codec.status());
  }
  const auto down = codecs.Create(settings.codec_down);
  if (!down.ok()) return Because("codec-down", down.status());
  if (!(*down)->info().dense) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--codec-down ", settings.codec_down, " leaves parameters out; use identity or bf16."));
  }
  if (!settings.pull_differences.empty()) {
    const auto differences = codecs.Create(settings.pull_differences);
    if (!differences.ok()) return Because("pull-differences", differences.status());
  }
  if (const auto outer = BuiltinOuterOptimizers().Create(OuterOptimizerSpec(settings));
      !outer.ok()) {
    return Because("outer", outer.status());
  }
  return absl::OkStatus();
}

}  // namespace tideway::trainer
