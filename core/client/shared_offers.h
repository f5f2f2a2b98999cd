// SharedOffers: which of the client's shared deltas one server has mapped over the present connection. It is asked to when a delta from
// one is first pushed; until it has answered, that delta goes as any other.
//
// Threads: the state strand.

#ifndef TIDEWAY_CORE_CLIENT_SHARED_OFFERS_H_
#define TIDEWAY_CORE_CLIENT_SHARED_OFFERS_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "core/client/client_tasks.h"
#include "core/client/request_lane.h"
#include "core/client/shared_deltas.h"
#include "core/wire/frame.h"
#include "tideway/limits.h"

namespace tideway {

class SharedOffers {
 public:
  SharedOffers(ClientTasks* tasks, RequestLane* requests) : tasks_(tasks), requests_(requests) {}

  // Of a new connection: whether the server maps memory.
  void OnReady(bool maps) {
    maps_ = maps;
    mapped_ = {};
    asked_ = {};
  }

  // Where the server finds `payload`, a part of the block; none if it has not mapped that (yet).
  std::optional<wire::SharedPlace> PlaceOf(const SharedDelta& delta,
                                           absl::Span<const std::byte> payload);

 private:
  void Ask(const SharedDelta& delta);

  ClientTasks* const tasks_;
  RequestLane* const requests_;
  bool maps_ = false;
  // By number: the nonce of the block; 0: none.
  std::array<uint64_t, kSharedBlocksMax> mapped_ = {};
  std::array<uint64_t, kSharedBlocksMax> asked_ = {};
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_SHARED_OFFERS_H_
