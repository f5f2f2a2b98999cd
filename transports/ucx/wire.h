// The bytes that two ends exchange (spec.md): frames on the side connection, the header of an active message, and the
// descriptor of exposed memory. Nothing here knows a socket or UCX.
//
// Threads: none of its own. Errors: INVALID_ARGUMENT for bytes that are not ours, damaged, or over a limit.

#ifndef TIDEWAY_TRANSPORTS_UCX_WIRE_H_
#define TIDEWAY_TRANSPORTS_UCX_WIRE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tideway/limits.h"

namespace tideway::ucx {

// --- frames of the side connection ------------------------------------------------------------------------------
enum class FrameType : uint8_t {
  kHello = 1,     // both ends: who I am
  kProbed = 2,    // client: could I read your memory
  kOffer = 3,     // server: how we talk, and my worker's address
  kAnswer = 4,    // client: my worker's address
  kAccepted = 5,  // server: messages may come
  kRefused = 6,   // server: text of the reason
  kWired = 8,     // server: my endpoint reaches you; wait for mine, then stop
  kReady = 9,     // client: mine reaches you too
  kGoodbye = 7,   // both ends: so many messages I have sent; take them and close
};

inline constexpr size_t kFramePrefixBytes = 20;
// A worker's address grows with the number of adapters: about 100 bytes for each.
inline constexpr size_t kFrameBodyBytesMax = size_t{32} << 10;

struct FramePrefix {
  FrameType type;
  uint32_t body_bytes;
  uint64_t checksum;
};

std::string EncodeFrame(FrameType type, absl::string_view body);
absl::StatusOr<FramePrefix> DecodeFramePrefix(absl::Span<const std::byte> bytes);
absl::Status CheckFrameBody(const FramePrefix& prefix, absl::string_view body);

struct Hello {
  uint32_t pid = 0;
  bool shared_memory_allowed = false;
  uint64_t probe_address = 0;  // of eight bytes that hold `nonce`
  uint64_t nonce = 0;
  std::string host;  // equal for processes that can share memory
  std::string tls;   // for messages about what does not fit
};
std::string Encode(const Hello& hello);
absl::StatusOr<Hello> DecodeHello(absl::string_view body);

struct Offer {
  bool shared_memory = false;
  bool cma = false;
  std::string worker_address;
};
std::string Encode(const Offer& offer);
absl::StatusOr<Offer> DecodeOffer(absl::string_view body);

std::string EncodeNumber(uint64_t number);
absl::StatusOr<uint64_t> DecodeNumber(absl::string_view body);

// --- the header of an active message ----------------------------------------------------------------------------
inline constexpr unsigned kMessageId = 7;  // UCX's id of our active messages
inline constexpr size_t kMessagePrefixBytes = 24;

struct MessagePrefix {
  uint16_t header_bytes = 0;
  uint64_t sequence = 0;
  uint64_t payload_bytes = 0;
};
void EncodeMessagePrefix(const MessagePrefix& prefix, std::byte* out);
// `bytes`: prefix and header; `payload_bytes`: what UCX says that the payload has.
absl::StatusOr<MessagePrefix> DecodeMessagePrefix(absl::Span<const std::byte> bytes,
                                                  size_t payload_bytes);

// --- the descriptor of exposed memory ---------------------------------------------------------------------------
enum class MemoryKind : uint16_t {
  kProcess = 1,  // read by the kernel from the process `pid`
  kRemoteKey = 2,
};

struct MemoryDescriptor {
  MemoryKind kind = MemoryKind::kProcess;
  uint32_t pid = 0;
  uint64_t nonce = 0;  // of the process: a pid can be another's by now
  uint64_t address = 0;
  uint64_t bytes = 0;
  std::string remote_key;  // packed by UCX
};
std::string Encode(const MemoryDescriptor& descriptor);
absl::StatusOr<MemoryDescriptor> DecodeMemoryDescriptor(absl::Span<const std::byte> bytes);

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_WIRE_H_
