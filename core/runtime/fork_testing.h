// What a forked child does, for tests.

#ifndef TIDEWAY_CORE_RUNTIME_FORK_TESTING_H_
#define TIDEWAY_CORE_RUNTIME_FORK_TESTING_H_

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "absl/functional/function_ref.h"
#include "gtest/gtest.h"

namespace tideway::testing {

// Generous: only a hang takes this long.
inline constexpr unsigned kChildSecondsMax = 60;

// Runs `body` in a forked child. Passes if all that it expects there comes true, and it does not hang. `end` ends the child's process.
inline ::testing::AssertionResult PassesInChild(absl::FunctionRef<void()> body,
                                                void (*end)(int) = _exit) {
  std::fflush(nullptr);  // what is not written yet would be written twice
  const pid_t child = fork();
  if (child == 0) {
    alarm(kChildSecondsMax);
    body();
    const int failed = ::testing::Test::HasFailure() ? 1 : 0;
    std::fflush(nullptr);
    end(failed);
  }
  if (child < 0) return ::testing::AssertionFailure() << "fork: errno " << errno;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ::testing::AssertionSuccess();
  if (!WIFSIGNALED(status)) {
    return ::testing::AssertionFailure() << "the child ended with " << WEXITSTATUS(status);
  }
  return ::testing::AssertionFailure()
         << "the child ended by signal " << WTERMSIG(status)
         << (WTERMSIG(status) == SIGALRM ? ": it hung" : ": it crashed");
}

}  // namespace tideway::testing

#endif  // TIDEWAY_CORE_RUNTIME_FORK_TESTING_H_
