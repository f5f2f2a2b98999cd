#include "trainer/settings.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

namespace tideway::trainer {
namespace {

using Json = nlohmann::ordered_json;

// The one list of what is kept: JSON, report and comparison go over it. `fixed`: can't change on resume.
template <typename S, typename Visitor>
void VisitKept(S& s, Visitor&& visit) {
  visit("workers", s.workers, false);
  visit("servers", s.servers, true);
  visit("data", s.data, false);
  visit("held-out", s.held_out_percent, true);
  visit("layers", s.model.layers, true);
  visit("heads", s.model.heads, true);
  visit("width", s.model.width, true);
  visit("context", s.model.context, true);
  visit("batch", s.batch, false);
  visit("seed", s.seed, true);
  visit("steps", s.steps, false);
  visit("lr", s.schedule.peak, false);
  visit("final-lr", s.schedule.final_ratio, false);
  visit("warmup", s.schedule.warmup_share, false);
  visit("method", s.method, true);
  visit("outer", s.outer, true);
  visit("staleness", s.staleness, false);
  visit("inner-steps", s.inner_steps, false);
  visit("dylu", s.dylu, false);
  visit("grace", s.grace, false);
  visit("codec", s.codec, false);
  visit("codec-down", s.codec_down, false);
  visit("pull-differences", s.pull_differences, false);
  visit("error-feedback", s.error_feedback, false);
  visit("residual-decay", s.residual_decay, false);
  visit("momentum-correction", s.momentum_correction, false);
  visit("overlap", s.overlap, false);
  visit("merge", s.merge, false);
  visit("fragment-bytes", s.fragment_bytes, true);
  visit("transport", s.transport, false);
  visit("slow", s.slow, false);
  visit("threads", s.threads, false);
  visit("eval-batches", s.eval_batches, false);
  visit("eval-seconds", s.eval_seconds, false);
  visit("snapshot-seconds", s.snapshot_seconds, false);
  visit("prompt", s.prompt, false);
  visit("sample-bytes", s.sample_bytes, false);
}

// True where `json` holds a value that fits T; then it is in `out`.
template <typename T>
bool Take(const Json& json, T* out) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) return false;
    *out = json.get<bool>();
  } else if constexpr (std::is_unsigned_v<T>) {
    if (!json.is_number_unsigned()) return false;
    *out = json.get<T>();
  } else if constexpr (std::is_integral_v<T>) {
    if (!json.is_number_integer()) return false;
    const int64_t value = json.get<int64_t>();
    if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max())
      return false;
    *out = static_cast<T>(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!json.is_number()) return false;
    *out = json.get<T>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!json.is_string()) return false;
    *out = json.get<std::string>();
  } else {  // a list
    if (!json.is_array()) return false;
    out->clear();
    for (const Json& item : json) {
      typename T::value_type value;
      if (!Take(item, &value)) return false;
      out->push_back(std::move(value));
    }
  }
  return true;
}

template <typename T>
std::string AsText(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "yes" : "no";
  } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return absl::StrCat(value);
  } else {
    return absl::StrJoin(value, ", ");
  }
}

absl::Status Invalid(const std::string& text) { return absl::InvalidArgumentError(text); }

// For numbers: `low` <= value <= `high`.
absl::Status InRange(const char* flag, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Invalid(
      absl::StrCat("--", flag, " must be from ", low, " to ", high, ", not ", value, "."));
}

absl::Status OneOf(const char* flag, const std::string& value,
                   const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return absl::OkStatus();
  return Invalid(absl::StrCat("--", flag, " must be one of ", absl::StrJoin(choices, ", "),
                              ", not '", value, "'."));
}

absl::Status ValidateRole(const Settings& s) {
  if (absl::Status status = OneOf("role", s.role, {"local", "server", "worker"}); !status.ok()) {
    return status;
  }
  if (s.role == "worker" && s.connect.empty()) {
    return Invalid(
        "--role worker needs --connect with the server's URI, for example "
        "--connect tcp://head-node:5000.");
  }
  if (s.role == "worker" && static_cast<int>(s.connect.size()) != s.servers) {
    return Invalid(absl::StrCat("--connect names ", s.connect.size(), " servers but the run has ",
                                s.servers,
                                "; give one URI for each, in the order of their indices."));
  }
  if (s.role == "server" && s.listen.empty()) {
    return Invalid(
        "--role server needs --listen with the URI to bind, for example "
        "--listen tcp://0.0.0.0:5000.");
  }
  if (s.role == "server" && (s.server_index < 0 || s.server_index >= s.servers)) {
    return Invalid(absl::StrCat("--server-index must be from 0 to ", s.servers - 1,
                                " with --servers ", s.servers, "."));
  }
  if (s.role == "local" && (!s.connect.empty() || !s.listen.empty())) {
    return Invalid(
        "--connect and --listen belong to --role worker and --role server; "
        "a local run chooses its own addresses.");
  }
  return absl::OkStatus();
}

}  // namespace

const std::vector<std::string>& Methods() {
  static const auto& methods =
      *new std::vector<std::string>{"async", "sync-diloco", "naive-async", "fedbuff"};
  return methods;
}

