// Transfers: the reads of one connection from its peer's memory: payloads that arrive, and one-sided reads. Each is cut into
// chunks, some of which are under way at a time, in the order in which the transfers began.
//
// Used by the loop's thread only.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_TRANSFERS_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_TRANSFERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "core/runtime/ring_queue.h"
#include "tideway/transport.h"
#include "transports/libfabric/domain.h"
#include "transports/libfabric/frame.h"

namespace tideway::libfabric {

struct Transfer {
  std::array<RemotePart, kGatherPartsMax> parts;
  size_t part = 0;        // the one whose bytes are asked for next
  size_t part_asked = 0;  // of it
  absl::Span<std::byte> destination;
  size_t asked = 0;
  size_t arrived = 0;
  Registration local;
  bool message = false;  // otherwise a one-sided read
  uint32_t sequence = 0;
  absl::Time deadline;
  Done done;
};

class Transfers {
 public:
  Transfers(Domain* domain, Role role, fi_addr_t peer, FabricUser* user)
      : domain_(domain), role_(role), peer_(peer), user_(user) {}

  // A fresh one, to be filled and begun.
  Transfer* New();
  // Takes over the transfer; what it can't ask for now, it asks for in Ask.
  absl::Status Begin(Transfer* transfer);

  // Asks for as much as may be under way. kLater: the domain has no room.
  Outcome Ask();

  // A chunk has come. True if that completes the transfer, which the caller then finishes and recycles.
  bool OnChunk(Transfer* transfer, size_t bytes);
  // A chunk has failed.
  void OnFailedChunk() { --chunks_out_; }
  void Recycle(Transfer* transfer);

  bool reading() const { return chunks_out_ > 0; }
  size_t active() const { return active_.size(); }
  absl::Time EarliestDeadline() const;
  // Fails all. REQUIRES: !reading(), or the endpoint is closed.
  void FailAll(const absl::Status& reason);

 private:
  Outcome AskChunk(Transfer& transfer);

  Domain* const domain_;
  const Role role_;
  const fi_addr_t peer_;
  FabricUser* const user_;
  std::vector<std::unique_ptr<Transfer>> all_;
  std::vector<Transfer*> free_;
  std::vector<Transfer*> active_;
  RingQueue<Transfer*> asking_;
  size_t chunks_out_ = 0;
};

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_TRANSFERS_H_
