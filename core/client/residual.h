// Residual: what lossy encoding left over, and what came back unapplied, of the fragments of one server.
//
// Each fragment's part comes into being when something is first left over, so a lossless codec that is never rejected
// costs no memory.
//
// Threads: thread-safe. In use the lane's codec strand does one operation after the other; the lock is for the
// checkpoint that is taken from another thread.

#ifndef TIDEWAY_CORE_CLIENT_RESIDUAL_H_
#define TIDEWAY_CORE_CLIENT_RESIDUAL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "tideway/codec.h"
#include "tideway/layout.h"

namespace tideway {

class Residual {
 public:
  // `enabled`: error feedback. Without it nothing is kept and nothing comes back.
  Residual(const Layout* layout, uint32_t server, bool enabled)
      : layout_(layout), server_(server), enabled_(enabled) {}

  bool enabled() const { return enabled_; }

  // Encodes delta + decay * residual, and keeps what is left over.
  absl::StatusOr<size_t> Encode(const Codec& codec, uint32_t fragment,
                                absl::Span<const float> delta, float decay,
                                absl::Span<std::byte> out);

  // What was never sent comes back.
  void Add(uint32_t fragment, absl::Span<const float> delta);

  // What was encoded comes back.
  absl::Status AddEncoded(const Codec& codec, uint32_t fragment,
                          absl::Span<const std::byte> encoded);

  // Nothing of that fragment is left over, or may be.
  bool EmptyFor(uint32_t fragment) const;
  bool empty() const;
  // Into, and from, the fragments' places in a vector of layout.elements() floats.
  void CopyTo(absl::Span<float> all) const;
  void Set(absl::Span<const float> all);

 private:
  std::vector<float>& Part(uint32_t fragment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Layout* const layout_;
  const uint32_t server_;
  const bool enabled_;
  mutable absl::Mutex mutex_;
  std::map<uint32_t, std::vector<float>> parts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_RESIDUAL_H_
