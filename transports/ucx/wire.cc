#include "transports/ucx/wire.h"

#include <bit>
#include <cstring>
#include <type_traits>

#include "absl/strings/str_cat.h"

#define XXH_INLINE_ALL
#include "xxhash.h"

namespace tideway::ucx {
namespace {

constexpr uint32_t kFrameMagic = 0x58555754;    // "TWUX"
constexpr uint32_t kMessageMagic = 0x4d415754;  // "TWAM"
constexpr uint32_t kMemoryMagic = 0x444d5754;   // "TWMD"
constexpr uint16_t kVersion = 1;
constexpr size_t kMemoryFixedBytes = 48;
constexpr size_t kTextBytesMax = 512;

// Little-endian on the wire; every host that we build for is.
static_assert(std::endian::native == std::endian::little);

template <typename T>
void Put(std::string& out, T value) {
  static_assert(std::is_integral_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void PutText(std::string& out, absl::string_view text) {
  text = text.substr(0, kTextBytesMax);
  Put(out, static_cast<uint16_t>(text.size()));
  out.append(text.data(), text.size());
}

// Reads what Put wrote; after the end everything is zero and ok() is false.
class Taker {
 public:
  explicit Taker(absl::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T Take() {
    T value{};
    if (rest_.size() < sizeof(T)) {
      ok_ = false;
    } else {
      std::memcpy(&value, rest_.data(), sizeof(T));
      rest_.remove_prefix(sizeof(T));
    }
    return value;
  }
  std::string Text(size_t bytes) {
    if (rest_.size() < bytes) ok_ = false;
    if (!ok_) return "";
    std::string text(rest_.substr(0, bytes));
    rest_.remove_prefix(bytes);
    return text;
  }
  std::string Text() { return Text(Take<uint16_t>()); }
  std::string Rest() { return Text(rest_.size()); }

  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }

 private:
  absl::string_view rest_;
  bool ok_ = true;
};

absl::Status Damaged(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("a damaged ", what, " of Tideway's ucx transport"));
}

uint64_t FrameChecksum(FrameType type, absl::string_view body) {
  return XXH3_64bits_withSeed(body.data(), body.size(), static_cast<uint64_t>(type));
}

}  // namespace

std::string EncodeFrame(FrameType type, absl::string_view body) {
  std::string out;
  Put(out, kFrameMagic);
  Put(out, kVersion);
  Put(out, static_cast<uint8_t>(type));
  Put(out, uint8_t{0});
  Put(out, static_cast<uint32_t>(body.size()));
  Put(out, FrameChecksum(type, body));
  out.append(body.data(), body.size());
  return out;
}

absl::StatusOr<FramePrefix> DecodeFramePrefix(absl::Span<const std::byte> bytes) {
  Taker taker({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (taker.Take<uint32_t>() != kFrameMagic) {
    return absl::InvalidArgumentError(
        "the peer does not speak Tideway's ucx transport; is another program on that port?");
  }
  const auto version = taker.Take<uint16_t>();
  if (version != kVersion) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the peer speaks version ", version, " of the ucx transport's protocol, this end ",
        kVersion, "; run the same release on both ends"));
  }
  FramePrefix prefix;
  const auto type = taker.Take<uint8_t>();
  const auto flags = taker.Take<uint8_t>();
  prefix.body_bytes = taker.Take<uint32_t>();
  prefix.checksum = taker.Take<uint64_t>();
  if (!taker.ok() || flags != 0 || type < 1 || type > static_cast<uint8_t>(FrameType::kReady) ||
      prefix.body_bytes > kFrameBodyBytesMax) {
    return Damaged("frame");
  }
  prefix.type = static_cast<FrameType>(type);
  return prefix;
}

absl::Status CheckFrameBody(const FramePrefix& prefix, absl::string_view body) {
  if (FrameChecksum(prefix.type, body) != prefix.checksum) return Damaged("frame");
  return absl::OkStatus();
}

std::string Encode(const Hello& hello) {
  std::string out;
  Put(out, hello.pid);
  Put(out, uint32_t{hello.shared_memory_allowed});
  Put(out, hello.probe_address);
  Put(out, hello.nonce);
  PutText(out, hello.host);
  PutText(out, hello.tls);
  return out;
}

absl::StatusOr<Hello> DecodeHello(absl::string_view body) {
  Taker taker(body);
  Hello hello;
  hello.pid = taker.Take<uint32_t>();
  hello.shared_memory_allowed = taker.Take<uint32_t>() != 0;
  hello.probe_address = taker.Take<uint64_t>();
  hello.nonce = taker.Take<uint64_t>();
  hello.host = taker.Text();
  hello.tls = taker.Text();
  if (!taker.at_end()) return Damaged("hello");
  return hello;
}

std::string Encode(const Offer& offer) {
  std::string out;
  Put(out, uint8_t{offer.shared_memory});
  Put(out, uint8_t{offer.cma});
  return out + offer.worker_address;
}

absl::StatusOr<Offer> DecodeOffer(absl::string_view body) {
  Taker taker(body);
  Offer offer;
  offer.shared_memory = taker.Take<uint8_t>() != 0;
  offer.cma = taker.Take<uint8_t>() != 0;
  offer.worker_address = taker.Rest();
  if (!taker.ok() || offer.worker_address.empty()) return Damaged("offer");
  return offer;
}

std::string EncodeNumber(uint64_t number) {
  std::string out;
  Put(out, number);
  return out;
}

absl::StatusOr<uint64_t> DecodeNumber(absl::string_view body) {
  Taker taker(body);
  const auto number = taker.Take<uint64_t>();
  if (!taker.at_end()) return Damaged("number");
  return number;
}

void EncodeMessagePrefix(const MessagePrefix& prefix, std::byte* out) {
  const uint16_t reserved = 0;
  std::memcpy(out, &kMessageMagic, 4);
  std::memcpy(out + 4, &prefix.header_bytes, 2);
  std::memcpy(out + 6, &reserved, 2);
  std::memcpy(out + 8, &prefix.sequence, 8);
  std::memcpy(out + 16, &prefix.payload_bytes, 8);
}

absl::StatusOr<MessagePrefix> DecodeMessagePrefix(absl::Span<const std::byte> bytes,
                                                  size_t payload_bytes) {
  if (bytes.size() < kMessagePrefixBytes) return Damaged("message");
  uint32_t magic = 0;
  uint16_t reserved = 0;
  MessagePrefix prefix;
  std::memcpy(&magic, bytes.data(), 4);
  std::memcpy(&prefix.header_bytes, bytes.data() + 4, 2);
  std::memcpy(&reserved, bytes.data() + 6, 2);
  std::memcpy(&prefix.sequence, bytes.data() + 8, 8);
  std::memcpy(&prefix.payload_bytes, bytes.data() + 16, 8);
  if (magic != kMessageMagic || reserved != 0) return Damaged("message");
  if (prefix.header_bytes > kMessageHeaderBytesMax ||
      prefix.header_bytes + kMessagePrefixBytes != bytes.size() ||
      prefix.payload_bytes > kMessagePayloadBytesMax || prefix.payload_bytes != payload_bytes ||
      prefix.header_bytes + prefix.payload_bytes == 0) {
    return Damaged("message");
  }
  return prefix;
}

std::string Encode(const MemoryDescriptor& descriptor) {
  std::string out;
  Put(out, kMemoryMagic);
  Put(out, static_cast<uint16_t>(descriptor.kind));
  Put(out, static_cast<uint16_t>(descriptor.remote_key.size()));
  Put(out, descriptor.pid);
  Put(out, uint32_t{0});
  Put(out, descriptor.nonce);
  Put(out, descriptor.address);
  Put(out, descriptor.bytes);
  out += descriptor.remote_key;
  Put(out, static_cast<uint64_t>(XXH3_64bits(out.data(), out.size())));
  return out;
}

absl::StatusOr<MemoryDescriptor> DecodeMemoryDescriptor(absl::Span<const std::byte> bytes) {
  if (bytes.size() < kMemoryFixedBytes || bytes.size() > kMemoryDescriptorBytesMax)
    return Damaged("memory descriptor");
  const absl::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  uint64_t checksum = 0;
  std::memcpy(&checksum, text.data() + text.size() - sizeof(checksum), sizeof(checksum));
  if (XXH3_64bits(text.data(), text.size() - sizeof(checksum)) != checksum)
    return Damaged("memory descriptor");
  Taker taker(text.substr(0, text.size() - sizeof(checksum)));
  if (taker.Take<uint32_t>() != kMemoryMagic) return Damaged("memory descriptor");
  MemoryDescriptor descriptor;
  const auto kind = taker.Take<uint16_t>();
  const auto key_bytes = taker.Take<uint16_t>();
  descriptor.kind = static_cast<MemoryKind>(kind);
  descriptor.pid = taker.Take<uint32_t>();
  taker.Take<uint32_t>();
  descriptor.nonce = taker.Take<uint64_t>();
  descriptor.address = taker.Take<uint64_t>();
  descriptor.bytes = taker.Take<uint64_t>();
  descriptor.remote_key = taker.Text(key_bytes);
  if (!taker.at_end() || (kind != 1 && kind != 2)) return Damaged("memory descriptor");
  if (descriptor.address + descriptor.bytes < descriptor.address)
    return Damaged("memory descriptor");
  return descriptor;
}

}  // namespace tideway::ucx
