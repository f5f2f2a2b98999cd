// What a pull by differences adds to the frames of a pull. docs/wire.md has the byte grammar and a worked example.
//
// The server's published chain is one copy of a fragment that all clients share, and the differences from one version of it to
// the next. A client says which position of which chain it holds, and is answered with the differences from there on, or with
// the whole copy at the position where it is then: the anchor.
//
// A chain has a random id, so that versions of another life of the server are never taken for its own. Position {0, 0} is none.
//
// Pure functions on bytes: no threads, no ownership.

#ifndef TIDEWAY_CORE_WIRE_CHAIN_FRAMES_H_
#define TIDEWAY_CORE_WIRE_CHAIN_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/wire/frame.h"
#include "tideway/limits.h"

namespace tideway::wire {

struct ChainPosition {
  uint64_t chain = 0;
  uint64_t version = 0;  // of the fragment

  bool none() const { return chain == 0; }
  friend bool operator==(const ChainPosition&, const ChainPosition&) = default;
};

// kPull: the position that the client holds.
inline void SetHeld(ChainPosition held, FrameHeader& pull) {
  pull.floor = held.chain;
  pull.fragment_version = held.version;
}
inline ChainPosition HeldOf(const FrameHeader& pull) { return {pull.floor, pull.fragment_version}; }

// kPullReply: where the client is once it has taken the answer. None: what came belongs to no chain.
inline void SetReached(ChainPosition reached, FrameHeader& reply) {
  reply.floor = reached.chain;
  reply.fragment_version = reached.version;
}
inline ChainPosition ReachedOf(const FrameHeader& reply) {
  return {reply.floor, reply.fragment_version};
}

// With kFlagDifferences: the position that the first difference starts from.
inline void SetStart(uint64_t version, FrameHeader& reply) { reply.base_version = version; }
inline ChainPosition StartOf(const FrameHeader& reply) { return {reply.floor, reply.base_version}; }

// The payload of an answer with kFlagDifferences. The spans point into it.
struct Differences {
  uint64_t result_hash = 0;  // HashPayload of the fragment's values after the last of them
  std::vector<absl::Span<const std::byte>> links = {};  // in the order in which they are applied
};

// REQUIRES: at most kChainLinksMax links.
std::vector<std::byte> PackDifferences(const Differences& differences);
// What PackDifferences makes of so many links with so many bytes in all.
constexpr size_t DifferencesBytes(size_t links, size_t link_bytes) {
  return 16 + 4 * links + link_bytes;
}

// INVALID_ARGUMENT: the bytes are no such payload. No more memory than kChainLinksMax spans.
absl::StatusOr<Differences> ReadDifferences(absl::Span<const std::byte> payload);

}  // namespace tideway::wire

#endif  // TIDEWAY_CORE_WIRE_CHAIN_FRAMES_H_
