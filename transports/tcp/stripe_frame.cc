#include "transports/tcp/stripe_frame.h"

#include <array>
#include <cassert>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "transports/tcp/bytes.h"

namespace tideway::tcp {
namespace {

constexpr absl::string_view kMessageMagic = "TDW1";
constexpr absl::string_view kHeadMagic = "TDS1";
constexpr absl::string_view kChunkMagic = "TDC1";

void PutMagic(absl::string_view magic, absl::Span<std::byte> out) {
  for (size_t i = 0; i < kFrameMagicBytes; ++i) out[i] = static_cast<std::byte>(magic[i]);
}

bool Begins(absl::Span<const std::byte> in, absl::string_view magic) {
  const size_t seen = std::min(in.size(), kFrameMagicBytes);
  return std::equal(in.begin(), in.begin() + static_cast<ptrdiff_t>(seen), magic.begin(),
                    [](std::byte a, char b) { return a == static_cast<std::byte>(b); });
}

}  // namespace

absl::Status CheckBeginning(absl::Span<const std::byte> in) {
  for (absl::string_view magic : {kMessageMagic, kHeadMagic, kChunkMagic}) {
    if (Begins(in, magic)) return absl::OkStatus();
  }
  std::string hex;
  for (std::byte byte : in.first(std::min(in.size(), kFrameMagicBytes))) {
    absl::StrAppend(&hex, hex.empty() ? "" : " ",
                    absl::Hex(static_cast<unsigned char>(byte), absl::kZeroPad2));
  }
  return absl::InvalidArgumentError(absl::StrCat("a stream of several goes on with ", hex,
                                                 ", which begins no message and no chunk"));
}

absl::StatusOr<FrameKind> KindOf(absl::Span<const std::byte> in) {
  assert(in.size() >= kFrameMagicBytes);
  if (Begins(in, kChunkMagic)) return FrameKind::kChunk;
  if (Begins(in, kMessageMagic)) return FrameKind::kMessage;
  if (Begins(in, kHeadMagic)) return FrameKind::kStripedHead;
  return CheckBeginning(in);
}

void EncodeStripedHead(const Prefix& prefix, absl::Span<std::byte> out) {
  EncodePrefix(prefix, out);
  PutMagic(kHeadMagic, out);
}

absl::StatusOr<Prefix> DecodeStripedHead(absl::Span<const std::byte> in) {
  assert(in.size() >= kPrefixBytes);
  std::array<std::byte, kPrefixBytes> plain;
  std::copy_n(in.begin(), kPrefixBytes, plain.begin());
  PutMagic(kMessageMagic, absl::MakeSpan(plain));
  absl::StatusOr<Prefix> prefix = DecodePrefix(plain);
  if (prefix.ok() && prefix->payload_bytes < kChunkBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the peer striped a payload of ",
                                                   prefix->payload_bytes, " bytes; at least ",
                                                   kChunkBytes, " are"));
  }
  return prefix;
}

void EncodeChunk(const ChunkFrame& chunk, absl::Span<std::byte> out) {
  assert(out.size() >= kChunkFrameBytes);
  PutMagic(kChunkMagic, out);
  PutLittleEndian(chunk.index, 4, &out[4]);
  PutLittleEndian(chunk.message, 8, &out[8]);
}

ChunkFrame DecodeChunk(absl::Span<const std::byte> in) {
  assert(in.size() >= kChunkFrameBytes);
  return {GetLittleEndian(&in[4], 4), GetLittleEndian(&in[8], 8)};
}

static_assert(kStripedBytesOpenMax >= kMessagePayloadBytesMax);

}  // namespace tideway::tcp
