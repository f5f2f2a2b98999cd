// Layout: what the flat fp32 parameter vector consists of, how it is cut into fragments, and which server has which.
//
// Both ends compute it from the same few values and compare fingerprints in the handshake, so a model that does not
// match its server is refused before anything moves.
//
// Cut: the concatenation of all tensors, in the order given, is cut into fragments of fragment_bytes_max (the last may
// be shorter); fragments do not respect tensor borders. Placement: by bytes, deterministic: fragments in falling order
// of size (ties: rising id) go to the server with the fewest bytes so far (ties: lowest index).
//
// A value type: cheap to copy (shared, immutable).

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_LAYOUT_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tideway/limits.h"

namespace tideway {

struct TensorSpec {
  std::string name = {};
  std::vector<int64_t> shape = {};  // empty: a scalar
};

struct FragmentSpec {
  uint32_t id = 0;
  size_t offset = 0;  // elements into the flat vector
  size_t elements = 0;
  uint32_t server = 0;  // index of the server that has it
};

struct LayoutOptions {
  size_t fragment_bytes_max = kFragmentBytesDefault;  // fp32 bytes; a multiple of 4
  uint32_t servers = 1;
};

class Layout {
 public:
  // INVALID_ARGUMENT, naming the tensor, for an empty or repeated name, a shape that is not positive or too large, no
  // tensor at all, or a limit of limits.h.
  static absl::StatusOr<Layout> Create(std::vector<TensorSpec> tensors,
                                       const LayoutOptions& options = {});

  size_t elements() const { return data_->elements; }
  uint32_t servers() const { return data_->options.servers; }
  size_t fragment_bytes_max() const { return data_->options.fragment_bytes_max; }
  const std::vector<TensorSpec>& tensors() const { return data_->tensors; }
  const std::vector<FragmentSpec>& fragments() const { return data_->fragments; }
  // Ids of the fragments of one server, rising.
  const std::vector<uint32_t>& fragments_of(uint32_t server) const {
    return data_->by_server[server];
  }
  // XXH3 of names, shapes, cut and server count: equal layouts have equal fingerprints.
  uint64_t fingerprint() const { return data_->fingerprint; }
  // The name of the tensor that holds the element at `offset` of the flat vector.
  const std::string& tensor_at(size_t offset) const;
  // One line for people: "27 tensors, 842,496 parameters, 4 fragments of at most 1048576 bytes, 2 servers".
  std::string ToString() const;

 private:
  struct Data {
    LayoutOptions options;
    std::vector<TensorSpec> tensors;
    std::vector<size_t> tensor_offsets;
    std::vector<FragmentSpec> fragments;
    std::vector<std::vector<uint32_t>> by_server;
    size_t elements = 0;
    uint64_t fingerprint = 0;
  };
  explicit Layout(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

  std::shared_ptr<const Data> data_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_LAYOUT_H_
