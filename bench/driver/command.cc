#include "bench/driver/command.h"

#include <algorithm>
#include <memory>
#include <ostream>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/driver/bench_server.h"
#include "bench/driver/compare.h"
#include "bench/driver/flags.h"
#include "bench/driver/host.h"
#include "bench/driver/machine.h"
#include "bench/driver/measure.h"
#include "bench/driver/outputs.h"
#include "bench/driver/progress.h"
#include "bench/driver/report.h"
#include "bench/driver/result.h"
#include "tools/exit_status.h"

namespace bench {
namespace {

using Json = nlohmann::json;
using tideway::tools::kDoneStatus;
using tideway::tools::kFailedStatus;
using tideway::tools::kUsageStatus;

std::vector<Case> CasesOf(const Flags& flags, const std::vector<std::string>& transports) {
  std::vector<Case> cases;
  const auto add = [&](const std::string& form, const std::string& transport,
                       const std::string& codec) {
    for (const size_t size : flags.sizes) {
      for (const size_t workers : flags.workers) {
        cases.push_back({form, transport, size, codec, workers});
      }
    }
  };
  for (const std::string& transport : transports) {
    for (const std::string& form : flags.forms) {
      if (form == "pull") {  // codecs are of pushes
        add(form, transport, "identity");
      } else {
        for (const std::string& codec : flags.codecs) add(form, transport, codec);
      }
    }
  }
  return cases;
}

MeasureSettings SettingsOf(const Flags& flags, const CommandContext& context, const Host& host) {
  return {.rounds = flags.rounds,
          .repetition = absl::Seconds(flags.seconds),
          .raw = flags.raw,
          .spin = flags.wait == "spin",
          .outstanding = flags.outstanding,
          .wire = {.self = context.self,
                   .host = host.address(),
                   .congestion = flags.congestion,
                   .fragment_bytes = flags.fragment_bytes}};
}

Json SettingsJson(const Flags& flags) {
  return {{"rounds", flags.rounds},
          {"seconds", flags.seconds},
          {"wait", flags.wait},
          {"outstanding", flags.outstanding},
          {"raw", flags.raw},
          {"fragment_bytes", flags.fragment_bytes},
          {"congestion", flags.congestion}};
}

// What a run has found so far.
class Run {
 public:
  Run(const Flags& flags, const CommandContext& context, Host& host, std::ostream& out,
      std::ostream& err)
      : flags_(flags), context_(context), host_(host), out_(out), err_(err) {
    about_ = {{"schema", kSchema},
              {"started", absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone())},
              {"machine", DescribeMachine()},
              {"versions", DescribeVersions(context.transports)},
              {"commit", SourceCommit()},
              {"settings", SettingsJson(flags)}};
    if (!host.about().is_null()) about_["server"] = host.about();
  }

  int Measure(const std::vector<Case>& cases) {
    const MeasureSettings settings = SettingsOf(flags_, context_, host_);
    size_t steps = 0;
    for (const Case& what : cases) steps += StepsOf(what, settings);
    Progress progress(err_, context_.on_terminal, steps);
    for (const Case& what : cases) {
      auto result = bench::Measure(what, settings, context_.transports, host_, progress);
      if (result.ok()) {
        results_.push_back(*std::move(result));
      } else {
        progress.Clear();
        Fail(what, result.status());
      }
      if (!WriteFile()) return kFailedStatus;
    }
    progress.Clear();
    return Print() && failures_.empty() ? kDoneStatus : kFailedStatus;
  }

 private:
  void Fail(const Case& what, const absl::Status& status) {
    failures_.push_back({what, std::string(status.message())});
    err_ << "tideway-bench: " << NameOf(what) << ": " << status.message() << std::endl;
  }

  Json Document() const {
    Json json = about_;
    json["results"] = Json::array();
    for (const Result& result : results_) json["results"].push_back(ToJson(result));
    json["failures"] = Json::array();
    for (const Failure& failure : failures_) json["failures"].push_back(ToJson(failure));
    return json;
  }

  bool Well(const absl::Status& written) {
    if (!written.ok()) err_ << "tideway-bench: " << written.message() << std::endl;
    return written.ok();
  }

  // After every case, so that a run that is cut short leaves what it has.
  bool WriteFile() {
    const std::string& file = flags_.outputs.json;
    return file.empty() || file == "-" || Well(WriteText(file, RunText(Document()), out_));
  }

