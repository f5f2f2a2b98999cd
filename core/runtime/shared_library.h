// What must be known before the dynamic linker gets a file: of that file, and of what is loaded already.

#ifndef TIDEWAY_CORE_RUNTIME_SHARED_LIBRARY_H_
#define TIDEWAY_CORE_RUNTIME_SHARED_LIBRARY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tideway {

// UNAVAILABLE, with `advice` at the end, if the file can't be read, is no shared library, or is cut off (a copy on a
// full disk): the dynamic linker would die of that, since it maps what the program headers promise.
absl::Status CheckSharedLibrary(const std::string& path, absl::string_view advice);

// The shared libraries in this process, by their paths.
std::vector<std::string> LoadedLibraries();

// Of `paths`, the first that is a copy of the library `soname` ("libucs.so.0") under another name, as wheels have them
// ("/venv/lib/libucs-1a2b3c.so.0"). Empty: none is.
std::string OtherCopyOf(absl::string_view soname, const std::vector<std::string>& paths);

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_SHARED_LIBRARY_H_
