// SimCalls: hosts on a simulated network in virtual time, for tests that make one call after the other and wait for each.

#ifndef TIDEWAY_TESTS_SIM_SIM_CALLS_H_
#define TIDEWAY_TESTS_SIM_SIM_CALLS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "tests/sim/sim_runtime.h"
#include "tideway/sim_executor.h"
#include "tideway/sim_network.h"

namespace tideway::testing {

class SimCalls {
 protected:
  explicit SimCalls(uint64_t seed, const SimLink& link = {})
      : executor_(seed), network_(seed, link) {}

  std::unique_ptr<Runtime> NewRuntime(const std::string& host) {
    return NewSimRuntime(&executor_, SimTransportEntry(&network_, host));
  }

  absl::Time Later() { return executor_.Now() + absl::Hours(1); }

  // The completion of the next call, for Await.
  absl::AnyInvocable<void(absl::Status)> Kept() {
    status_.reset();
    return [this](absl::Status status) { status_ = std::move(status); };
  }
  // The same, of a call whose result is of no interest.
  auto KeptResult() {
    return [kept = Kept()](const auto& result) mutable { kept(result.status()); };
  }
  // Runs until that completion has come, which must be a success.
  void Await() {
    ASSERT_TRUE(executor_.RunUntilTrue([this] { return status_.has_value(); }, Later()));
    ASSERT_TRUE(status_->ok()) << *status_;
  }

  SimExecutor executor_;
  SimNetwork network_;

 private:
  std::optional<absl::Status> status_;
};

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_SIM_SIM_CALLS_H_
