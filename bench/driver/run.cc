#include "bench/driver/run.h"

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/driver/machine.h"
#include "bench/driver/outputs.h"
#include "bench/driver/progress.h"
#include "bench/driver/result.h"
#include "tools/exit_status.h"

namespace bench {
namespace {

using Json = nlohmann::json;
using tideway::tools::kDoneStatus;
using tideway::tools::kFailedStatus;

Json SettingsJson(const Flags& flags) {
  return {{"rounds", flags.rounds},
          {"seconds", flags.seconds},
          {"wait", flags.wait},
          {"completions", flags.completions},
          {"delta", flags.delta},
          {"outstanding", flags.outstanding},
          {"raw", flags.raw},
          {"fragment_bytes", flags.fragment_bytes},
          {"congestion", flags.congestion},
          {"cpus_worker", flags.placing.worker_cpus},
          {"cpus_server", flags.placing.server_cpus},
          {"numa", flags.placing.numa}};
}

// What a run has found so far.
class Run {
 public:
  Run(const Plan& plan, const Flags& flags, const CommandContext& context, const Json& server,
      std::ostream& out, std::ostream& err)
      : plan_(plan), flags_(flags), context_(context), out_(out), err_(err) {
    document_ = {{"schema", kSchema},
                 {"started", absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone())},
                 {"machine", DescribeMachine()},
                 {"versions", DescribeVersions(context.transports)},
                 {"commit", SourceCommit()},
                 {"settings", SettingsJson(flags)},
                 {"results", Json::array()},
                 {"failures", Json::array()}};
    if (!server.is_null()) document_["server"] = server;
  }

  int CarryOut() {
    Progress progress(err_, context_.on_terminal, plan_.steps);
    for (const Case& what : plan_.cases) {
      auto result = plan_.measure(what, progress);
      if (result.ok()) {
        document_["results"].push_back(*std::move(result));
      } else {
        progress.Clear();
        Fail(what, result.status());
      }
      if (!WriteFile()) return kFailedStatus;
    }
    progress.Clear();
    document_.update(plan_.conclusions());
    if (!WriteFile()) return kFailedStatus;
    return Print() && document_["failures"].empty() ? kDoneStatus : kFailedStatus;
  }

 private:
  void Fail(const Case& what, const absl::Status& status) {
    document_["failures"].push_back(ToJson(Failure{what, std::string(status.message())}));
    err_ << "tideway-bench: " << NameOf(what) << ": " << status.message() << std::endl;
  }

  bool Well(const absl::Status& written) {
    if (!written.ok()) err_ << "tideway-bench: " << written.message() << std::endl;
    return written.ok();
  }

  // After every case, so that a run that is cut short leaves what it has.
  bool WriteFile() {
    const std::string& file = flags_.outputs.json;
    return file.empty() || file == "-" || Well(WriteText(file, RunText(document_), out_));
  }

  bool Print() {
    if (!flags_.outputs.to_standard_output() && !document_["results"].empty()) {
      out_ << plan_.table();
    }
    const std::string& trace = flags_.outputs.trace;
    const bool traced = trace.empty() || Well(WriteText(trace, plan_.trace(), out_));
    return Well(WriteOutputs(document_, flags_.outputs, out_)) && traced;
  }

  const Plan& plan_;
  const Flags& flags_;
  const CommandContext& context_;
  std::ostream& out_;
  std::ostream& err_;
  Json document_;
};

}  // namespace

int CarryOut(const Plan& plan, const Flags& flags, const CommandContext& context,
             const Json& server, std::ostream& out, std::ostream& err) {
  return Run(plan, flags, context, server, out, err).CarryOut();
}

}  // namespace bench
