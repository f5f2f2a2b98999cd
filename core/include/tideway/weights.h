// Weights: what a model consists of when whole versions of it are published (publisher.h, subscriber.h): named tensors, each
// with a type of its own, and the identity of a version.
//
// A Layout (layout.h) is a flat fp32 vector for pushes and pulls; a WeightLayout keeps tensors apart and moves their words as
// they are, so that bf16 weights arrive as the same bf16 weights.
//
// Value types: cheap to copy (shared, immutable).
//
//   auto layout = tideway::WeightLayout::Create({{"embed", tideway::WeightType::kBf16, {32000, 4096}},
//                                                {"norm", tideway::WeightType::kFp32, {4096}}});

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_WEIGHTS_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_WEIGHTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tideway/limits.h"

namespace tideway {

// The numbers are those on the wire.
enum class WeightType : uint8_t { kFp32 = 1, kBf16 = 2, kFp16 = 3 };

// Bytes of one element.
constexpr size_t WordBytes(WeightType type) { return type == WeightType::kFp32 ? 4 : 2; }
// "fp32", "bf16", "fp16"; "unknown" for any other number.
absl::string_view WeightTypeName(WeightType type);

struct WeightSpec {
  std::string name = {};
  WeightType type = WeightType::kBf16;
  std::vector<int64_t> shape = {};  // empty: a scalar

  friend bool operator==(const WeightSpec&, const WeightSpec&) = default;
  // "tensor 'embed' (bf16 [32000, 4096])"
  std::string ToString() const;
};

class WeightLayout {
 public:
  // INVALID_ARGUMENT, naming the tensor, for an empty or repeated name, an unknown type, a shape that is not positive or too
  // large, no tensor at all, or a limit of limits.h.
  static absl::StatusOr<WeightLayout> Create(std::vector<WeightSpec> tensors);

  const std::vector<WeightSpec>& tensors() const { return data_->tensors; }
  size_t bytes_of(size_t tensor) const { return data_->bytes[tensor]; }
  size_t bytes() const { return data_->bytes_total; }  // of all tensors
  std::optional<size_t> Find(absl::string_view name) const;
  // XXH3 of names, types and shapes, in their order: equal layouts have equal fingerprints.
  uint64_t fingerprint() const { return data_->fingerprint; }
  // One line for people: "291 tensors, 13476839424 bytes".
  std::string ToString() const;

 private:
  struct Data {
    std::vector<WeightSpec> tensors;
    std::vector<size_t> bytes;
    size_t bytes_total = 0;
    uint64_t fingerprint = 0;
    absl::flat_hash_map<absl::string_view, size_t> by_name;  // into tensors
  };
  explicit WeightLayout(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

  std::shared_ptr<const Data> data_;
};

// FAILED_PRECONDITION, naming the first tensor that differs and what is wrong with it, if `theirs` is not `ours`. `ours_is` and
// `theirs_is` say whose they are: "this subscriber", "the publisher".
absl::Status CheckSameWeights(const WeightLayout& ours, absl::string_view ours_is,
                              absl::Span<const WeightSpec> theirs, absl::string_view theirs_is);

// Which version of the weights. Two lives of a publisher have different epochs, so that their versions are never mistaken for
// one another, whatever numbers they have.
struct WeightVersionId {
  uint64_t epoch = 0;    // random, new for each life of a publisher; never 0
  uint64_t version = 0;  // as it was given to Publish; never 0

  bool none() const { return epoch == 0; }
  friend bool operator==(const WeightVersionId&, const WeightVersionId&) = default;
  // "version 12 of epoch 5f3a90c1d2e4b687"
  std::string ToString() const;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_WEIGHTS_H_
