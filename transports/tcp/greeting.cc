#include "transports/tcp/greeting.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"
#include "tideway/limits.h"
#include "transports/tcp/bytes.h"
#include "xxhash.h"

namespace tideway::tcp {
namespace {

constexpr std::byte kMagic[kGreetingMagicBytes] = {std::byte{'T'}, std::byte{'D'}, std::byte{'G'},
                                                   std::byte{'1'}};
constexpr size_t kVersionAt = 3;  // the magic's last byte
constexpr size_t kChecksumAt = kGreetingBytes - 8;

uint64_t Checksum(absl::Span<const std::byte> in) { return XXH3_64bits(in.data(), kChecksumAt); }

}  // namespace

std::array<std::byte, kGreetingBytes> EncodeGreeting(const Greeting& greeting) {
  std::array<std::byte, kGreetingBytes> out = {};
  std::copy(std::begin(kMagic), std::end(kMagic), out.begin());
  PutLittleEndian(greeting.streams, 1, &out[4]);
  PutLittleEndian(greeting.index, 1, &out[5]);
  PutLittleEndian(greeting.token[0], 8, &out[8]);
  PutLittleEndian(greeting.token[1], 8, &out[16]);
  PutLittleEndian(Checksum(out), 8, &out[kChecksumAt]);
  return out;
}

bool LooksLikeGreeting(absl::Span<const std::byte> in) {
  assert(in.size() >= kGreetingMagicBytes);
  return std::equal(std::begin(kMagic), std::begin(kMagic) + kVersionAt, in.begin());
}

absl::StatusOr<Greeting> DecodeGreeting(absl::Span<const std::byte> in) {
  assert(in.size() == kGreetingBytes);
  if (!LooksLikeGreeting(in)) return absl::InvalidArgumentError("these bytes are no greeting");
  if (in[kVersionAt] != kMagic[kVersionAt]) {
    return absl::InvalidArgumentError(
        "the peer greets in another version of the format; use the same release on both sides, or "
        "streams=1 at the peer");
  }
  if (GetLittleEndian(&in[kChecksumAt], 8) != Checksum(in)) {
    return absl::InvalidArgumentError("the greeting came damaged: its checksum is wrong");
  }
  Greeting greeting;
  greeting.streams = GetLittleEndian(&in[4], 1);
  greeting.index = GetLittleEndian(&in[5], 1);
  greeting.token = {GetLittleEndian(&in[8], 8), GetLittleEndian(&in[16], 8)};
  if (greeting.streams < 2 || greeting.streams > kTcpStreamsMax ||
      greeting.index >= greeting.streams || GetLittleEndian(&in[6], 2) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the greeting of stream ", greeting.index, " of ", greeting.streams,
                     " is out of range; a connection has up to ", kTcpStreamsMax, " streams"));
  }
  return greeting;
}

}  // namespace tideway::tcp
