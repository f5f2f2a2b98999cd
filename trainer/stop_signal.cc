#include "trainer/stop_signal.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cassert>
#include <cerrno>
#include <utility>

namespace tideway::trainer {
namespace {

constexpr int kInterruptedStatus = 130;

// A handler can reach nothing but globals. A handler, and not sigwait, because libraries start threads of their own
// before main, and those don't block the signals.
std::atomic<int> handler_output{-1};

extern "C" void OnSignal(int signal) {
  const int saved = errno;
  const char byte = static_cast<char>(signal);
  [[maybe_unused]] const ssize_t written = write(handler_output.load(), &byte, 1);
  errno = saved;
}

void Install(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal() {
  int ends[2] = {-1, -1};
  [[maybe_unused]] const int result = pipe2(ends, O_CLOEXEC);
  assert(result == 0);
  wake_read_ = ends[0];
  wake_write_ = ends[1];
  handler_output = wake_write_;
  thread_ = std::thread([this] { Run(); });
  Install(SIGINT, OnSignal);
  Install(SIGTERM, OnSignal);
  Install(SIGPIPE, SIG_IGN);
}

StopSignal::~StopSignal() {
  Install(SIGINT, SIG_DFL);
  Install(SIGTERM, SIG_DFL);
  const char end = 0;
  [[maybe_unused]] const ssize_t written = write(wake_write_, &end, 1);
  thread_.join();
  close(wake_read_);
  close(wake_write_);
}

void StopSignal::Run() {
  char received = 0;
  while (true) {
    const ssize_t got = read(wake_read_, &received, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got != 1 || received == 0) return;
    absl::MutexLock lock(&mutex_);
    if (requested_ && received == SIGINT) _exit(kInterruptedStatus);
    requested_ = true;
    if (callback_) std::exchange(callback_, nullptr)();
  }
}

bool StopSignal::requested() const {
  absl::MutexLock lock(&mutex_);
  return requested_;
}

bool StopSignal::WaitFor(absl::Duration timeout) const {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&requested_), timeout);
}

void StopSignal::OnStop(std::function<void()> callback) {
  absl::MutexLock lock(&mutex_);
  if (requested_ && callback) return callback();
  callback_ = std::move(callback);
}

}  // namespace tideway::trainer
