// One look at a payload of fp32 values: its hash, and whether all of them are finite.
//
// Both ends need both, and memory is what they cost: one pass that has each value in a register once takes little more than
// either alone. The hash is HashPayload's (frame.h), so it makes no difference on the wire who made it how.
//
// PayloadScanner takes the same look piece by piece, while the payload arrives and each piece is still in a near cache.
//
// Functions of bytes, which they don't own: no threads.

#ifndef TIDEWAY_CORE_WIRE_PAYLOAD_SCAN_H_
#define TIDEWAY_CORE_WIRE_PAYLOAD_SCAN_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace tideway::wire {

struct PayloadScan {
  uint64_t hash = 0;
  bool finite = true;  // no NaN, no infinity
};

// Of a payload that arrives from its first byte to its last. `finite` means nothing where the bytes are no fp32 values.
class PayloadScanner {
 public:
  PayloadScanner() = default;  // of nothing
  explicit PayloadScanner(absl::Span<const std::byte> payload);

  // The first `landed` bytes are there.
  void Advance(size_t landed);
  // All are there.
  PayloadScan Finish();
  // What Finish would look at.
  size_t left() const { return payload_.size() - scanned_; }

 private:
  absl::Span<const std::byte> payload_;
  size_t scanned_ = 0;  // whole blocks
  alignas(32) uint64_t lanes_[8] = {};
  alignas(32) uint32_t largest_[16] = {};
};

// REQUIRES: a whole number of fp32 values, little-endian.
PayloadScan ScanFloats(absl::Span<const std::byte> payload);

// Only the second half of it, for memory that nobody needs hashed.
bool AllFinite(absl::Span<const std::byte> payload);

// XXH3-64 of bytes of any number.
uint64_t HashBytes(absl::Span<const std::byte> bytes);

// What ScanFloats does where the processor has nothing better; for its test.
PayloadScan ScanFloatsPortably(absl::Span<const std::byte> payload);

}  // namespace tideway::wire

#endif  // TIDEWAY_CORE_WIRE_PAYLOAD_SCAN_H_