  bool Print() {
    if (!flags_.outputs.to_standard_output() && !results_.empty()) out_ << ResultTable(results_);
    return Well(WriteOutputs(Document(), flags_.outputs, out_));
  }

  const Flags& flags_;
  const CommandContext& context_;
  Host& host_;
  std::ostream& out_;
  std::ostream& err_;
  Json about_;
  std::vector<Result> results_;
  std::vector<Failure> failures_;
};

int Refuse(const absl::Status& why, int status, std::ostream& err) {
  err << "tideway-bench: " << why.message() << std::endl;
  return status;
}

// Until somebody ends the process.
int RunServer(const std::string& listen, const CommandContext& context, std::ostream& out,
              std::ostream& err) {
  const auto server =
      BenchServer::Listen({.listen = listen, .self = context.self}, context.transports);
  if (!server.ok()) {
    return Refuse(server.status(),
                  absl::IsInvalidArgument(server.status()) ? kUsageStatus : kFailedStatus, err);
  }
  out << "tideway-bench: serving on " << (*server)->address() << "; Ctrl-C ends it" << std::endl;
  (*server)->Serve();
  return kDoneStatus;
}

int RunCompare(const Parsed& parsed, std::ostream& out, std::ostream& err) {
  const absl::StatusOr<Json> before = ReadRun(parsed.files[0]);
  const absl::StatusOr<Json> after = ReadRun(parsed.files[1]);
  for (const auto* run : {&before, &after}) {
    if (!run->ok()) return Refuse(run->status(), kUsageStatus, err);
  }
  const Comparison comparison = Compare(*before, *after, parsed.threshold_percent / 100);
  out << ComparisonTable(comparison);
  if (comparison.changes.empty()) {
    return Refuse(absl::NotFoundError("the two runs have no case in common"), kFailedStatus, err);
  }
  const auto& changes = comparison.changes;
  const auto regressions = std::count_if(changes.begin(), changes.end(),
                                         [](const Change& change) { return change.regression; });
  if (regressions == 0) return kDoneStatus;
  err << "tideway-bench: " << regressions << " of " << changes.size()
      << " cases became worse by more than " << parsed.threshold_percent << " %" << std::endl;
  return kFailedStatus;
}

int RunReport(const Parsed& parsed, std::ostream& out, std::ostream& err) {
  const absl::StatusOr<Json> run = ReadRun(parsed.files[0]);
  if (!run.ok()) return Refuse(run.status(), kUsageStatus, err);
  Outputs outputs = parsed.flags.outputs;
  if (outputs.csv.empty() && outputs.html.empty() && outputs.svg.empty()) outputs.csv = "-";
  const absl::Status written = WriteOutputs(*run, outputs, out);
  return written.ok() ? kDoneStatus : Refuse(written, kFailedStatus, err);
}

int RunMeasurement(const Flags& flags, const CommandContext& context, std::ostream& out,
                   std::ostream& err) {
  const auto transports = ResolveTransports(context.transports, flags.transports);
  if (!transports.ok()) {
    return Refuse(transports.status(),
                  absl::IsNotFound(transports.status()) ? kUsageStatus : kFailedStatus, err);
  }
  absl::StatusOr<std::unique_ptr<Host>> host = LocalHost();
  if (!flags.connect.empty()) host = ConnectHost(flags.connect);
  if (!host.ok()) {
    return Refuse(host.status(),
                  absl::IsInvalidArgument(host.status()) ? kUsageStatus : kFailedStatus, err);
  }
  return Run(flags, context, **host, out, err).Measure(CasesOf(flags, *transports));
}

}  // namespace

int RunCommand(const std::vector<std::string>& arguments, const CommandContext& context,
               std::ostream& out, std::ostream& err) {
  const absl::StatusOr<Parsed> parsed = ParseFlags(arguments);
  if (!parsed.ok()) return Refuse(parsed.status(), kUsageStatus, err);
  if (parsed->answer.has_value()) {
    out << *parsed->answer;
    return kDoneStatus;
  }
  if (parsed->server) return RunServer(parsed->listen, context, out, err);
  if (parsed->files.size() == 2) return RunCompare(*parsed, out, err);
  if (parsed->files.size() == 1) return RunReport(*parsed, out, err);
  return RunMeasurement(parsed->flags, context, out, err);
}

}  // namespace bench
