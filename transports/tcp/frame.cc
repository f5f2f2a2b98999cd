#include "transports/tcp/frame.h"

#include <algorithm>
#include <cassert>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "transports/tcp/bytes.h"

namespace tideway::tcp {
namespace {

constexpr std::byte kMagic[4] = {std::byte{'T'}, std::byte{'D'}, std::byte{'W'}, std::byte{'1'}};
constexpr size_t kShownBytesMax = 16;

// "47 45 54 20 ('GET ')"
std::string Show(absl::Span<const std::byte> in) {
  std::string hex;
  std::string text;
  for (std::byte byte : in.first(std::min(in.size(), kShownBytesMax))) {
    const auto c = static_cast<unsigned char>(byte);
    absl::StrAppend(&hex, hex.empty() ? "" : " ", absl::Hex(c, absl::kZeroPad2));
    text += absl::ascii_isprint(c) ? static_cast<char>(c) : '.';
  }
  return absl::StrCat(hex, " ('", text, "')");
}

}  // namespace

void EncodePrefix(const Prefix& prefix, absl::Span<std::byte> out) {
  assert(prefix.header_bytes <= kMessageHeaderBytesMax);
  assert(prefix.payload_bytes <= kMessagePayloadBytesMax);
  assert(out.size() >= kPrefixBytes);
  std::copy(std::begin(kMagic), std::end(kMagic), out.begin());
  PutLittleEndian(prefix.header_bytes, 2, &out[4]);
  PutLittleEndian(0, 2, &out[6]);
  PutLittleEndian(prefix.payload_bytes, 4, &out[8]);
}

absl::Status CheckMagic(absl::Span<const std::byte> in) {
  const size_t seen = std::min(in.size(), sizeof(kMagic));
  if (std::equal(in.begin(), in.begin() + static_cast<ptrdiff_t>(seen), kMagic))
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the peer speaks another protocol, or another version of this one: a message begins with ",
      Show(in), " instead of 54 44 57 31 ('TDW1')"));
}

absl::StatusOr<Prefix> DecodePrefix(absl::Span<const std::byte> in) {
  assert(in.size() >= kPrefixBytes);
  absl::Status magic = CheckMagic(in);
  if (!magic.ok()) return magic;
  if (GetLittleEndian(&in[6], 2) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message's reserved bytes are not zero: ", Show(in.first(kPrefixBytes))));
  }
  const Prefix prefix = {GetLittleEndian(&in[4], 2), GetLittleEndian(&in[8], 4)};
  if (prefix.header_bytes > kMessageHeaderBytesMax) {
    return absl::ResourceExhaustedError(absl::StrCat("the peer announced a header of ",
                                                     prefix.header_bytes, " bytes; the limit is ",
                                                     kMessageHeaderBytesMax));
  }
  if (prefix.payload_bytes > kMessagePayloadBytesMax) {
    return absl::ResourceExhaustedError(absl::StrCat("the peer announced a payload of ",
                                                     prefix.payload_bytes, " bytes; the limit is ",
                                                     kMessagePayloadBytesMax));
  }
  if (prefix.header_bytes + prefix.payload_bytes == 0) {
    return absl::InvalidArgumentError("the peer sent a message with neither header nor payload");
  }
  return prefix;
}

}  // namespace tideway::tcp
