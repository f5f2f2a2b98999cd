// `truncate`: an embedder's codec as a shared library. It keeps the upper bytes of each float and drops the rest:
// truncate:keep=2 (default) or truncate:keep=3.
//
//   bytes = keep  uint8        2 or 3
//           keep bytes of each element, the lower ones first
//
// What is dropped has the element's sign and lower bits alone, so e - decoded is exact.

#include <cmath>
#include <cstdio>
#include <cstring>

#include "tideway/codec_module.h"

namespace {

constexpr char kName[] = "truncate";

struct Truncate {
  size_t keep;
};

constexpr Truncate kKeeps[] = {{2}, {3}};  // all codecs that there can be

int Invalid(char* error, const char* why) {
  std::snprintf(error, kTidewayCodecErrorBytes, "%s", why);
  return kTidewayCodecInvalid;
}

uint32_t BitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

float FloatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

int Create(void* /*user*/, const char* spec, void** codec, char* error) {
  const char* const parameters = spec + sizeof(kName) - 1;
  size_t which = 0;
  if (std::strcmp(parameters, ":keep=3") == 0) {
    which = 1;
  } else if (parameters[0] != '\0' && std::strcmp(parameters, ":keep=2") != 0) {
    std::snprintf(error, kTidewayCodecErrorBytes, "'%s': the one parameter is keep=2 or keep=3",
                  parameters);
    return kTidewayCodecInvalid;
  }
  *codec = const_cast<Truncate*>(&kKeeps[which]);
  return kTidewayCodecOk;
}

void Destroy(void* /*codec*/) {}

size_t Bound(const void* codec, size_t elements) {
  return 1 + elements * static_cast<const Truncate*>(codec)->keep;
}

int Encode(const void* codec, const float* delta, float* residual, size_t elements,
           float residual_decay, uint8_t* out, size_t* written, char* /*error*/) {
  const size_t keep = static_cast<const Truncate*>(codec)->keep;
  const size_t drop = 8 * (4 - keep);
  *out++ = static_cast<uint8_t>(keep);
  for (size_t i = 0; i < elements; ++i) {
    const float e = residual == nullptr ? delta[i] : delta[i] + residual_decay * residual[i];
    const uint32_t kept = BitsOf(e) >> drop;
    for (size_t byte = 0; byte < keep; ++byte) *out++ = static_cast<uint8_t>(kept >> 8 * byte);
    if (residual != nullptr) residual[i] = e - FloatOf(kept << drop);
  }
  *written = Bound(codec, elements);
  return kTidewayCodecOk;
}

int DecodeAdd(const void* /*codec*/, const uint8_t* in, size_t in_bytes, float scale,
              float* accumulator, size_t elements, char* error) {
  if (in_bytes == 0 || (in[0] != 2 && in[0] != 3)) {
    return Invalid(error, "does not begin with the number of bytes kept, 2 or 3");
  }
  const size_t keep = in[0];
  if ((in_bytes - 1) % keep != 0 || (in_bytes - 1) / keep != elements) {
    return Invalid(error, "does not have the length of that many elements");
  }
  ++in;
  for (size_t i = 0; i < elements; ++i) {
    uint32_t kept = 0;
    for (size_t byte = 0; byte < keep; ++byte) kept |= static_cast<uint32_t>(*in++) << 8 * byte;
    const float value = FloatOf(kept << 8 * (4 - keep));
    if (!std::isfinite(value)) return Invalid(error, "a value is not finite");
    accumulator[i] += scale * value;
  }
  return kTidewayCodecOk;
}

constexpr TidewayCodecModule kModule = {kTidewayCodecModuleVersion,
                                        200,
                                        kName,
                                        /*lossless=*/0,
                                        /*dense=*/1,
                                        /*user=*/nullptr,
                                        Create,
                                        Destroy,
                                        Bound,
                                        Encode,
                                        DecodeAdd};

}  // namespace

extern "C" const TidewayCodecModule* tideway_codec_module(void) { return &kModule; }
