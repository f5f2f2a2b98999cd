// How quick a codec is where there is no wire: encoding, encoding with error feedback, and adding what was decoded, against memcpy of
// the same vector in the same round.
//
// A delta is worked through in fragments, as a push does, on the caller's thread alone. Encoded fragments are kept apart, so that
// decoding reads them from memory if they are many. What is measured first changes from round to round. Data is normal noise, which
// no codec finds easy.
//
// Threads: blocks its caller.

#ifndef TIDEWAY_BENCH_DRIVER_CODEC_SPEED_H_
#define TIDEWAY_BENCH_DRIVER_CODEC_SPEED_H_

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/common/histogram.h"
#include "bench/driver/statistics.h"
#include "tideway/codec.h"

namespace bench {

enum class CodecWork { kMemcpy, kEncode, kEncodeFeedback, kDecodeAdd };
inline constexpr size_t kCodecWorks = 4;

// One kind of work in one round.
struct CodecTurn {
  Histogram latencies;  // of fragments
  double bytes = 0;     // of fp32
  double seconds = 0;
  double cpu_s = 0;

  double gbytes_per_s() const { return bytes / seconds / 1e9; }
};
using CodecRound = std::array<CodecTurn, kCodecWorks>;

struct CodecSpeed {
  std::vector<CodecRound> rounds;
  double bytes_per_fp32_byte = 0;  // encoded

  Estimate Rate(CodecWork work) const;
  // Of its rate to that of memcpy in the same round.
  Estimate RatioToMemcpy(CodecWork work) const;
};

struct CodecSpeedSettings {
  size_t bytes = 0;  // of the delta
  size_t fragment_bytes = 0;
  int rounds = 6;
  absl::Duration round = absl::Milliseconds(500);
  std::function<void(const std::string& step)> on_step = [](const std::string&) {};
};

// DATA_LOSS: what was decoded and the residual are not what was encoded; RESOURCE_EXHAUSTED: no memory for the delta; or what the codec
// says.
absl::StatusOr<CodecSpeed> MeasureCodec(const tideway::Codec& codec,
                                        const CodecSpeedSettings& settings);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_CODEC_SPEED_H_
