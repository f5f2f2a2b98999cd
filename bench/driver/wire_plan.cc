#include "bench/driver/wire_plan.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/driver/breakdown.h"
#include "bench/driver/trace.h"
#include "bench/driver/wires.h"

namespace bench {
namespace {

std::vector<Case> CasesOf(const Flags& flags, const std::vector<std::string>& transports) {
  std::vector<Case> cases;
  const auto add = [&](Case what) {
    for (const size_t size : flags.sizes) {
      for (const size_t workers : flags.workers) {
        what.size_bytes = size;
        what.workers = workers;
        cases.push_back(what);
      }
    }
  };
  for (const std::string& transport : transports) {
    for (const std::string& form : flags.forms) {
      if (flags.subcommand == kRawSubcommand) {
        if (HasRaw(transport, form)) {
          add({.subcommand = flags.subcommand, .transport = transport, .form = form});
        }
      } else if (form == "pull") {  // codecs are of pushes
        add({.subcommand = form, .transport = transport});
      } else {
        for (const std::string& codec : flags.codecs) {
          add({.subcommand = form, .transport = transport, .codec = codec});
        }
      }
    }
  }
  return cases;
}

// Those that were asked for by their own names must have something raw; what "all" stands for may lack it.
absl::Status CheckRaw(const Flags& flags, const std::vector<std::string>& transports) {
  for (const std::string& transport : transports) {
    const bool named = std::find(flags.transports.begin(), flags.transports.end(), transport) !=
                       flags.transports.end();
    for (const std::string& form : flags.forms) {
      if (named && !HasRaw(transport, form)) {
        return absl::UnavailableError(
            absl::StrCat("no raw program does ", form, " over what ", transport, " uses"));
      }
    }
  }
  return absl::OkStatus();
}

std::vector<std::pair<std::string, Breakdown>> Breakdowns(const std::vector<Result>& results) {
  std::vector<std::pair<std::string, Breakdown>> breakdowns;
  for (const Result& result : results) {
    breakdowns.emplace_back(NameOf(result.what), BreakDown(result.Fragments()));
  }
  return breakdowns;
}

}  // namespace

MeasureSettings SettingsOf(const Flags& flags, const CommandContext& context, const Host& host) {
  return {.rounds = flags.rounds,
          .repetition = absl::Seconds(flags.seconds),
          .raw = flags.raw,
          .spin = flags.wait == "spin",
          .completions = flags.completions,
          .delta = flags.delta,
          .outstanding = flags.outstanding,
          .stages = flags.breakdown || !flags.outputs.trace.empty(),
          .step = absl::Milliseconds(flags.step_ms),
          .overlap = flags.overlap,
          .wire = {.self = context.self,
                   .host = host.address(),
                   .congestion = flags.congestion,
                   .fragment_bytes = flags.fragment_bytes,
                   .placing = flags.placing}};
}

absl::StatusOr<Plan> WirePlan(const Flags& flags, const CommandContext& context, Host& host) {
  const auto transports = ResolveTransports(context.transports, flags.transports);
  if (!transports.ok()) return transports.status();
  if (flags.subcommand == kRawSubcommand) {
    const absl::Status there = CheckRaw(flags, *transports);
    if (!there.ok()) return there;
  }
  Plan plan;
  plan.cases = CasesOf(flags, *transports);
  const auto settings = std::make_shared<const MeasureSettings>(SettingsOf(flags, context, host));
  for (const Case& what : plan.cases) plan.steps += StepsOf(what, *settings);
  const auto results = std::make_shared<std::vector<Result>>();
  plan.measure = [settings, results, &context, &host](
                     const Case& what, Progress& progress) -> absl::StatusOr<nlohmann::json> {
    auto result = Measure(what, *settings, context.transports, host, progress);
    if (!result.ok()) return result.status();
    results->push_back(*std::move(result));
    return ToJson(results->back());
  };
  plan.table = [results, &flags] {
    std::string text = ResultTable(*results);
    if (flags.breakdown) absl::StrAppend(&text, "\n", BreakdownTable(Breakdowns(*results)));
    return text;
  };
  plan.trace = [results] {
    Trace trace;
    for (const Result& result : *results) {
      trace.Add(NameOf(result.what), result.rounds.back().fragments);
    }
    return trace.ToString();
  };
  return plan;
}

}  // namespace bench
