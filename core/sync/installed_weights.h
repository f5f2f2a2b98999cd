// InstalledWeights: a version in use, and its copy, which goes back to the pool with the last reference.

#ifndef TIDEWAY_CORE_SYNC_INSTALLED_WEIGHTS_H_
#define TIDEWAY_CORE_SYNC_INSTALLED_WEIGHTS_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/types/span.h"
#include "core/runtime/forget.h"
#include "core/sync/copy_pool.h"
#include "core/sync/weight_copy.h"
#include "tideway/subscriber.h"

namespace tideway::sync {

class InstalledWeights final : public Weights {
 public:
  InstalledWeights(WeightVersionId id, std::unique_ptr<WeightCopy> copy,
                   std::shared_ptr<CopyPool> pool)
      : id_(id), copy_(std::move(copy)), pool_(std::move(pool)) {}
  ~InstalledWeights() override {
    if (pool_->IsHere()) {
      pool_->Give(std::move(copy_));
    } else {
      Forget(pool_);
    }
  }
  InstalledWeights(const InstalledWeights&) = delete;
  InstalledWeights& operator=(const InstalledWeights&) = delete;

  WeightVersionId id() const override { return id_; }
  const WeightLayout& layout() const override { return copy_->table()->layout(); }
  absl::Span<const std::byte> tensor(size_t tensor) const override {
    return static_cast<const WeightCopy&>(*copy_).tensor(tensor);
  }
  const WeightCopy& copy() const { return *copy_; }

 private:
  const WeightVersionId id_;
  std::unique_ptr<WeightCopy> copy_;
  std::shared_ptr<CopyPool> pool_;
};

}  // namespace tideway::sync

#endif  // TIDEWAY_CORE_SYNC_INSTALLED_WEIGHTS_H_
