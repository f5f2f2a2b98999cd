// Residual: what lossy encoding left over, and what came back unapplied, of the fragments of one server.
//
// Each fragment's part comes into being when something is first left over, so a lossless codec that is never rejected
// costs no memory.
//
// With momentum (Deep Gradient Compression, arXiv 1712.01887, section 3) each fragment has a velocity too: u = momentum * u + delta takes
// the delta's place, and where something of it was sent, masking sets u back to zero.
//
// Threads: thread-safe. Each fragment has a lock of its own, so that two are encoded at once; what is done to one fragment is
// done one after the other by its codec strand anyway.

#ifndef TIDEWAY_CORE_CLIENT_RESIDUAL_H_
#define TIDEWAY_CORE_CLIENT_RESIDUAL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
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
  // REQUIRES: nothing else is under way.
  void Set(absl::Span<const float> all);
  void AddTo(Sums* sums) const;

 private:
  // Of one fragment.
  struct Part {
    mutable absl::Mutex mutex;
    std::vector<float> values ABSL_GUARDED_BY(mutex);
    std::vector<float> velocity ABSL_GUARDED_BY(mutex);  // empty without momentum
  };

  // Null if nothing of that fragment was ever left over.
  Part* Find(uint32_t fragment) const;
  Part& FindOrMake(uint32_t fragment);
  std::vector<std::pair<uint32_t, std::shared_ptr<Part>>> All() const;
  absl::StatusOr<size_t> EncodeVelocity(const Codec& codec, Part& part,
                                        absl::Span<const float> delta, absl::Span<std::byte> out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(part.mutex);

  const Layout* const layout_;
  const uint32_t server_;
  const Feedback feedback_;
  mutable absl::Mutex mutex_;
  // Parts stay where they are until Set.
  std::map<uint32_t, std::shared_ptr<Part>> parts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_RESIDUAL_H_
