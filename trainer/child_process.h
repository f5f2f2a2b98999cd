// ChildProcess: another program of ours, started and watched.
//
// The child gets its own process group, so that Ctrl-C on the terminal reaches only the parent, which then ends its
// children in order; and it gets SIGTERM when the parent dies, however that happens. Its standard error goes to a log
// file. Its standard output is a pipe, of which the parent reads the first line.
//
// Threads: one, which also started it; the child's life is tied to that thread.
#ifndef TIDEWAY_TRAINER_CHILD_PROCESS_H_
#define TIDEWAY_TRAINER_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tideway::trainer {

class ChildProcess {
 public:
  // Runs arguments[0] with the arguments. Unavailable where the log can't be opened or no process be made.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(
      const std::string& name, const std::vector<std::string>& arguments,
      const std::string& log_path);

  // Kills what is still alive.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Waits for one line on the child's standard output. DeadlineExceeded, or Unavailable where it ended without one.
  absl::StatusOr<std::string> ReadLine(absl::Duration timeout);

  // The wait status, as of waitpid, once it has ended. Never blocks.
  std::optional<int> Poll();
  // Polls until it has ended or the time is over.
  std::optional<int> Wait(absl::Duration timeout);
  void Signal(int signal);

  const std::string& name() const { return name_; }
  pid_t pid() const { return pid_; }

 private:
  ChildProcess(std::string name, pid_t pid, int output)
      : name_(std::move(name)), pid_(pid), output_(output) {}

  std::string name_;
  pid_t pid_;
  int output_;
  std::optional<int> ended_;
};

// "ended with status 1", "was killed by signal 9 (Killed)".
std::string DescribeExit(int wait_status);
bool ExitedCleanly(int wait_status);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_CHILD_PROCESS_H_
