#include "bench/driver/command.h"

#include <algorithm>
#include <memory>
#include <ostream>

#include "absl/status/statusor.h"
#include "bench/driver/bench_server.h"
#include "bench/driver/codec_plan.h"
#include "bench/driver/compare.h"
#include "bench/driver/flags.h"
#include "bench/driver/host.h"
#include "bench/driver/link_plan.h"
#include "bench/driver/outputs.h"
#include "bench/driver/plan.h"
#include "bench/driver/report.h"
#include "bench/driver/result.h"
#include "bench/driver/run.h"
#include "bench/driver/train_plan.h"
#include "bench/driver/wire_plan.h"
#include "tools/exit_status.h"

namespace bench {
namespace {

using Json = nlohmann::json;
using tideway::tools::kDoneStatus;
using tideway::tools::kFailedStatus;
using tideway::tools::kUsageStatus;

int Refuse(const absl::Status& why, int status, std::ostream& err) {
  err << "tideway-bench: " << why.message() << std::endl;
  return status;
}

// The status of a command line that can't be followed: it asks for what does not exist, or for what does not work here.
int StatusOf(const absl::Status& why) {
  return absl::IsInvalidArgument(why) || absl::IsNotFound(why) ? kUsageStatus : kFailedStatus;
}

// Until somebody ends the process.
int RunServer(const std::string& listen, const CommandContext& context, std::ostream& out,
              std::ostream& err) {
  const auto server =
      BenchServer::Listen({.listen = listen, .self = context.self}, context.transports);
  if (!server.ok()) {
    return Refuse(server.status(), StatusOf(server.status()), err);
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
  if (flags.subcommand == kCodecSubcommand) {
    return CarryOut(CodecPlan(flags), flags, context, /*server=*/nullptr, out, err);
  }
  if (!flags.links.empty()) {
    const absl::StatusOr<Plan> plan = LinkPlan(flags);
    if (!plan.ok()) return Refuse(plan.status(), StatusOf(plan.status()), err);
    return CarryOut(*plan, flags, context, /*server=*/nullptr, out, err);
  }
  absl::StatusOr<std::unique_ptr<Host>> host = LocalHost();
  if (!flags.connect.empty()) host = ConnectHost(flags.connect);
  if (!host.ok()) return Refuse(host.status(), StatusOf(host.status()), err);
  const absl::StatusOr<Plan> plan = flags.subcommand == kTrainSubcommand
                                        ? TrainPlan(flags, context, **host)
                                        : WirePlan(flags, context, **host);
  if (!plan.ok()) return Refuse(plan.status(), StatusOf(plan.status()), err);
  return CarryOut(*plan, flags, context, (*host)->about(), out, err);
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
