// PricedCodec: another codec, whose work takes virtual time on a BusyHost: so much per fp32 byte as it takes in reality.
//
// It encodes and decodes as the other one does, and has its wire id; only its name is kPricedCodec, by which client and server settle it.
// Threads: as BusyHost: one.

#ifndef TIDEWAY_BENCH_DRIVER_PRICED_CODEC_H_
#define TIDEWAY_BENCH_DRIVER_PRICED_CODEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "bench/driver/busy_host.h"
#include "tideway/codec.h"

namespace bench {

inline constexpr char kPricedCodec[] = "priced";

struct CodecPrice {
  double encode_s_per_byte = 0;  // of fp32
  double decode_s_per_byte = 0;
};

// `identity`, and `codec` under the name kPricedCodec; of identity itself nothing has a price, and kPricedCodec isn't there. `host`
// outlives the registry's codecs. NOT_FOUND, INVALID_ARGUMENT: `codec` is none of the built-in ones.
absl::StatusOr<tideway::CodecRegistry> PricedCodecs(const std::string& codec,
                                                    const CodecPrice& price, BusyHost* host);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_PRICED_CODEC_H_
