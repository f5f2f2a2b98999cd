#include "transports/ucx/log_scope.h"

#include <ucs/debug/log_def.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::ucx {
namespace {

thread_local const LogSink* sink_of_this_thread = nullptr;

LogLevel LevelOf(ucs_log_level_t level) {
  if (level <= UCS_LOG_LEVEL_ERROR) return LogLevel::kError;
  if (level == UCS_LOG_LEVEL_WARN) return LogLevel::kWarning;
  return level <= UCS_LOG_LEVEL_INFO ? LogLevel::kInfo : LogLevel::kDebug;
}

ucs_log_func_rc_t Handle(const char*, unsigned, const char*, ucs_log_level_t level,
                         const ucs_log_component_config_t*, const char* format, va_list arguments) {
  if (sink_of_this_thread == nullptr) return UCS_LOG_FUNC_RC_CONTINUE;
  if (!*sink_of_this_thread) return UCS_LOG_FUNC_RC_STOP;
  std::array<char, 512> text;
  const int bytes = std::vsnprintf(text.data(), text.size(), format, arguments);
  if (bytes > 0) {
    const size_t kept = std::min(static_cast<size_t>(bytes), text.size() - 1);
    (*sink_of_this_thread)(LevelOf(level),
                           absl::StrCat("ucx: ", absl::string_view(text.data(), kept)));
  }
  return UCS_LOG_FUNC_RC_STOP;
}

}  // namespace

LogScope::LogScope(const LogSink* sink) : outer_(std::exchange(sink_of_this_thread, sink)) {
  // UCX has a stack of handlers for the whole process, from which only the top can be taken: ours stays.
  static std::once_flag pushed;
  std::call_once(pushed, [] { ucs_log_push_handler(&Handle); });
}

LogScope::~LogScope() { sink_of_this_thread = outer_; }

}  // namespace tideway::ucx
