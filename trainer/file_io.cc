#include "trainer/file_io.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace tideway::trainer {
namespace {

constexpr size_t kReadChunkBytes = size_t{1} << 18;

absl::Status SystemError(const std::string& doing, const std::string& path, int error) {
  const std::string text =
      absl::StrCat("Can't ", doing, " ", path, ": ", std::generic_category().message(error), ".");
  if (error == ENOENT) return absl::NotFoundError(text);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(text);
  return absl::UnavailableError(text);
}

absl::Status TooLong(const std::string& path, size_t bytes_max) {
  return absl::ResourceExhaustedError(
      absl::StrCat(path, " holds more than ", bytes_max, " bytes; use a smaller file."));
}

absl::Status WriteAndSync(const std::string& path, absl::string_view content) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return SystemError("write", path, errno);
  absl::Cleanup close_file = [file] { ::close(file); };
  while (!content.empty()) {
    const ssize_t written = ::write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError("write", path, errno);
    content.remove_prefix(static_cast<size_t>(written));
  }
  if (::fsync(file) != 0) return SystemError("fsync", path, errno);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t bytes_max) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is a folder, not a file."));
  }
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return SystemError("read", path, errno);
  absl::Cleanup close_file = [file] { ::close(file); };
  std::string content;
  while (true) {
    const size_t before = content.size();
    content.resize(before + kReadChunkBytes);
    const ssize_t got = ::read(file, content.data() + before, kReadChunkBytes);
    content.resize(before + static_cast<size_t>(got > 0 ? got : 0));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("read", path, errno);
    if (got == 0) return content;
    if (content.size() > bytes_max) return TooLong(path, bytes_max);
  }
}

absl::StatusOr<std::string> ReadMaybeGzip(const std::string& path, size_t bytes_max) {
  absl::StatusOr<std::string> raw = ReadFile(path, bytes_max);
  if (!raw.ok()) return raw;
  const bool gzip = raw->size() >= 2 && (*raw)[0] == '\x1f' && (*raw)[1] == '\x8b';
  if (!gzip) return raw;

  z_stream stream = {};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) {
    return absl::ResourceExhaustedError(absl::StrCat("No memory to unpack ", path, "."));
  }
  absl::Cleanup end = [&stream] { inflateEnd(&stream); };
  stream.next_in = reinterpret_cast<Bytef*>(raw->data());
  stream.avail_in = static_cast<uInt>(raw->size());
  std::string text;
  while (true) {
    const size_t before = text.size();
    text.resize(before + kReadChunkBytes);
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + before);
    stream.avail_out = static_cast<uInt>(kReadChunkBytes);
    const int result = inflate(&stream, Z_NO_FLUSH);
    text.resize(before + kReadChunkBytes - stream.avail_out);
    if (text.size() > bytes_max) return TooLong(path, bytes_max);
    if (result == Z_STREAM_END) {
      if (stream.avail_in == 0) return text;
      if (inflateReset(&stream) != Z_OK) break;  // gzip files may be several streams in a row
      continue;
    }
    if (result != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0)) break;
  }
  return absl::DataLossError(absl::StrCat(path, " is a damaged or cut gzip file."));
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content) {
  const std::string aside = absl::StrCat(path, ".tmp");
  if (absl::Status s = WriteAndSync(aside, content); !s.ok()) return s;
  if (::rename(aside.c_str(), path.c_str()) != 0) return SystemError("rename to", path, errno);
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return SystemError("open", folder, errno);
  absl::Cleanup close_directory = [directory] { ::close(directory); };
  if (::fsync(directory) != 0) return SystemError("fsync", folder, errno);
  return absl::OkStatus();
}

absl::Status MakeFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error && std::filesystem::is_directory(path)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("Can't create the folder ", path, ": ",
                   error ? error.message() : "something else has that name", "."));
}

}  // namespace tideway::trainer
