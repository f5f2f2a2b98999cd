#include "tests/fuzz/pull_differences.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "core/client/pulled_copies.h"
#include "tideway/builtin_codecs.h"

namespace tideway::fuzz {
namespace {

const std::vector<std::unique_ptr<Codec>>& AllCodecs() {
  static const auto* const codecs = [] {
    auto* made = new std::vector<std::unique_ptr<Codec>>;
    const CodecRegistry registry = BuiltinCodecs();
    for (const CodecEntry& entry : registry.entries()) {
      made->push_back(*registry.CreateForWireId(entry.wire_id));
    }
    return made;
  }();
  return *codecs;
}

}  // namespace

std::string TakeAnyDifferences(const uint8_t* data, size_t size) {
  if (size < kPullHeaderBytes) return "";
  const Codec& codec = *AllCodecs()[data[0] % AllCodecs().size()];
  const size_t elements = static_cast<size_t>(data[1] | data[2] << 8) % kPullElementsLimit;
  const size_t bytes = size - kPullHeaderBytes;
  const auto payload = std::make_unique<std::byte[]>(bytes);
  if (bytes > 0) std::memcpy(payload.get(), data + kPullHeaderBytes, bytes);
  constexpr uint32_t kFragment = 0;
  PulledCopies copies({kFragment});
  copies.Keep(kFragment, {1, 1}, std::vector<float>(elements, 0.5f));
  std::vector<float> destination(elements, -1.0f);
  const absl::Status status =
      copies.Advance(kFragment, codec, {1, 2}, absl::MakeConstSpan(payload.get(), bytes),
                     absl::MakeSpan(destination));
  if (status.ok()) {
    return copies.Held(kFragment) == wire::ChainPosition{1, 2} ? "" : "the position is not reached";
  }
  if (!absl::IsInvalidArgument(status) && !absl::IsFailedPrecondition(status)) {
    return status.ToString();
  }
  if (!copies.Held(kFragment).none()) return "a copy is held after an error";
  const bool untouched = std::all_of(destination.begin(), destination.end(),
                                     [](float value) { return value == -1.0f; });
  return untouched ? "" : "an error left something in the destination";
}

}  // namespace tideway::fuzz
