// LogSink: where the library says what it has to say.
//
// Whoever first decides that something is an error logs it, once, here. The library writes nowhere else: no
// stderr, no global logger. A sink is called from any of the library's threads, must be thread-safe and must
// not call back into the library. The text is one line without a newline.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_LOG_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_LOG_H_

#include <functional>

#include "absl/strings/string_view.h"

namespace tideway {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// An empty sink drops everything.
using LogSink = std::function<void(LogLevel level, absl::string_view text)>;

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_LOG_H_
