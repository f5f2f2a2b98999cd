// What every function of the C ABI does at its border: turns statuses and exceptions into a tideway_status and a message, checks the
// sizes of structs, and knows whether the thread is inside a callback.

#ifndef TIDEWAY_BINDINGS_C_BOUNDARY_H_
#define TIDEWAY_BINDINGS_C_BOUNDARY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bindings/c/tideway.h"

namespace tideway::c {

// Remembers the message for tideway_last_message where it is an error. Allocates nothing.
tideway_status Report(const absl::Status& status) noexcept;
tideway_status ReportText(tideway_status status, absl::string_view message) noexcept;

// Runs `body`, which returns an absl::Status, and lets nothing out but a status.
template <typename Body>
tideway_status Boundary(Body&& body) noexcept {
  try {
    return Report(body());
  } catch (const std::bad_alloc&) {
    return ReportText(TIDEWAY_RESOURCE_EXHAUSTED, "out of memory");
  } catch (const std::exception& error) {
    return ReportText(TIDEWAY_INTERNAL, error.what());
  } catch (...) {
    return ReportText(TIDEWAY_INTERNAL, "an unknown exception");
  }
}

// While one exists, this thread runs a callback of the program's.
class InCallback {
 public:
  InCallback();
  ~InCallback();
  InCallback(const InCallback&) = delete;
  InCallback& operator=(const InCallback&) = delete;

  // FAILED_PRECONDITION inside a callback: `what` would wait for it.
  static absl::Status Refuse(absl::string_view what);
};

absl::Status NullArgument(absl::string_view name);

// The deadline of a call that was given timeout_ms, at `now`. INVALID_ARGUMENT for a negative one that is not TIDEWAY_NO_TIMEOUT.
absl::Status DeadlineOf(int64_t timeout_ms, absl::Duration fallback, absl::Time now,
                        absl::Time& deadline);

inline absl::Duration DurationOr(int64_t milliseconds, absl::Duration fallback) {
  return milliseconds == 0 ? fallback : absl::Milliseconds(milliseconds);
}

inline std::string TextOr(const char* text, absl::string_view fallback) {
  return std::string(text != nullptr ? absl::string_view(text) : fallback);
}

// INVALID_ARGUMENT for a null where one is needed.
absl::Status CopyTexts(const char* const* texts, size_t count, absl::string_view name,
                       std::vector<std::string>& copies);

// INVALID_ARGUMENT unless `memory` has room for `wanted` bytes of floats and is aligned for them.
absl::Status CheckFloats(const void* memory, size_t bytes, size_t wanted, absl::string_view name);

// A copy for tideway_text_free.
absl::Status CopyOut(absl::string_view text, char** copy);

inline constexpr size_t kStructBytesMax = 4096;  // what a header of any time may have

absl::Status StructSizeError(size_t size, absl::string_view name);

// A caller's struct as this library knows it: what an older header lacks is zero; what a newer one has must be.
template <typename Struct>
absl::Status CopyIn(const Struct* given, absl::string_view name, Struct& known) {
  known = {};
  if (given == nullptr) return absl::OkStatus();
  const size_t size = given->struct_size;
  if (size < sizeof(size_t) || size > kStructBytesMax) return StructSizeError(size, name);
  const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
  const size_t shared = std::min(size, sizeof(Struct));
  if (!std::all_of(bytes + shared, bytes + size, [](unsigned char byte) { return byte == 0; })) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " sets a field that this library (version ", tideway_version(),
                     ") does not know; install the one that the program was compiled for"));
  }
  std::memcpy(&known, given, shared);
  return absl::OkStatus();
}

template <typename Struct>
absl::Status CheckOut(const Struct* wanted, absl::string_view name) {
  if (wanted == nullptr) return absl::OkStatus();
  const size_t size = wanted->struct_size;
  return size < sizeof(size_t) || size > kStructBytesMax ? StructSizeError(size, name)
                                                         : absl::OkStatus();
}

// Fills as much of the caller's struct as it has; what this library does not know becomes zero. REQUIRES: CheckOut was OK.
template <typename Struct>
void CopyBack(Struct known, Struct* wanted) {
  if (wanted == nullptr) return;
  const size_t size = wanted->struct_size;
  std::memset(static_cast<void*>(wanted), 0, size);
  known.struct_size = size;
  std::memcpy(static_cast<void*>(wanted), &known, std::min(size, sizeof(Struct)));
}

}  // namespace tideway::c

#endif  // TIDEWAY_BINDINGS_C_BOUNDARY_H_
