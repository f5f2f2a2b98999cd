// OuterOptimizer: how the server steps a fragment of the master copy when a delta arrives.
//
// A delta is theta at the last pull minus theta now; descent subtracts it. An optimizer is immutable and thread-safe:
// what it remembers of a fragment stands in an OuterState that the server owns, checkpoints and hands in. So two
// fragments can step at once, and the same pushes in the same order give the same bits.
//
// Rules and sources: sgd; nesterov (DiLoCo, arXiv 2311.08105; with buffer=N it is FedBuff's and synchronous DiLoCo's
// step on the mean of N); delayed-nesterov (Liu et al., arXiv 2401.09135).

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_OUTER_OPTIMIZER_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_OUTER_OPTIMIZER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tideway/spec.h"

namespace tideway {

// What an optimizer remembers of one fragment. `slots[i]` has the fragment's length.
struct OuterState {
  std::vector<std::vector<float>> slots;
  uint64_t pushes = 0;  // pushes seen in the current window
  uint32_t window = 0;  // N of the current window; latched when the window begins
};

struct ApplyContext {
  uint64_t staleness = 0;       // versions
  uint32_t active_workers = 1;  // what n=auto means now
  float weight = 1.0f;          // from the staleness policy; multiplies the delta
};

enum class ApplyResult {
  kApplied,   // theta changed
  kBuffered,  // kept in the state; theta changes with a later push
};

class OuterOptimizer {
 public:
  virtual ~OuterOptimizer() = default;

  // Canonical spec, e.g. "delayed-nesterov:c=0,lr=0.7,momentum=0.9,n=auto".
  virtual const std::string& spec() const = 0;

  virtual size_t slot_count() const = 0;

  // REQUIRES: delta.size() == theta.size(), and state was made by NewState(theta.size()) or is one that Apply left.
  // A failure leaves theta and state as they were; the server then refuses the push with it, and the session that sent it.
  virtual absl::StatusOr<ApplyResult> Apply(absl::Span<float> theta, absl::Span<const float> delta,
                                            const ApplyContext& context,
                                            OuterState& state) const = 0;

  // The factor f where Apply does nothing but theta += f * delta, for every delta. A server then adds a sparse delta in place, without
  // touching the elements that it leaves out.
  virtual std::optional<float> ScaledAdd(const ApplyContext& /*context*/) const {
    return std::nullopt;
  }

  OuterState NewState(size_t elements) const {
    OuterState state;
    state.slots.assign(slot_count(), std::vector<float>(elements, 0.0f));
    return state;
  }
};

struct OuterOptimizerEntry {
  std::string name = {};
  absl::AnyInvocable<absl::StatusOr<std::unique_ptr<OuterOptimizer>>(const Spec&) const> create =
      {};
};

class OuterOptimizerRegistry {
 public:
  absl::Status Add(OuterOptimizerEntry entry);
  // INVALID_ARGUMENT for a malformed spec, NOT_FOUND (naming those that exist) for an unknown optimizer.
  absl::StatusOr<std::unique_ptr<OuterOptimizer>> Create(absl::string_view spec) const;
  const std::vector<OuterOptimizerEntry>& entries() const { return entries_; }

 private:
  std::vector<OuterOptimizerEntry> entries_;
};

// sgd, nesterov, delayed-nesterov.
OuterOptimizerRegistry BuiltinOuterOptimizers();

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_OUTER_OPTIMIZER_H_
