// What must be known of a file before the dynamic linker gets it.

#ifndef TIDEWAY_CORE_RUNTIME_SHARED_LIBRARY_H_
#define TIDEWAY_CORE_RUNTIME_SHARED_LIBRARY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tideway {

// UNAVAILABLE, with `advice` at the end, if the file can't be read, is no shared library, or is cut off (a copy on a
// full disk): the dynamic linker would die of that, since it maps what the program headers promise.
absl::Status CheckSharedLibrary(const std::string& path, absl::string_view advice);

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_SHARED_LIBRARY_H_
