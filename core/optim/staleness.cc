#include "core/optim/staleness.h"

#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/optim/spec_values.h"
#include "tideway/spec.h"

namespace tideway::optim {

absl::StatusOr<StalenessPolicy> StalenessPolicy::Create(absl::string_view text) {
  const absl::StatusOr<Spec> spec = Spec::Parse(text);
  if (!spec.ok()) return spec.status();
  SpecReader reader(*spec);
  StalenessPolicy policy;
  Spec canonical{spec->name, {}};
  if (spec->name == "accept") {
    policy.kind_ = Kind::kAccept;
  } else if (spec->name == "weight") {
    policy.kind_ = Kind::kWeight;
    policy.power_ = reader.Number("power", 0.5, 0, 10);
    canonical.params["power"] = NumberText(policy.power_);
  } else if (spec->name == "bound") {
    policy.kind_ = Kind::kBound;
    policy.max_ = static_cast<uint64_t>(reader.Integer("max", 10, 0, int64_t{1} << 40));
    canonical.params["max"] = absl::StrCat(policy.max_);
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("no staleness policy is named '", spec->name,
                     "'; choose one of: accept, weight:power=0.5, bound:max=10"));
  }
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  policy.spec_ = canonical.ToString();
  return policy;
}

StalenessVerdict StalenessPolicy::Judge(uint64_t staleness) const {
  switch (kind_) {
    case Kind::kAccept:
      break;
    case Kind::kWeight:
      return {true, static_cast<float>(std::pow(1.0 + static_cast<double>(staleness), -power_))};
    case Kind::kBound:
      return {staleness <= max_, 1.0f};
  }
  return {};
}

}  // namespace tideway::optim
