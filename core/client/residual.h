// Residual: what lossy encoding left over, and what came back unapplied, of the fragments of one server.
//
// Each fragment's part comes into being when something is first left over, so a lossless codec that is never rejected
// costs no memory.
//
// With momentum (Deep Gradient Compression, arXiv 1712.01887, section 3) each fragment has a velocity too: u = momentum * u + delta takes
// the delta's place, and where something of it was sent, masking sets u back to zero.
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

// How error feedback is done; ClientOptions says what each means.
struct Feedback {
  bool enabled = true;  // without it nothing is kept and nothing comes back
  float decay = 1.0f;
  float momentum = 0.0f;
  bool masking = true;
};

class Residual {
 public:
  struct Sums {
    double squares = 0;
    uint64_t nonzero = 0;
  };

  Residual(const Layout* layout, uint32_t server, const Feedback& feedback)
      : layout_(layout), server_(server), feedback_(feedback) {}

  bool enabled() const { return feedback_.enabled; }

  // Encodes delta (or the velocity) + decay * residual, and keeps what is left over. After an error all is as it was.
  absl::StatusOr<size_t> Encode(const Codec& codec, uint32_t fragment,
                                absl::Span<const float> delta, absl::Span<std::byte> out);

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
  void AddTo(Sums* sums) const;

 private:
  std::vector<float>& Part(uint32_t fragment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<size_t> EncodeVelocity(const Codec& codec, uint32_t fragment,
                                        absl::Span<const float> delta, absl::Span<std::byte> out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Mask(const Codec& codec, absl::Span<const std::byte> sent,
                    std::vector<float>& velocity) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Layout* const layout_;
  const uint32_t server_;
  const Feedback feedback_;
  mutable absl::Mutex mutex_;
  std::map<uint32_t, std::vector<float>> parts_ ABSL_GUARDED_BY(mutex_);
  std::map<uint32_t, std::vector<float>> velocities_ ABSL_GUARDED_BY(mutex_);
  std::vector<float> next_velocity_ ABSL_GUARDED_BY(mutex_);  // of the fragment at hand
  std::vector<float> decoded_ ABSL_GUARDED_BY(mutex_);        // what was sent of it
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_RESIDUAL_H_
