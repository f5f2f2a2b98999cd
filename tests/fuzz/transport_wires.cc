#include "tests/fuzz/transport_wires.h"

#include <cstring>
#include <memory>

#include "transports/libfabric/frame.h"
#include "transports/libfabric/greeting.h"
#include "transports/libfabric/one_sided.h"
#include "transports/ucx/wire.h"

#define XXH_INLINE_ALL
#include "xxhash.h"

namespace tideway::fuzz {
namespace {

using Input = absl::Span<std::byte>;

absl::string_view Text(Input in) { return {reinterpret_cast<const char*>(in.data()), in.size()}; }
absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// The last 8 bytes become the hash of those before.
void PutHashRight(Input in) {
  if (in.size() < sizeof(uint64_t)) return;
  const size_t hashed = in.size() - sizeof(uint64_t);
  const uint64_t hash = XXH3_64bits(in.data(), hashed);
  std::memcpy(in.data() + hashed, &hash, sizeof(hash));
}

std::string UcxFrame(Input in) {
  const auto prefix = ucx::DecodeFramePrefix(in.first(std::min(in.size(), ucx::kFramePrefixBytes)));
  if (!prefix.ok()) return "";
  if (prefix->body_bytes > ucx::kFrameBodyBytesMax) return "a body over its limit";
  if (in.size() >= ucx::kFramePrefixBytes)
    (void)ucx::CheckFrameBody(*prefix, Text(in.subspan(ucx::kFramePrefixBytes)));
  return "";
}

std::string UcxHello(Input in) {
  const auto hello = ucx::DecodeHello(Text(in));
  return hello.ok() && !ucx::DecodeHello(ucx::Encode(*hello)).ok() ? "a hello does not come back"
                                                                   : "";
}

std::string UcxOffer(Input in) {
  const auto offer = ucx::DecodeOffer(Text(in));
  return offer.ok() && !ucx::DecodeOffer(ucx::Encode(*offer)).ok() ? "an offer does not come back"
                                                                   : "";
}

std::string UcxMessage(Input in) {
  if (in.size() < sizeof(uint32_t)) return "";
  uint32_t payload_bytes = 0;
  std::memcpy(&payload_bytes, in.data(), sizeof(payload_bytes));
  const auto prefix = ucx::DecodeMessagePrefix(in.subspan(sizeof(payload_bytes)), payload_bytes);
  if (!prefix.ok()) return "";
  const bool fits = prefix->header_bytes <= kMessageHeaderBytesMax &&
                    prefix->payload_bytes <= kMessagePayloadBytesMax &&
                    prefix->header_bytes + ucx::kMessagePrefixBytes + 4 == in.size();
  return fits ? "" : "a message beyond its limits";
}

std::string UcxMemory(Input in) {
  PutHashRight(in);
  const auto memory = ucx::DecodeMemoryDescriptor(in);
  if (!memory.ok()) return "";
  const std::string again = ucx::Encode(*memory);
  return ucx::DecodeMemoryDescriptor(Bytes(again)).ok() ? "" : "a descriptor does not come back";
}

std::string OfiFrame(Input in) {
  libfabric::Frame frame;
  if (!libfabric::FrameConnection(in).ok() || !libfabric::DecodeFrame(in, frame).ok()) return "";
  if (libfabric::FrameBytes(frame) != in.size()) return "a frame of another length";
  std::string again(in.size(), '\0');
  libfabric::EncodeFrame(frame, {&frame.payload, 1},
                         {reinterpret_cast<std::byte*>(again.data()), again.size()});
  return again == Text(in) ? "" : "a frame does not come back";
}

std::string OfiGreeting(Input in) {
  const auto bytes = libfabric::GreetingBytes(in);
  if (!bytes.ok() || *bytes == 0 || *bytes > in.size()) return "";
  if (*bytes > libfabric::kGreetingBytesMax) return "a greeting over its limit";
  const auto greeting = libfabric::DecodeGreeting(in.first(*bytes));
  if (!greeting.ok()) return "";
  return libfabric::EncodeGreeting(*greeting) == Text(in.first(*bytes))
             ? ""
             : "a greeting does not come back";
}

std::string OfiMemory(Input in) {
  PutHashRight(in);
  const auto range = libfabric::DecodeDescriptor(in);
  if (!range.ok()) return "";
  const auto again = libfabric::EncodeDescriptor(*range);
  return std::memcmp(again.data(), in.data(), in.size()) == 0 ? ""
                                                              : "a descriptor does not come back";
}

using Decoder = std::string (*)(Input);
constexpr Decoder kDecoders[kWires] = {UcxFrame,  UcxHello, UcxOffer,    UcxMessage,
                                       UcxMemory, OfiFrame, OfiGreeting, OfiMemory};

}  // namespace

std::string DecodeWire(const uint8_t* data, size_t size) {
  if (size == 0) return "";
  const size_t bytes = size - 1;
  const auto in = std::make_unique<std::byte[]>(bytes);
  if (bytes > 0) std::memcpy(in.get(), data + 1, bytes);
  return kDecoders[data[0] % kWires](absl::MakeSpan(in.get(), bytes));
}

}  // namespace tideway::fuzz
