#include "core/wire/weight_handshake.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/wire/frame.h"

namespace tideway::wire {
namespace {

// For what stands in a welcome beside the table.
constexpr size_t kRestBytes = 4096;

}  // namespace

absl::StatusOr<Buffer> PackWeightMessage(WeightFrameHeader header,
                                         const google::protobuf::MessageLite& message,
                                         BufferPool& pool) {
  const size_t bytes = message.ByteSizeLong();
  if (bytes > kWeightTableBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("message of ", bytes, " bytes is over the limit of ", kWeightTableBytesMax));
  }
  absl::StatusOr<Buffer> buffer = pool.Take(bytes);
  if (!buffer.ok()) return buffer.status();
  message.SerializeToArray(buffer->data(), static_cast<int>(bytes));
  header.payload_bytes = static_cast<uint32_t>(bytes);
  header.payload_hash = HashPayload(buffer->span());
  WriteWeightHeader(header, buffer->headroom(kWeightHeaderBytes));
  return buffer;
}

bool AddTensors(absl::Span<const WeightSpec> tensors, WeightWelcome& welcome) {
  for (const WeightSpec& tensor : tensors) {
    WeightTensor* const added = welcome.add_tensors();
    added->set_name(tensor.name);
    added->set_type(static_cast<uint32_t>(tensor.type));
    for (const int64_t dimension : tensor.shape) added->add_shape(dimension);
  }
  if (welcome.ByteSizeLong() + kRestBytes <= kWeightTableBytesMax) return true;
  welcome.clear_tensors();
  return false;
}

std::vector<WeightSpec> TensorsOf(const WeightWelcome& welcome) {
  std::vector<WeightSpec> tensors;
  const int count = std::min(welcome.tensors_size(), static_cast<int>(kTensorsMax));
  for (int i = 0; i < count; ++i) {
    const WeightTensor& tensor = welcome.tensors(i);
    // A number that is no type of ours stays one: 0 is none.
    const uint32_t type = tensor.type() <= UINT8_MAX ? tensor.type() : 0;
    tensors.push_back({.name = tensor.name().substr(0, kTensorNameBytesMax),
                       .type = static_cast<WeightType>(type)});
    const int rank = std::min(tensor.shape_size(), static_cast<int>(kTensorRankMax));
    tensors.back().shape.assign(tensor.shape().begin(), tensor.shape().begin() + rank);
  }
  return tensors;
}

}  // namespace tideway::wire
