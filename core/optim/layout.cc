#include "tideway/layout.h"

#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <functional>
#include <limits>
#include <queue>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tideway {
namespace {

// The most elements that a layout with the largest fragments can have; also keeps every sum far
// from overflow.
constexpr size_t kElementsMax = kFragmentsMax * (kFragmentBytesMax / sizeof(float));
static_assert(kElementsMax <= std::numeric_limits<size_t>::max() / (2 * sizeof(float)));

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status CheckOptions(const LayoutOptions& options) {
  const size_t bytes = options.fragment_bytes_max;
  if (bytes < kFragmentBytesMin || bytes > kFragmentBytesMax || bytes % sizeof(float) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("fragment_bytes_max is ", bytes,
                                                   "; give a multiple of 4 from ",
                                                   kFragmentBytesMin, " to ", kFragmentBytesMax));
  }
  if (options.servers < 1 || options.servers > kServersMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the layout names ", options.servers, " servers; give 1 to ", kServersMax));
  }
  return absl::OkStatus();
}

absl::Status CheckName(size_t index, const std::string& name) {
  if (name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor number ", index, " has no name; give every tensor a name of its own"));
  }
  if (name.size() > kTensorNameBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the name of tensor '", name.substr(0, 40), "...' has ", name.size(),
                     " bytes; give it at most ", kTensorNameBytesMax));
  }
  return absl::OkStatus();
}

// The number of elements; 1 for a scalar.
absl::StatusOr<size_t> CheckShape(const TensorSpec& tensor) {
  if (tensor.shape.size() > kTensorRankMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor '", tensor.name, "' has ", tensor.shape.size(),
                     " dimensions; flatten it to at most ", kTensorRankMax));
  }
  size_t elements = 1;
  for (int64_t dimension : tensor.shape) {
    if (dimension <= 0) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", tensor.name, "' has the shape ",
                                                     ShapeText(tensor.shape),
                                                     "; every dimension must be at least 1"));
    }
    if (static_cast<uint64_t>(dimension) > kElementsMax / elements) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor '", tensor.name, "' of shape ", ShapeText(tensor.shape),
                       " is too large; a layout holds at most ", kElementsMax, " elements"));
    }
    elements *= static_cast<size_t>(dimension);
  }
  return elements;
}

void AppendU64(uint64_t value, std::string& out) {
  for (int shift = 0; shift < 64; shift += 8) {
    out.push_back(static_cast<char>((value >> shift) & 0xff));
  }
}

// Little-endian u64s and length-prefixed names, so that it is the same on every machine.
uint64_t Fingerprint(const std::vector<TensorSpec>& tensors, const LayoutOptions& options) {
  std::string text = "tideway layout 1";
  AppendU64(options.fragment_bytes_max, text);
  AppendU64(options.servers, text);
  AppendU64(tensors.size(), text);
  for (const TensorSpec& tensor : tensors) {
    AppendU64(tensor.name.size(), text);
    text += tensor.name;
    AppendU64(tensor.shape.size(), text);
    for (int64_t dimension : tensor.shape) AppendU64(static_cast<uint64_t>(dimension), text);
  }
  return XXH3_64bits(text.data(), text.size());
}

std::vector<FragmentSpec> Cut(size_t elements, size_t fragment_elements) {
  std::vector<FragmentSpec> fragments;
  fragments.reserve(elements / fragment_elements + 1);
  for (size_t offset = 0; offset < elements; offset += fragment_elements) {
    fragments.push_back({.id = static_cast<uint32_t>(fragments.size()),
                         .offset = offset,
                         .elements = std::min(fragment_elements, elements - offset)});
  }
  return fragments;
}

// Largest first, each to the server with the fewest bytes so far: the spread stays within one
// fragment.
void Place(uint32_t servers, std::vector<FragmentSpec>& fragments) {
  std::vector<uint32_t> order(fragments.size());
  for (uint32_t id = 0; id < order.size(); ++id) order[id] = id;
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return fragments[a].elements > fragments[b].elements;
  });
  using Load = std::pair<size_t, uint32_t>;  // elements, server
  std::priority_queue<Load, std::vector<Load>, std::greater<>> loads;
  for (uint32_t server = 0; server < servers; ++server) loads.emplace(0, server);
  for (uint32_t id : order) {
    const auto [elements, server] = loads.top();
    loads.pop();
    fragments[id].server = server;
    loads.emplace(elements + fragments[id].elements, server);
  }
}

std::string WithThousands(size_t value) {
  std::string digits = absl::StrCat(value);
  for (size_t from_end = 3; from_end < digits.size(); from_end += 4) {
    digits.insert(digits.size() - from_end, ",");
  }
  return digits;
}

}  // namespace

absl::StatusOr<Layout> Layout::Create(std::vector<TensorSpec> tensors,
                                      const LayoutOptions& options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  if (tensors.empty()) {
    return absl::InvalidArgumentError("the layout has no tensor; give it at least one");
  }
  if (tensors.size() > kTensorsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the layout has ", tensors.size(), " tensors; give it at most ", kTensorsMax));
  }
  auto data = std::make_shared<Data>();
  data->options = options;
  data->tensor_offsets.reserve(tensors.size());
  const size_t fragment_elements = options.fragment_bytes_max / sizeof(float);
  const size_t elements_max = kFragmentsMax * fragment_elements;
  absl::flat_hash_set<absl::string_view> names;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (absl::Status status = CheckName(i, tensors[i].name); !status.ok()) return status;
    if (!names.insert(tensors[i].name).second) {
      return absl::InvalidArgumentError(absl::StrCat("two tensors are named '", tensors[i].name,
                                                     "'; give every tensor a name of its own"));
    }
    const absl::StatusOr<size_t> elements = CheckShape(tensors[i]);
    if (!elements.ok()) return elements.status();
    if (*elements > elements_max - data->elements) {
      return absl::InvalidArgumentError(absl::StrCat(
          "with tensor '", tensors[i].name, "' the layout needs more than ", kFragmentsMax,
          " fragments of ", options.fragment_bytes_max, " bytes; raise fragment_bytes_max"));
    }
    data->tensor_offsets.push_back(data->elements);
    data->elements += *elements;
  }
  data->fragments = Cut(data->elements, fragment_elements);
  Place(options.servers, data->fragments);
  data->by_server.resize(options.servers);
  for (const FragmentSpec& fragment : data->fragments) {
    data->by_server[fragment.server].push_back(fragment.id);
  }
  data->fingerprint = Fingerprint(tensors, options);
  data->tensors = std::move(tensors);
  return Layout(std::move(data));
}

const std::string& Layout::tensor_at(size_t offset) const {
  assert(offset < data_->elements);
  const auto& offsets = data_->tensor_offsets;
  const auto after = std::upper_bound(offsets.begin(), offsets.end(), offset);
  return data_->tensors[static_cast<size_t>(after - offsets.begin()) - 1].name;
}

std::string Layout::ToString() const {
  const auto count = [](size_t n, absl::string_view noun) {
    return absl::StrCat(WithThousands(n), " ", noun, n == 1 ? "" : "s");
  };
  return absl::StrCat(count(tensors().size(), "tensor"), ", ", count(elements(), "parameter"), ", ",
                      count(fragments().size(), "fragment"), " of at most ", fragment_bytes_max(),
                      " bytes, ", count(servers(), "server"));
}

}  // namespace tideway
