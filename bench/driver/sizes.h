// Sizes as people write them: "4096", "64KiB", "1MiB", "1GB", and lists and ranges of them: "4KiB,1MiB", "4KiB..256MiB".
//
// Threads: plain functions.

#ifndef TIDEWAY_BENCH_DRIVER_SIZES_H_
#define TIDEWAY_BENCH_DRIVER_SIZES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace bench {

inline constexpr size_t kSizeMax = size_t{4} << 30;
inline constexpr size_t kSizesMax = 64;  // of a list

// INVALID_ARGUMENT: it is no size, or none from 4 bytes to kSizeMax, or no whole number of floats.
absl::StatusOr<size_t> ParseSize(absl::string_view text);

// A list, with commas, of sizes and of ranges; a range goes in steps of 4 times, or of so many times as stand behind it
// ("4KiB..1MiB*16"), and its end always belongs to it. INVALID_ARGUMENT as above, and for more than kSizesMax.
absl::StatusOr<std::vector<size_t>> ParseSizes(absl::string_view text);

// A list of numbers of parameters, which take four bytes each: "25M,1G", where K, M and G are powers of ten. The sizes of their vectors.
// INVALID_ARGUMENT as above.
absl::StatusOr<std::vector<size_t>> ParseParameters(absl::string_view text);

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_SIZES_H_
