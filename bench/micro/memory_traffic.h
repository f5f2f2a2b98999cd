// MemoryTraffic: the bytes that a server must touch to apply a model's pushes, touched by a loop that does nothing else: each payload is
// read, each updated array read and written in place. What this takes is the least that applying them could take on this memory.
//
// The model is cut into fragments as a server cuts it, so that both can be handed to the same threads in the same pieces.
//
// Threads: calls with different fragments may run at once.

#ifndef TIDEWAY_BENCH_MICRO_MEMORY_TRAFFIC_H_
#define TIDEWAY_BENCH_MICRO_MEMORY_TRAFFIC_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/common/vectors.h"

namespace bench {

class MemoryTraffic {
 public:
  // `payload_bytes` of one fragment's push, a multiple of 4 or a little more; `arrays` of the model's size, which can be updated.
  MemoryTraffic(size_t fragments, size_t fragment_elements, size_t payload_bytes, size_t arrays);

  // One push of one fragment, which updates the first `updated` arrays. REQUIRES: fragment < fragments, updated <= arrays.
  void Touch(size_t fragment, size_t updated);

  // What Touch moves: a byte that is read and written counts twice.
  size_t BytesOf(size_t updated) const;

 private:
  const size_t elements_;  // of a fragment
  const size_t payload_elements_;
  Vector payloads_;
  std::vector<Vector> arrays_;
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_MICRO_MEMORY_TRAFFIC_H_
