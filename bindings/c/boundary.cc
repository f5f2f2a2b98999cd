#include "bindings/c/boundary.h"

#include <cstdlib>

#include "tideway/version.h"

namespace tideway::c {
namespace {

constexpr size_t kMessageBytesMax = 4096;

thread_local char last_message[kMessageBytesMax] = {};
thread_local int callbacks_entered = 0;

}  // namespace

tideway_status Report(const absl::Status& status) noexcept {
  if (status.ok()) return TIDEWAY_OK;
  return ReportText(static_cast<tideway_status>(status.code()), status.message());
}

tideway_status ReportText(tideway_status status, absl::string_view message) noexcept {
  const size_t length = std::min(message.size(), kMessageBytesMax - 1);
  std::memcpy(last_message, message.data(), length);
  last_message[length] = '\0';
  return status;
}

InCallback::InCallback() { ++callbacks_entered; }
InCallback::~InCallback() { --callbacks_entered; }

absl::Status InCallback::Refuse(absl::string_view what) {
  if (callbacks_entered == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(what,
                   " would wait for the callback that it is called in; hand the work to a "
                   "thread of the program's own"));
}

absl::Status NullArgument(absl::string_view name) {
  return absl::InvalidArgumentError(absl::StrCat(name, " is null"));
}

absl::Status DeadlineOf(int64_t timeout_ms, absl::Duration fallback, absl::Time now,
                        absl::Time& deadline) {
  if (timeout_ms < TIDEWAY_NO_TIMEOUT) {
    return absl::InvalidArgumentError(
        absl::StrCat("timeout_ms is ", timeout_ms, "; give milliseconds, 0 or TIDEWAY_NO_TIMEOUT"));
  }
  deadline = timeout_ms == TIDEWAY_NO_TIMEOUT ? absl::InfiniteFuture()
                                              : now + DurationOr(timeout_ms, fallback);
  return absl::OkStatus();
}

absl::Status CopyTexts(const char* const* texts, size_t count, absl::string_view name,
                       std::vector<std::string>& copies) {
  if (count != 0 && texts == nullptr) return NullArgument(name);
  for (size_t i = 0; i < count; ++i) {
    if (texts[i] == nullptr) return NullArgument(absl::StrCat(name, "[", i, "]"));
    copies.emplace_back(texts[i]);
  }
  return absl::OkStatus();
}

absl::Status CheckFloats(const void* memory, size_t bytes, size_t wanted, absl::string_view name) {
  if (memory == nullptr) return NullArgument(name);
  if (bytes != wanted) {
    return absl::InvalidArgumentError(absl::StrCat(name, " has ", bytes, " bytes and needs ",
                                                   wanted, ": fp32, all of the layout"));
  }
  if (reinterpret_cast<uintptr_t>(memory) % alignof(float) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is not aligned to ", alignof(float), " bytes"));
}

absl::Status CopyOut(absl::string_view text, char** copy) {
  *copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (*copy == nullptr) return absl::ResourceExhaustedError("out of memory");
  std::memcpy(*copy, text.data(), text.size());
  (*copy)[text.size()] = '\0';
  return absl::OkStatus();
}

absl::Status StructSizeError(size_t size, absl::string_view name) {
  return absl::InvalidArgumentError(absl::StrCat(name, ".struct_size is ", size,
                                                 "; set it to sizeof(", name, ") before the call"));
}

}  // namespace tideway::c

extern "C" {

const char* tideway_status_name(tideway_status status) {
  static constexpr const char* kNames[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED"};
  const auto number = static_cast<unsigned>(status);
  return number < std::size(kNames) ? kNames[number] : kNames[TIDEWAY_UNKNOWN];
}

const char* tideway_last_message(void) { return tideway::c::last_message; }

uint32_t tideway_abi_version(void) { return TIDEWAY_ABI_VERSION; }

const char* tideway_version(void) { return tideway::kVersion; }

void tideway_text_free(char* text) { std::free(text); }

}  // extern "C"
