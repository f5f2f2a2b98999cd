#include "transports/common/signal_handlers.h"

#include "gtest/gtest.h"

namespace tideway {
namespace {

void Ours(int /*signal*/) {}
void Theirs(int /*signal*/, siginfo_t* /*info*/, void* /*context*/) {}

TEST(SignalHandlersKept, PutsBackWhatALibraryInstalledAndLeavesTheRest) {
  struct sigaction action = {};
  action.sa_handler = &Ours;
  action.sa_flags = SA_RESTART;
  ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  {
    const SignalHandlersKept kept;
    struct sigaction theirs = {};
    theirs.sa_sigaction = &Theirs;
    theirs.sa_flags = SA_SIGINFO;
    ASSERT_EQ(sigaction(SIGUSR1, &theirs, nullptr), 0);
    ASSERT_EQ(sigaction(SIGUSR2, &theirs, nullptr), 0);
  }
  const auto now = SignalHandlers();
  EXPECT_EQ(now[SIGUSR1].sa_handler, &Ours);
  EXPECT_NE(now[SIGUSR1].sa_flags & SA_RESTART, 0);
  EXPECT_EQ(now[SIGUSR2].sa_handler, SIG_DFL);
}

}  // namespace
}  // namespace tideway
