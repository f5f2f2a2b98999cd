// When one fragment of a push was where: for who asks how long its stages take (ClientOptions::on_push_times,
// ServerOptions::on_push_times). Who does not ask pays one comparison per fragment: no clock is read and nothing is kept.
//
// Each end tells its own part, by its own executor's clock; a fragment has the same worker, fragment and sequence at both. On one
// host these clocks tick alike and are off by a constant, which Executor::Now() and the host's steady clock tell; two hosts' are not
// comparable to microseconds.
//
//   client   begun -> encode_begun -> encoded ........................................................ acknowledged
//   server                                    arrived -> landed -> apply_begun -> decoded -> stepped
//
// Plain values.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_PUSH_TIMES_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_PUSH_TIMES_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace tideway {

struct ClientPushTimes {
  uint32_t fragment = 0;
  uint64_t sequence = 0;  // of its server; a push that was sent again keeps it
  size_t bytes = 0;       // encoded
  absl::Time begun;       // Push was called; the same for all fragments of one push
  absl::Time encode_begun;
  absl::Time encoded;  // and from here on with the transport, as soon as that is ready
  absl::Time acknowledged;
};

struct ServerPushTimes {
  uint64_t worker = 0;
  uint32_t fragment = 0;
  uint64_t sequence = 0;
  absl::Time arrived;      // the transport had read its header
  absl::Time landed;       // all of its payload was here
  absl::Time apply_begun;  // it was its turn
  absl::Time decoded;      // and checked. A sparse delta is added as it is decoded: as `stepped`
  absl::Time stepped;      // the outer optimizer has had it; the acknowledgement leaves
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_PUSH_TIMES_H_
