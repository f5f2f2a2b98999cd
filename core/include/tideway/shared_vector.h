// SharedVector: fp32 values in memory that servers on the same host read where they lie.
//
// A push whose delta lies in one moves no byte over a connection within the host's memory: the server maps the memory, and checks and
// steps with what the worker wrote. Everywhere else, and until the server has mapped it, such a delta is pushed like any other.
//
//   absl::StatusOr<tideway::SharedVector> delta = client->NewDelta();
//   ... fill delta->span() ...
//   client->Push(delta->span(), {.inner_steps = 50}, deadline, done);
//
// Ownership: the memory lives as long as the SharedVector or a push that uses it. Threads: as for any memory; while a push is under way
// it belongs to the client. A forked child has the same memory, not a copy: what it writes there, its parent reads. Only the user who runs this process, and root, can map it.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_SHARED_VECTOR_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_SHARED_VECTOR_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/types/span.h"

namespace tideway {

class SharedBlock;

class SharedVector {
 public:
  // Of the library's making: Client::NewDelta.
  explicit SharedVector(std::shared_ptr<SharedBlock> block) : block_(std::move(block)) {}

  // Zeros at first.
  absl::Span<float> span();
  absl::Span<const float> span() const;

 private:
  std::shared_ptr<SharedBlock> block_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_SHARED_VECTOR_H_
