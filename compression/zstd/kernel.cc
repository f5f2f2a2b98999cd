#include "compression/zstd/kernel.h"

#include <zstd.h>

#include <cstdint>
#include <cstring>
#include <memory>

#include "compression/common/float_bits.h"

namespace tideway::compression {
namespace {

// Frames of the years before the format was frozen have other numbers; their decoders, which a libzstd may
// still have, get nothing from peers.
bool BeginsAFrame(absl::Span<const std::byte> in) {
  return in.size() >= sizeof(uint32_t) &&
         LoadLittleEndian<uint32_t>(in.data()) == uint32_t{ZSTD_MAGICNUMBER};
}

}  // namespace

// A buffer of the size that always suffices: with less room libzstd may choose other bytes.
size_t CompressInPlace(absl::Span<std::byte> bytes, int level) {
  const size_t room = ZSTD_compressBound(bytes.size());
  const auto frame = std::make_unique_for_overwrite<std::byte[]>(room);
  const size_t length = ZSTD_compress(frame.get(), room, bytes.data(), bytes.size(), level);
  if (ZSTD_isError(length) != 0 || length >= bytes.size()) return 0;
  std::memcpy(bytes.data(), frame.get(), length);
  return length;
}

bool Decompress(absl::Span<const std::byte> in, absl::Span<std::byte> out) {
  // These look at headers alone, and refuse a second frame, a skippable one and bytes behind.
  if (!BeginsAFrame(in) || ZSTD_getFrameContentSize(in.data(), in.size()) != out.size() ||
      ZSTD_findFrameCompressedSize(in.data(), in.size()) != in.size()) {
    return false;
  }
  return ZSTD_decompress(out.data(), out.size(), in.data(), in.size()) == out.size();
}

}  // namespace tideway::compression
