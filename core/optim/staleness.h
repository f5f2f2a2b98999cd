// StalenessPolicy: what the server does with a push that was made from an old version.
//
//   accept              takes every push as it is
//   weight:power=0.5    multiplies the delta by (1 + staleness)^-power
//   bound:max=10        rejects a push whose staleness is over max; takes the others as they are
//
// A value: pure, immutable, thread-safe.

#ifndef TIDEWAY_CORE_OPTIM_STALENESS_H_
#define TIDEWAY_CORE_OPTIM_STALENESS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tideway::optim {

struct StalenessVerdict {
  bool accept = true;
  float weight = 1.0f;  // for ApplyContext::weight; meaningless where the push is rejected
};

class StalenessPolicy {
 public:
  // INVALID_ARGUMENT for a malformed spec or one of an unknown policy (naming those that exist).
  static absl::StatusOr<StalenessPolicy> Create(absl::string_view spec);

  // `staleness`: the fragment's version now minus the version that the worker started from.
  StalenessVerdict Judge(uint64_t staleness) const;

  // Canonical, e.g. "weight:power=0.5".
  const std::string& spec() const { return spec_; }

 private:
  enum class Kind { kAccept, kWeight, kBound };

  Kind kind_ = Kind::kAccept;
  double power_ = 0;
  uint64_t max_ = 0;
  std::string spec_;
};

}  // namespace tideway::optim

#endif  // TIDEWAY_CORE_OPTIM_STALENESS_H_
