// Safetensors: fp32 tensors by name in one file that every framework reads.
//
// The file is a little-endian 64-bit header length, a JSON header, and the values. Snapshots of a server and the final
// model of a trainer have this form; whatever else belongs to them goes into the metadata, a map from text to text.
//
// Writing is atomic: a crash at any moment leaves the old file or the new one, never a torn one. Reading trusts nothing:
// lengths, offsets, types and shapes are checked against the file's size before anything is allocated for them.
//
// Threads: free functions without state; call them from anywhere. They block on the disk.
//
//   std::vector<SafetensorsView> views = {{"w", {2, 2}, values}};
//   if (absl::Status s = WriteSafetensors("model.safetensors", views, {{"step", "100"}}); !s.ok()) ...
//   absl::StatusOr<Safetensors> file = ReadSafetensors("model.safetensors");

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_SAFETENSORS_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tideway/layout.h"

namespace tideway {

inline constexpr size_t kSafetensorsHeaderBytesMax = size_t{64} << 20;

// One tensor to write. The values stay with the caller; they are read during the call only.
struct SafetensorsView {
  std::string name;
  std::vector<int64_t> shape;  // empty: a scalar
  absl::Span<const float> values;
};

// What a file holds. Tensor i has the elements [offsets[i], offsets[i + 1]) of `values`; tensors stand in the order of
// their place in the file, so that `values` is also their concatenation.
struct Safetensors {
  std::vector<TensorSpec> tensors;
  std::vector<size_t> offsets;  // one more than tensors
  std::vector<float> values;
  std::map<std::string, std::string> metadata;

  // The values of one tensor; an empty span with a null data pointer where there is none of that name.
  absl::Span<const float> Find(absl::string_view name) const;
};

// Writes beside `path`, fsyncs, renames. INVALID_ARGUMENT for an empty or repeated name, the name "__metadata__", a shape
// that doesn't fit its values, or a header over the limit; UNAVAILABLE, with the path, where the disk refuses.
absl::Status WriteSafetensors(const std::string& path, absl::Span<const SafetensorsView> tensors,
                              const std::map<std::string, std::string>& metadata = {});

// NOT_FOUND or UNAVAILABLE where the file can't be read; DATA_LOSS, saying what is wrong, where it is no well-formed
// safetensors file; UNIMPLEMENTED for a tensor that isn't F32.
absl::StatusOr<Safetensors> ReadSafetensors(const std::string& path);

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_SAFETENSORS_H_
