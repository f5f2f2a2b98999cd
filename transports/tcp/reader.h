// Reader: turns the bytes of a stream into messages for a Receiver. No sockets in here: the
// connection asks where the next bytes shall go (Prepare), reads them there, and says how many came
// (Consume).
//
// While a payload is arriving, its destination stands first in that list, so the bytes go straight
// there. Behind it, and between messages, stands a small read-ahead for prefixes and headers.
// Payload bytes that come along in it are copied, once. After a large payload the read-ahead asks
// for little, since another large one is likely to follow; among small messages it asks for much,
// so that one read brings many of them.
//
// Used by the progress thread only.

#ifndef TIDEWAY_TRANSPORTS_TCP_READER_H_
#define TIDEWAY_TRANSPORTS_TCP_READER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "tideway/transport.h"
#include "transports/tcp/frame.h"
#include "transports/tcp/turns.h"

namespace tideway::tcp {

class Reader {
 public:
  Reader();

  // Where the next bytes go, in this order; the second may be empty.
  std::array<absl::Span<std::byte>, 2> Prepare();

  // `bytes` have arrived where Prepare said. Calls `receiver` for every message that begins or ends
  // in them, and stops doing so when `closing` is set. An error (of the stream's form or of
  // OnMessage) ends the stream.
  absl::Status Consume(size_t bytes, Receiver& receiver, const std::atomic<bool>& closing);

  // Fails the landing that waits for more bytes, if there is one.
  void Fail(const absl::Status& reason);

  // Much of a payload is still to come.
  bool InLargePayload() const {
    return landing_active_ && landing_.destination.size() - landed_bytes_ > kLargeBytes;
  }

  bool InMidMessage() const { return landing_active_ || begin_ != end_; }

 private:
  absl::Span<const std::byte> Ahead() const {
    return absl::MakeConstSpan(ahead_).subspan(begin_, end_ - begin_);
  }
  // Takes one message's beginning from the read-ahead. `progress`: there was one.
  absl::Status TakeMessage(Receiver& receiver, bool& progress);
  absl::Status Land(const Prefix& prefix, Receiver& receiver);
  void FinishLandingIfComplete();

  std::vector<std::byte> ahead_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t ahead_wanted_;

  bool landing_active_ = false;
  Landing landing_;
  size_t landed_bytes_ = 0;
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_READER_H_
