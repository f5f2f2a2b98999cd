#include "trainer/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace tideway::trainer {
namespace {

constexpr size_t kLineBytesMax = 4096;
constexpr absl::Duration kPollInterval = absl::Milliseconds(10);

absl::Status Failed(const std::string& doing, int error) {
  return absl::UnavailableError(absl::StrCat("Can't ", doing, ": ", std::strerror(error), "."));
}

// Between fork and exec: async-signal-safe calls only. Never returns.
[[noreturn]] void BecomeChild(char* const* arguments, int output, int log, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);  // it died before the line above
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(log, 2) < 0) _exit(127);
  execv(arguments[0], arguments);
  _exit(127);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const std::string& name, const std::vector<std::string>& arguments,
    const std::string& log_path) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments)
    pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);

  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return Failed(absl::StrCat("write ", log_path), errno);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    close(log);
    return Failed("make a pipe", errno);
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) BecomeChild(pointers.data(), ends[1], log, parent);
  const int error = errno;
  close(log);
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return Failed(absl::StrCat("start ", name), error);
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(name, pid, ends[0]));
}

ChildProcess::~ChildProcess() {
  if (!Poll()) {
    Signal(SIGKILL);
    Wait(absl::Seconds(10));
  }
  close(output_);
}

absl::StatusOr<std::string> ChildProcess::ReadLine(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  std::string line;
  while (line.size() < kLineBytesMax) {
    const int64_t left_ms = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left_ms <= 0) {
      return absl::DeadlineExceededError(absl::StrCat(name_, " did not get ready in time."));
    }
    pollfd wait = {.fd = output_, .events = POLLIN, .revents = 0};
    const int ready = poll(&wait, 1, static_cast<int>(left_ms));
    if (ready <= 0) continue;
    char c = 0;
    const ssize_t got = read(output_, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (c == '\n') return line;
    line.push_back(c);
  }
  return absl::UnavailableError(absl::StrCat(name_, " ended before it was ready."));
}

std::optional<int> ChildProcess::Poll() {
  if (ended_) return ended_;
  int status = 0;
  const pid_t got = waitpid(pid_, &status, WNOHANG);
  if (got == pid_) ended_ = status;
  return ended_;
}

std::optional<int> ChildProcess::Wait(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!Poll() && absl::Now() < deadline) absl::SleepFor(kPollInterval);
  return ended_;
}

void ChildProcess::Signal(int signal) {
  if (!Poll()) kill(pid_, signal);
}

std::string DescribeExit(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    return absl::StrCat("was killed by signal ", signal, " (", strsignal(signal), ")");
  }
  return absl::StrCat("ended with status ", WEXITSTATUS(wait_status));
}

bool ExitedCleanly(int wait_status) {
  return WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
}

}  // namespace tideway::trainer