absl::Status ApplyPreset(const std::string& preset, Settings* settings) {
  if (preset != "slow-link") {
    return Invalid(absl::StrCat("--preset must be slow-link, not '", preset, "'."));
  }
  // Top-k with outer momentum accumulates the same mass twice, so this goes with plain SGD.
  settings->codec = "topk:density=0.01,values=int8";
  settings->residual_decay = 0.95;
  settings->outer = absl::StrCat("sgd:lr=", 0.8 / std::max(1, settings->workers));
  return absl::OkStatus();
}

absl::Status ValidateSettings(const Settings& s) {
  if (absl::Status status = ValidateRole(s); !status.ok()) return status;
  if (absl::Status status = ValidateGptConfig(s.model); !status.ok()) return status;
  for (const absl::Status& status : {
           OneOf("method", s.method, Methods()),
           OneOf("merge", s.merge, {"rebase", "alpha"}),
           InRange("workers", s.workers, 1, 256),
           InRange("servers", s.servers, 1, 64),
           InRange("batch", s.batch, 1, 65536),
           InRange("held-out", s.held_out_percent, 0.01, 50),
           InRange("steps", static_cast<double>(s.steps), 1, 1e12),
           InRange("lr", s.schedule.peak, 1e-9, 10),
           InRange("final-lr", s.schedule.final_ratio, 1e-6, 1),
           InRange("warmup", s.schedule.warmup_share, 0, 0.9),
           InRange("inner-steps", s.inner_steps, 1, 1e6),
           InRange("residual-decay", s.residual_decay, 0, 1),
           InRange("momentum-correction", s.momentum_correction, 0, 0.999),
           InRange("overlap", s.overlap, 0, s.inner_steps - 1),
           InRange("threads", s.threads, 1, 1024),
           InRange("eval-batches", s.eval_batches, 1, 1e6),
           InRange("eval-seconds", s.eval_seconds, 0.1, 1e6),
           InRange("snapshot-seconds", s.snapshot_seconds, 0, 1e6),
           InRange("sample-bytes", s.sample_bytes, 0, 1e6),
           InRange("fragment-bytes", static_cast<double>(s.fragment_bytes), 4, 1 << 24),
       }) {
    if (!status.ok()) return status;
  }
  if (s.fragment_bytes % 4 != 0) return Invalid("--fragment-bytes must be a multiple of 4.");
  if (s.slow.size() > static_cast<size_t>(s.workers)) {
    return Invalid(
        absl::StrCat("--slow names ", s.slow.size(), " workers but there are ", s.workers, "."));
  }
  for (double factor : s.slow) {
    if (absl::Status status = InRange("slow", factor, 1, 1000); !status.ok()) return status;
  }
  if (s.role != "server" && s.data.empty()) {
    return Invalid("No text was given; name a file or folder with --data.");
  }
  return absl::OkStatus();
}

std::string OuterOptimizerSpec(const Settings& s) {
  if (!s.outer.empty()) return s.outer;
  if (s.method == "sync-diloco" || s.method == "fedbuff") {
    return "nesterov:lr=0.7,momentum=0.9,buffer=auto";
  }
  if (s.method == "naive-async") {
    return absl::StrCat("nesterov:lr=", 0.7 / std::max(1, s.workers), ",momentum=0.9,buffer=1");
  }
  return "delayed-nesterov:lr=0.7,momentum=0.9,c=0,n=auto";
}

std::string WorkerName(const Settings& s) {
  return s.name.empty() ? absl::StrCat("worker-", s.worker_index) : s.name;
}

std::string ToJson(const Settings& settings) {
  Json json = Json::object();
  VisitKept(settings, [&json](const char* name, const auto& value, bool) { json[name] = value; });
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::Status FromJson(const std::string& text, Settings* settings) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::DataLossError("the settings are no JSON object");
  Settings read = *settings;
  std::string bad;
  VisitKept(read, [&](const char* name, auto& value, bool) {
    if (json.contains(name) && !Take(json[name], &value)) bad = name;
  });
  if (!bad.empty()) {
    return absl::DataLossError(absl::StrCat("the settings hold no proper value for '", bad, "'"));
  }
  *settings = std::move(read);
  return absl::OkStatus();
}

std::vector<std::pair<std::string, std::string>> SettingRows(const Settings& settings) {
  Settings shown = settings;
  shown.outer = OuterOptimizerSpec(settings);
  std::vector<std::pair<std::string, std::string>> rows;
  VisitKept(shown, [&rows](const char* name, const auto& value, bool) {
    rows.emplace_back(absl::StrCat("--", name), AsText(value));
  });
  return rows;
}

std::string FirstFixedDifference(const Settings& before, const Settings& now) {
  std::vector<std::string> fixed;
  std::string difference;
  VisitKept(before, [&](const char*, const auto& value, bool is_fixed) {
    fixed.push_back(is_fixed ? AsText(value) : "");
  });
  size_t i = 0;
  VisitKept(now, [&](const char* name, const auto& value, bool is_fixed) {
    if (is_fixed && difference.empty() && AsText(value) != fixed[i]) difference = name;
    ++i;
  });
  return difference;
}

}  // namespace tideway::trainer
