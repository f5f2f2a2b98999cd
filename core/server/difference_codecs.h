// DifferenceCodecs: which codecs a server makes differences for pulls with at the moment.
//
// Every such codec costs a published chain per fragment, so their number is bounded, and clients with equal specs share one. A
// codec counts as long as somebody holds it: the sessions of its clients do.
//
// Threads: thread-safe.

#ifndef TIDEWAY_CORE_SERVER_DIFFERENCE_CODECS_H_
#define TIDEWAY_CORE_SERVER_DIFFERENCE_CODECS_H_

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "tideway/codec.h"

namespace tideway {

class DifferenceCodecs {
 public:
  // `registry` outlives this.
  DifferenceCodecs(const CodecRegistry* registry, size_t codecs_max)
      : registry_(registry), codecs_max_(codecs_max) {}

  // RESOURCE_EXHAUSTED: as many others are in use; the registry's statuses for a spec that it can't make.
  absl::StatusOr<std::shared_ptr<const Codec>> Take(const std::string& spec);

 private:
  const CodecRegistry* const registry_;
  const size_t codecs_max_;
  absl::Mutex mutex_;
  std::map<std::string, std::weak_ptr<const Codec>> by_spec_ ABSL_GUARDED_BY(mutex_);  // canonical
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_DIFFERENCE_CODECS_H_
