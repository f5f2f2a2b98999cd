#include "bench/driver/progress.h"

#include <algorithm>
#include <ostream>

namespace bench {
namespace {

constexpr size_t kBarWidth = 24;
constexpr char kLineStart[] = "\r\033[K";

}  // namespace

void Progress::Begin(const std::string& text) {
  const size_t done = std::min(begun_++, steps_);
  if (!on_terminal_) return;
  const size_t filled = kBarWidth * done / std::max<size_t>(steps_, 1);
  err_ << kLineStart << '[' << std::string(filled, '#') << std::string(kBarWidth - filled, '.')
       << "] " << 100 * done / std::max<size_t>(steps_, 1) << " %  " << text << std::flush;
}

void Progress::Clear() {
  if (on_terminal_) err_ << kLineStart << std::flush;
}

}  // namespace bench
