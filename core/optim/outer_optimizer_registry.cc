#include <cassert>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/optim/outer_optimizers.h"
#include "tideway/outer_optimizer.h"

namespace tideway {

absl::Status OuterOptimizerRegistry::Add(OuterOptimizerEntry entry) {
  if (entry.name.empty() || entry.create == nullptr) {
    return absl::InvalidArgumentError("an outer optimizer needs a name and a create function");
  }
  for (const OuterOptimizerEntry& existing : entries_) {
    if (existing.name == entry.name) {
      return absl::AlreadyExistsError(absl::StrCat("an outer optimizer named '", entry.name,
                                                   "' is registered already; choose another name"));
    }
  }
  entries_.push_back(std::move(entry));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<OuterOptimizer>> OuterOptimizerRegistry::Create(
    absl::string_view spec) const {
  const absl::StatusOr<Spec> parsed = Spec::Parse(spec);
  if (!parsed.ok()) return parsed.status();
  for (const OuterOptimizerEntry& entry : entries_) {
    if (entry.name == parsed->name) return entry.create(*parsed);
  }
  const auto append_name = [](std::string* out, const OuterOptimizerEntry& entry) {
    out->append(entry.name);
  };
  return absl::NotFoundError(
      absl::StrCat("no outer optimizer is named '", parsed->name,
                   "'; choose one of: ", absl::StrJoin(entries_, ", ", append_name)));
}

OuterOptimizerRegistry BuiltinOuterOptimizers() {
  OuterOptimizerRegistry registry;
  for (auto make : {optim::SgdEntry, optim::NesterovEntry, optim::DelayedNesterovEntry}) {
    const absl::Status added = registry.Add(make());
    assert(added.ok());
    added.IgnoreError();
  }
  return registry;
}

}  // namespace tideway
