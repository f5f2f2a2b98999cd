// PulledCopies: what a client that pulls by differences holds of one server's published chains: by fragment, the copy that the
// last pull brought, and its position in the chain.
//
// Nothing of an answer is believed: a difference that is malformed, or a result that is not what the server says it must be,
// drops the copy, and the next pull of that fragment brings the whole one.
//
// Memory: one fp32 copy of the fragments that were pulled.
//
// Threads: calls for different fragments may run at once; calls for one fragment come one after the other.

#ifndef TIDEWAY_CORE_CLIENT_PULLED_COPIES_H_
#define TIDEWAY_CORE_CLIENT_PULLED_COPIES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/wire/chain_frames.h"
#include "tideway/codec.h"

namespace tideway {

class PulledCopies {
 public:
  explicit PulledCopies(absl::Span<const uint32_t> fragments);

  // None: there is no copy. REQUIRES, as all methods: one of the fragments.
  wire::ChainPosition Held(uint32_t fragment) const { return copies_.at(fragment).position; }

  // `values` are the whole copy at `position`; none: they are of no chain, and what was held stays.
  void Keep(uint32_t fragment, wire::ChainPosition position, absl::Span<const float> values);

  // Takes the copy that is held to `reached` by the differences in `payload`, and into `destination`, which is as long.
  // INVALID_ARGUMENT: malformed. FAILED_PRECONDITION: the result is not the server's copy. REQUIRES: a copy is held.
  absl::Status Advance(uint32_t fragment, const Codec& codec, wire::ChainPosition reached,
                       absl::Span<const std::byte> payload, absl::Span<float> destination);

 private:
  struct Copy {
    wire::ChainPosition position;
    std::vector<float> values;
  };

  absl::flat_hash_map<uint32_t, Copy> copies_;  // by fragment; as many as at the beginning
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_PULLED_COPIES_H_
