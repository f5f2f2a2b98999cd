#include "trainer/crew.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "trainer/exit_status.h"
#include "trainer/file_io.h"
#include "trainer/make_runtime.h"
#include "trainer/plan.h"

namespace tideway::trainer {
namespace {

constexpr absl::Duration kServerStartTimeout = absl::Seconds(120);
constexpr absl::Duration kStopTimeout = absl::Seconds(30);
constexpr int kRestartsMax = 20;  // per worker: a worker that can't live isn't tried for ever
constexpr char kListening[] = "listening ";

constexpr size_t kLogBytesMax = size_t{1} << 26;

// The last thing that a process said.
std::string LastLine(const std::string& log_path) {
  const absl::StatusOr<std::string> text = ReadFile(log_path, kLogBytesMax);
  const std::string shown(absl::StripTrailingAsciiWhitespace(text.ok() ? *text : ""));
  return shown.substr(shown.rfind('\n') + 1);
}

bool StopAll(const std::vector<ChildProcess*>& processes) {
  for (ChildProcess* process : processes) process->Signal(SIGTERM);
  bool clean = true;
  for (ChildProcess* process : processes) {
    const std::optional<int> end = process->Wait(kStopTimeout);
    if (!end) process->Signal(SIGKILL);
    clean = clean && end && ExitedCleanly(*end);
  }
  return clean;
}

}  // namespace

std::vector<std::string> Crew::CommonArguments(const std::string& role) const {
  return {program_, "--run", RunFilePath(settings_), "--role", role, "--out", settings_.out};
}

absl::StatusOr<std::vector<std::string>> Crew::StartServers() {
  const absl::StatusOr<std::string> listen = LocalListenAddress(settings_.transport);
  if (!listen.ok()) return listen.status();
  for (int index = 0; index < settings_.servers; ++index) {
    std::vector<std::string> arguments = CommonArguments("server");
    arguments.insert(arguments.end(), {"--server-index", absl::StrCat(index), "--listen", *listen});
    if (settings_.continued) arguments.push_back("--continued");
    const std::string name = absl::StrCat("server-", index);
    auto process = ChildProcess::Start(name, arguments, LogPath(settings_, name));
    if (!process.ok()) return process.status();
    servers_.push_back(*std::move(process));
  }
  for (const auto& server : servers_) {
    absl::StatusOr<std::string> line = server->ReadLine(kServerStartTimeout);
    if (!line.ok() || !absl::StartsWith(*line, kListening)) {
      return DidNotStart(*server);
    }
    addresses_.emplace_back(absl::StripPrefix(*line, kListening));
  }
  return addresses_;
}

// The child's exit status says whether it was asked for something impossible.
absl::Status Crew::DidNotStart(ChildProcess& child) const {
  const std::string log = LogPath(settings_, child.name());
  const std::optional<int> end = child.Wait(absl::Seconds(5));
  const std::string text =
      absl::StrCat(child.name(), " did not start; in ", log, " it says: ", LastLine(log));
  const bool refused = end && WIFEXITED(*end) && WEXITSTATUS(*end) == kNeverStartedStatus;
  return refused ? absl::FailedPreconditionError(text) : absl::UnavailableError(text);
}

absl::Status Crew::StartWorkers() {
  workers_.resize(static_cast<size_t>(settings_.workers));
  for (size_t index = 0; index < workers_.size(); ++index) {
    if (absl::Status s = StartWorker(index, settings_.continued); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status Crew::StartWorker(size_t index, bool continued) {
  std::vector<std::string> arguments = CommonArguments("worker");
  arguments.insert(arguments.end(), {"--connect", absl::StrJoin(addresses_, ","), "--worker-index",
                                     absl::StrCat(index)});
  if (continued) arguments.push_back("--continued");
  const std::string name = absl::StrCat("worker-", index);
  auto process = ChildProcess::Start(name, arguments, LogPath(settings_, name));
  if (!process.ok()) return process.status();
  workers_[index].process = *std::move(process);
  workers_[index].alive = true;
  return absl::OkStatus();
}

std::vector<std::string> Crew::WatchWorkers() {
  std::vector<std::string> said;
  for (size_t index = 0; index < workers_.size(); ++index) {
    WorkerSlot& worker = workers_[index];
    if (!worker.alive) continue;
    const std::optional<int> end = worker.process->Poll();
    if (!end) continue;
    worker.alive = false;
    worker.finished = ExitedCleanly(*end);
    if (worker.finished) continue;
    const std::string name = worker.process->name();
    std::string what = absl::StrCat(name, " ", DescribeExit(*end));
    if (WIFEXITED(*end)) absl::StrAppend(&what, " (", LastLine(LogPath(settings_, name)), ")");
    what += "; ";
    if (!settings_.restart_workers || worker.restarts >= kRestartsMax) {
      absl::StrAppend(&what, "the others go on");
    } else {
      ++worker.restarts;
      const absl::Status restarted = StartWorker(index, /*continued=*/true);
      absl::StrAppend(&what, restarted.ok() ? "restarted" : restarted.message());
    }
    said.push_back(std::move(what));
  }
  return said;
}

absl::Status Crew::CheckServers() {
  for (const auto& server : servers_) {
    if (const std::optional<int> end = server->Poll()) {
      return absl::UnavailableError(absl::StrCat(server->name(), " ", DescribeExit(*end), ": ",
                                                 LastLine(LogPath(settings_, server->name()))));
    }
  }
  return absl::OkStatus();
}

bool Crew::AnyWorkerAlive() const {
  return std::any_of(workers_.begin(), workers_.end(), [](const auto& w) { return w.alive; });
}

bool Crew::AnyWorkerFinished() const {
  return std::any_of(workers_.begin(), workers_.end(), [](const auto& w) { return w.finished; });
}

bool Crew::StopWorkers() {
  std::vector<ChildProcess*> alive;
  for (WorkerSlot& worker : workers_) {
    if (worker.alive) alive.push_back(worker.process.get());
    worker.alive = false;
  }
  return StopAll(alive);
}

bool Crew::StopServers() {
  std::vector<ChildProcess*> all;
  for (const auto& server : servers_) all.push_back(server.get());
  return StopAll(all);
}

}  // namespace tideway::trainer
