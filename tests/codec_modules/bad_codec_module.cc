// Codec modules that the loader must refuse, and one whose codec asks for too much. CMake compiles this file once per
// kind.

#include "tideway/codec_module.h"

namespace {

// Nobody may call into a module that was refused.
int Create(void* /*user*/, const char* /*spec*/, void** codec, char* /*error*/) {
#ifndef TIDEWAY_TEST_TOO_LARGE
  __builtin_trap();
#endif
  *codec = nullptr;
  return kTidewayCodecOk;
}

void Destroy(void* /*codec*/) {}

size_t Bound(const void* /*codec*/, size_t elements) { return 8 * elements + 1025; }

[[maybe_unused]] int Encode(const void* /*codec*/, const float* /*delta*/, float* /*residual*/,
                            size_t /*elements*/, float /*decay*/, uint8_t* /*out*/,
                            size_t* /*written*/, char* /*error*/) {
  __builtin_trap();
}

// Without a reason.
int DecodeAdd(const void* /*codec*/, const uint8_t* /*in*/, size_t /*in_bytes*/, float /*scale*/,
              float* /*accumulator*/, size_t /*elements*/, char* /*error*/) {
  return kTidewayCodecFailed;
}

[[maybe_unused]] constexpr TidewayCodecModule kModule = {
#ifdef TIDEWAY_TEST_WRONG_VERSION
    .version = 4711,
#else
    .version = kTidewayCodecModuleVersion,
#endif
#if defined(TIDEWAY_TEST_ID_BELOW_128)
    .wire_id = 127,
#elif defined(TIDEWAY_TEST_ID_ABOVE_255)
    .wire_id = 256 + 200,
#else
    .wire_id = 222,
#endif
#if defined(TIDEWAY_TEST_BAD_NAME)
    .name = "int8:block=16",
#elif defined(TIDEWAY_TEST_TAKEN_NAME)
    .name = "int8",
#else
    .name = "bad",
#endif
    .lossless = 0,
    .dense = 1,
    .user = nullptr,
    .create = Create,
    .destroy = Destroy,
    .bound = Bound,
#ifdef TIDEWAY_TEST_NO_FUNCTION
    .encode = nullptr,
#else
    .encode = Encode,
#endif
    .decode_add = DecodeAdd};

}  // namespace

#if defined(TIDEWAY_TEST_NO_ENTRY_POINT)
extern "C" int some_other_function() { return 1; }
#elif defined(TIDEWAY_TEST_NO_TABLE)
extern "C" const TidewayCodecModule* tideway_codec_module(void) { return nullptr; }
#else
extern "C" const TidewayCodecModule* tideway_codec_module(void) { return &kModule; }
#endif
