// OneSided: reading a peer's memory without the peer's CPU (RDMA read, or a copy by the kernel between two processes of one
// host).
//
// An optional ability of a connection (Connection::one_sided, null where it is missing). It is there only where the peer's
// processor really has no part in a read; a transport that would emulate reads with messages does not offer it.
//
// The owner of memory exposes it and sends the descriptor to the peer in a message of its own; the peer hands it to Read. The
// memory may change while it is read: what arrives can be torn, in any way, and whoever reads must be able to tell (a checksum,
// a version). Nothing here orders a read against messages.
//
// Threads, completions, buffers, closing: as in transport.h. Expose may be called from any thread and may take long (the
// memory is pinned and registered).
//
//   server:  auto exposed = connection->one_sided()->Expose(snapshot);   // keep it; send (*exposed)->descriptor()
//   client:  connection->one_sided()->Read(descriptor, 0, destination, deadline, [](absl::Status s) { ... });

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_ONE_SIDED_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_ONE_SIDED_H_

#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace tideway {

// Memory that peers may read, for as long as this handle lives. A read that begins or is under way when it is dropped fails
// or brings bytes of whatever lies there then. The memory itself must outlive the handle.
class ExposedMemory {
 public:
  virtual ~ExposedMemory() = default;

  // What a peer needs to read it: opaque, at most kMemoryDescriptorBytesMax bytes, good for every connection over the same
  // transport and provider as the one that exposed it.
  virtual absl::Span<const std::byte> descriptor() const = 0;
};

class OneSided {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  virtual ~OneSided() = default;

  // Exposing the same memory once more, also over another connection, is cheap: the registration is shared. REQUIRES: not
  // empty. RESOURCE_EXHAUSTED: so much can't be registered (the message names the limit). CANCELLED: closed.
  virtual absl::StatusOr<std::shared_ptr<ExposedMemory>> Expose(
      absl::Span<const std::byte> memory) = 0;

  // Reads local.size() bytes that begin `offset` bytes into the memory behind `descriptor`. `descriptor` is copied; `local`
  // belongs to the transport until `done` fires. INVALID_ARGUMENT: the descriptor is damaged, or the range goes beyond the
  // memory. UNAVAILABLE: the connection broke. DEADLINE_EXCEEDED: the deadline passed, and the connection is closed, since a
  // read can't be taken back. RESOURCE_EXHAUSTED: kReadsInFlightMax wait already. A read of nothing is OK.
  virtual void Read(absl::Span<const std::byte> descriptor, size_t offset,
                    absl::Span<std::byte> local, absl::Time deadline, Done done) = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_ONE_SIDED_H_
