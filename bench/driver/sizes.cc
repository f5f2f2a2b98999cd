#include "bench/driver/sizes.h"

#include <cctype>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tools/size_text.h"

namespace bench {
namespace {

constexpr char kHint[] = "write 4096, 64KiB, 1MiB, 4KiB,64KiB or 4KiB..256MiB";

struct Unit {
  const char* name;
  uint64_t bytes;
};
constexpr Unit kUnits[] = {{"", 1},          {"B", 1},          {"K", 1 << 10},
                           {"KiB", 1 << 10}, {"M", 1 << 20},    {"MiB", 1 << 20},
                           {"G", 1 << 30},   {"GiB", 1 << 30},  {"kB", 1000},
                           {"KB", 1000},     {"MB", 1'000'000}, {"GB", 1'000'000'000}};

absl::Status NoSize(absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no size; ", kHint));
}

absl::Status AddRange(absl::string_view text, absl::string_view first, absl::string_view rest,
                      std::vector<size_t>* sizes) {
  const std::pair<absl::string_view, absl::string_view> last_and_factor =
      absl::StrSplit(rest, absl::MaxSplits('*', 1));
  uint64_t factor = 4;
  const bool has_factor = absl::StrContains(rest, '*');
  if (has_factor && (!absl::SimpleAtoi(last_and_factor.second, &factor) || factor < 2)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' has no step; write a whole number behind *, as 4KiB..1MiB*16"));
  }
  const absl::StatusOr<size_t> low = ParseSize(first);
  if (!low.ok()) return low.status();
  const absl::StatusOr<size_t> high = ParseSize(last_and_factor.first);
  if (!high.ok()) return high.status();
  if (*low > *high) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' ends below its beginning; write the smaller size first"));
  }
  for (size_t size = *low; size<*high; size = factor> * high / size ? *high : size * factor) {
    sizes->push_back(size);
  }
  sizes->push_back(*high);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<size_t> ParseSize(absl::string_view text) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  size_t digits = 0;
  while (digits < trimmed.size() && absl::ascii_isdigit(trimmed[digits])) ++digits;
  const absl::string_view unit = absl::StripLeadingAsciiWhitespace(trimmed.substr(digits));
  uint64_t number = 0;
  if (!absl::SimpleAtoi(trimmed.substr(0, digits), &number)) return NoSize(text);
  for (const Unit& known : kUnits) {
    if (unit != known.name) continue;
    if (number > kSizeMax / known.bytes || number * known.bytes < sizeof(float)) {
      return absl::InvalidArgumentError(absl::StrCat("'", text, "' is out of range; sizes go from ",
                                                     sizeof(float), " bytes to ",
                                                     tideway::tools::SizeText(kSizeMax)));
    }
    if (number * known.bytes % sizeof(float) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", text, "' is no whole number of floats; take a multiple of 4 bytes"));
    }
    return static_cast<size_t>(number * known.bytes);
  }
  return NoSize(text);
}

absl::StatusOr<std::vector<size_t>> ParseSizes(absl::string_view text) {
  std::vector<size_t> sizes;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const size_t dots = part.find("..");
    if (dots != absl::string_view::npos) {
      const absl::Status added =
          AddRange(part, part.substr(0, dots), part.substr(dots + 2), &sizes);
      if (!added.ok()) return added;
    } else {
      const absl::StatusOr<size_t> size = ParseSize(part);
      if (!size.ok()) return size.status();
      sizes.push_back(*size);
    }
  }
  if (sizes.size() > kSizesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is ", sizes.size(), " sizes; ", kSizesMax, " are the most"));
  }
  return sizes;
}

absl::StatusOr<std::vector<size_t>> ParseParameters(absl::string_view text) {
  std::vector<size_t> sizes;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    absl::string_view digits = part;
    uint64_t unit = 1;
    for (const auto& [suffix, factor] : {std::pair{"K", 1000}, {"M", 1000000}, {"G", 1000000000}}) {
      if (absl::ConsumeSuffix(&digits, suffix)) {
        unit = static_cast<uint64_t>(factor);
        break;
      }
    }
    constexpr uint64_t kMax = kSizeMax / sizeof(float);
    uint64_t number = 0;
    if (!absl::SimpleAtoi(digits, &number) || number == 0 || number > kMax / unit) {
      return absl::InvalidArgumentError(absl::StrCat(
          "'", part, "' is no number of parameters; write 25M or 1M,100M, up to ", kMax));
    }
    sizes.push_back(number * unit * sizeof(float));
  }
  if (sizes.size() <= kSizesMax) return sizes;
  return absl::InvalidArgumentError(absl::StrCat("there may be ", kSizesMax, " of --parameters"));
}

}  // namespace bench
