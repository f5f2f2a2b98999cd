// LineChannel: lines to and from somebody else, over a connected stream socket.
//
// Threads: one at a time. Ownership: closes its descriptor. A peer that falls silent, ends, or says too much gives a status, never
// a hang: DEADLINE_EXCEEDED, UNAVAILABLE ("it ended"), RESOURCE_EXHAUSTED (a line over kLineBytesMax).

#ifndef TIDEWAY_BENCH_DRIVER_LINE_CHANNEL_H_
#define TIDEWAY_BENCH_DRIVER_LINE_CHANNEL_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace bench {

inline constexpr size_t kLineBytesMax = size_t{4} << 20;  // a histogram with all its buckets

class LineChannel {
 public:
  explicit LineChannel(int socket) : socket_(socket) {}
  ~LineChannel();
  LineChannel(const LineChannel&) = delete;
  LineChannel& operator=(const LineChannel&) = delete;

  // `line` has no line break.
  absl::Status Write(absl::string_view line);
  // Without its line break.
  absl::StatusOr<std::string> Read(absl::Duration patience);
  // The peer reads the end of the stream; it can still be read from.
  void EndWriting();

 private:
  const int socket_;
  std::string pending_;
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_LINE_CHANNEL_H_
