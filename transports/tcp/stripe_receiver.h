// StripeReceiver: turns the bytes of several streams into messages for a Receiver. Stream 0 has the messages in their order; the
// chunks of large payloads come on any stream and are read straight into their place. No sockets in here: the connection asks
// where a stream's next bytes shall go (Prepare), reads them there, and says how many came (Consume).
//
// A stream waits, unread, while its next chunk's message has not been announced on stream 0; and stream 0 waits while too many
// messages are open (StripeWindow). So nothing is buffered here beyond a small read-ahead per stream.
//
// Used by the progress thread only.

#ifndef TIDEWAY_TRANSPORTS_TCP_STRIPE_RECEIVER_H_
#define TIDEWAY_TRANSPORTS_TCP_STRIPE_RECEIVER_H_

#include <array>
#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "tideway/transport.h"
#include "transports/tcp/stripe_frame.h"

namespace tideway::tcp {

class StripeReceiver {
 public:
  explicit StripeReceiver(size_t streams);

  // Where the stream's next bytes go, in this order; the second may be empty. REQUIRES: !Waits(stream).
  std::array<absl::Span<std::byte>, 2> Prepare(size_t stream);

  // `bytes` have arrived where Prepare said. Calls `receiver` for all that begins or ends by them, on whichever stream, and stops
  // doing so when `closing` is set. An error (of the streams' form or of OnMessage) ends the connection.
  absl::Status Consume(size_t stream, size_t bytes, Receiver& receiver,
                       const std::atomic<bool>& closing);

  // The stream must not be read now: what it has to say has no place yet.
  bool Waits(size_t stream) const { return streams_[stream].waits; }

  // Fails the landings that wait for more bytes.
  void Fail(const absl::Status& reason);

  bool InMidMessage() const;

 private:
  struct Stream {
    std::vector<std::byte> ahead;
    size_t begin = 0;
    size_t end = 0;
    size_t ahead_wanted = 0;
    bool waits = false;
    absl::Span<std::byte> rest;       // of the payload or chunk that is arriving
    std::optional<uint64_t> message;  // whose chunk it is; none: a plain message's payload

    absl::Span<const std::byte> Ahead() const {
      return absl::MakeConstSpan(ahead).subspan(begin, end - begin);
    }
  };

  struct Open {
    Landing landing;
    size_t landed_bytes = 0;
    std::bitset<kChunksMax> announced;
    bool complete = false;
    size_t bytes = 0;
  };

  Open& OpenAt(uint64_t number) { return open_[number - first_open_]; }

  absl::Status Parse(Stream& stream, Receiver& receiver, const std::atomic<bool>& closing);
  // Takes one frame's beginning from the read-ahead. `progress`: there was one.
  absl::Status TakeFrame(Stream& stream, Receiver& receiver, bool& progress);
  absl::Status TakeMessage(Stream& stream, bool striped, Receiver& receiver, bool& progress);
  absl::Status TakeChunk(Stream& stream, bool& progress);
  absl::Status LandPlain(Stream& stream, Landing landing, size_t payload_bytes);
  absl::Status OpenStriped(Landing landing, size_t payload_bytes);
  // The rest of the frame goes to `place`; what is in the read-ahead already is copied.
  void Begin(Stream& stream, absl::Span<std::byte> place);
  void OnLanded(Stream& stream, size_t bytes);

  std::vector<Stream> streams_;
  std::optional<Landing> plain_;
  std::deque<Open> open_;  // complete ones stay until those before them are
  uint64_t first_open_ = 0;
  uint64_t next_striped_ = 0;  // first_open_ + open_.size()
  StripeWindow window_;
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_STRIPE_RECEIVER_H_
