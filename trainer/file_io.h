// Whole files: read with a bound, write so that a crash leaves the old file or the new one.
#ifndef TIDEWAY_TRAINER_FILE_IO_H_
#define TIDEWAY_TRAINER_FILE_IO_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tideway::trainer {

// NotFound, PermissionDenied, ResourceExhausted (longer than bytes_max), or Unavailable, each with
// the path. A directory is InvalidArgument.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t bytes_max);

// The same, unpacking a gzip stream where the content starts as one. `bytes_max` bounds what comes
// out; a damaged or cut stream is DataLoss.
absl::StatusOr<std::string> ReadMaybeGzip(const std::string& path, size_t bytes_max);

// Writes `path`.tmp, fsyncs it, renames it over `path` and fsyncs the folder.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content);

// Creates the folder and its parents. InvalidArgument where something else is in the way.
absl::Status MakeFolder(const std::string& path);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_FILE_IO_H_
