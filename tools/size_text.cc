#include "tools/size_text.h"

#include <iterator>

#include "absl/strings/str_cat.h"

namespace tideway::tools {

std::string SizeText(size_t bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB"};
  size_t unit = 0;
  while (bytes > 0 && bytes % 1024 == 0 && unit + 1 < std::size(units)) {
    bytes /= 1024;
    ++unit;
  }
  return absl::StrCat(bytes, " ", units[unit]);
}

}  // namespace tideway::tools
