// The frames between a publisher of weights and its subscribers, and the records inside them. docs/weight_sync.md has the
// conversation, the byte grammar and a worked example.
//
// Like the frames between client and server (frame.h), but of another protocol with a magic and a version of its own: a
// subscriber that reaches a parameter server by mistake is told so. Little-endian, 64 bytes. Header and payload carry an XXH3
// hash, so that a damaged, truncated or foreign message is recognised before any field of it is believed.
//
// Pure functions on bytes: no threads, no ownership.

#ifndef TIDEWAY_CORE_WIRE_WEIGHT_FRAMES_H_
#define TIDEWAY_CORE_WIRE_WEIGHT_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tideway/limits.h"

namespace tideway::wire {

inline constexpr uint32_t kWeightMagic = 0x53574454;  // "TDWS"
inline constexpr uint8_t kWeightVersion = 1;

enum class WeightFrameType : uint8_t {
  kHello = 1,    // subscriber -> publisher, weights.proto WeightHello
  kWelcome = 2,  // publisher -> subscriber, WeightWelcome
  kRefuse = 3,   // publisher -> subscriber, control.proto Refusal: the publisher closes after it
  kRequest =
      4,  // subscriber -> publisher: send me what is newer than the version `from` of `epoch`
  kVersion =
      5,  // publisher -> subscriber: now comes version `to`, in `count` frames; its checksums
  kChanges = 6,  // publisher -> subscriber: records of chunks, from version `from` to `to`
  kWhole = 7,    // publisher -> subscriber: one whole chunk of version `to`
  kTaken =
      8,  // subscriber -> publisher: `count` frames with weights are taken, over the whole connection
  kPing = 9,   // subscriber -> publisher
  kPong = 10,  // publisher -> subscriber
};

struct WeightFrameHeader {
  uint32_t magic = kWeightMagic;
  uint8_t version = kWeightVersion;
  uint8_t type = 0;  // WeightFrameType
  uint16_t flags = 0;
  uint64_t epoch = 0;  // of the versions in this frame; 0: none
  uint64_t from =
      0;  // kRequest: held; kVersion: the version to start from, 0: the whole comes; kChanges
  uint64_t to = 0;            // kVersion, kChanges, kWhole
  uint64_t count = 0;         // kVersion, kTaken
  uint32_t tensor = 0;        // kWhole: its index
  uint32_t chunk = 0;         // kWhole: its index within the tensor
  uint64_t payload_hash = 0;  // XXH3-64 of the payload; 0 without one
  uint32_t payload_bytes = 0;
  uint32_t header_hash = 0;  // low 32 bits of XXH3-64 of the bytes before it
};

inline constexpr size_t kWeightHeaderBytes = 64;
static_assert(sizeof(WeightFrameHeader) == kWeightHeaderBytes, "no padding");
static_assert(std::is_trivially_copyable_v<WeightFrameHeader>);
static_assert(offsetof(WeightFrameHeader, epoch) == 8);
static_assert(offsetof(WeightFrameHeader, tensor) == 40);
static_assert(offsetof(WeightFrameHeader, payload_hash) == 48);
static_assert(offsetof(WeightFrameHeader, header_hash) == 60);
static_assert(kWeightHeaderBytes <= kMessageHeaderBytesMax);

// Writes `header` with its magic, version and header_hash into `out`. REQUIRES: out.size() == kWeightHeaderBytes.
void WriteWeightHeader(WeightFrameHeader header, absl::Span<std::byte> out);

// The header in `bytes`, if it is one of ours and whole. INVALID_ARGUMENT says what is wrong: length, magic, version (both are
// named), type, flags, a field that this type does not use, or a payload_bytes that differs from what the transport announced.
// DATA_LOSS: damaged on the way.
absl::StatusOr<WeightFrameHeader> ReadWeightHeader(absl::Span<const std::byte> bytes,
                                                   size_t payload_bytes);

// DATA_LOSS if the payload is not what the sender hashed.
absl::Status CheckWeightPayload(const WeightFrameHeader& header,
                                absl::Span<const std::byte> payload);

// As a header has it.
constexpr uint8_t TypeByte(WeightFrameType type) { return static_cast<uint8_t>(type); }
absl::string_view WeightFrameName(WeightFrameType type);

// One encoded chunk in a kChanges frame.
struct WeightRecord {
  uint32_t tensor = 0;
  uint32_t chunk = 0;  // within the tensor
  absl::Span<const std::byte> difference = {};
};

// In front of each.
inline constexpr size_t kWeightRecordHeadBytes = 16;
// REQUIRES: out has kWeightRecordHeadBytes; fewer than 2^32 bytes follow.
void WriteWeightRecordHead(uint32_t tensor, uint32_t chunk, size_t difference_bytes,
                           std::byte* out);

// Reads the records of a payload, one after the other. `payload` outlives the records.
class WeightRecordReader {
 public:
  explicit WeightRecordReader(absl::Span<const std::byte> payload) : rest_(payload) {}

  bool AtEnd() const { return rest_.empty(); }
  // INVALID_ARGUMENT: no record stands there. REQUIRES: !AtEnd().
  absl::StatusOr<WeightRecord> Next();

 private:
  absl::Span<const std::byte> rest_;
};

}  // namespace tideway::wire

#endif  // TIDEWAY_CORE_WIRE_WEIGHT_FRAMES_H_
