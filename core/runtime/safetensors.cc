#include "tideway/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace tideway {
namespace {

static_assert(std::endian::native == std::endian::little,
              "values are written as they lie in memory");

using Json = nlohmann::ordered_json;

constexpr char kMetadataKey[] = "__metadata__";
constexpr size_t kLengthBytes = sizeof(uint64_t);
constexpr size_t kAlignment = 8;  // of the values in the file, so that they can be mapped

absl::Status DiskError(absl::string_view doing, absl::string_view path, int error) {
  const std::string text =
      absl::StrCat("can't ", doing, " ", path, ": ", std::generic_category().message(error));
  return error == ENOENT ? absl::NotFoundError(text) : absl::UnavailableError(text);
}

absl::Status Damaged(const std::string& path, absl::string_view why) {
  return absl::DataLossError(absl::StrCat(path, " is no well-formed safetensors file: ", why));
}

// The product of a shape, or nothing where a dimension is negative or the product overflows.
std::optional<size_t> Elements(const std::vector<int64_t>& shape) {
  size_t product = 1;
  for (int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    const size_t d = static_cast<size_t>(dimension);
    if (d != 0 && product > std::numeric_limits<size_t>::max() / sizeof(float) / d) {
      return std::nullopt;
    }
    product *= d;
  }
  return product;
}

// --- writing -------------------------------------------------------------------------------------------------------

absl::StatusOr<std::string> BuildHeader(absl::Span<const SafetensorsView> tensors,
                                        const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  std::set<std::string> seen = {"", kMetadataKey};
  size_t offset = 0;
  for (const SafetensorsView& tensor : tensors) {
    if (!seen.insert(tensor.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor name '", tensor.name, "' is empty, reserved or used twice"));
    }
    if (Elements(tensor.shape) != tensor.values.size()) {
      return absl::InvalidArgumentError(absl::StrCat("the shape of tensor '", tensor.name,
                                                     "' does not fit its ", tensor.values.size(),
                                                     " values"));
    }
    const size_t end = offset + tensor.values.size() * sizeof(float);
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  if (text.size() > kSafetensorsHeaderBytesMax) {
    return absl::InvalidArgumentError("the safetensors header would be longer than 64 MiB");
  }
  return text;
}

absl::Status WriteAll(int file, const void* data, size_t bytes, const std::string& path) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(file, at, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return DiskError("write", path, errno);
    at += written;
    bytes -= static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

absl::Status WriteAside(const std::string& path, const std::string& header,
                        absl::Span<const SafetensorsView> tensors) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return DiskError("create", path, errno);
  absl::Cleanup close_file = [file] { ::close(file); };
  const uint64_t length = header.size();
  if (absl::Status s = WriteAll(file, &length, sizeof(length), path); !s.ok()) return s;
  if (absl::Status s = WriteAll(file, header.data(), header.size(), path); !s.ok()) return s;
  for (const SafetensorsView& tensor : tensors) {
    const size_t bytes = tensor.values.size() * sizeof(float);
    if (absl::Status s = WriteAll(file, tensor.values.data(), bytes, path); !s.ok()) return s;
  }
  return ::fsync(file) == 0 ? absl::OkStatus() : DiskError("fsync", path, errno);
}

// Makes the rename itself durable.
absl::Status SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return DiskError("open", folder, errno);
  absl::Cleanup close_directory = [directory] { ::close(directory); };
  return ::fsync(directory) == 0 ? absl::OkStatus() : DiskError("fsync", folder, errno);
}

// --- reading -------------------------------------------------------------------------------------------------------

absl::Status ReadAll(int file, void* data, size_t bytes, const std::string& path) {
  char* at = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t got = ::read(file, at, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return DiskError("read", path, errno);
    if (got == 0) return Damaged(path, "it ends too early");
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

struct Entry {
  TensorSpec spec;
  size_t begin = 0, end = 0;  // bytes
};

// Reads a whole number that is not negative; anything else is nothing.
std::optional<size_t> WholeNumber(const Json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<size_t>();
}

absl::StatusOr<Entry> ParseEntry(const std::string& path, const std::string& name,
                                 const Json& value, size_t data_bytes) {
  const std::string quoted = absl::StrCat("tensor '", name, "' ");
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets")) {
    return Damaged(path, absl::StrCat(quoted, "lacks dtype, shape or data_offsets"));
  }
  if (!value["dtype"].is_string() || !value["shape"].is_array()) {
    return Damaged(path, absl::StrCat(quoted, "has a dtype or shape of the wrong kind"));
  }
  if (value["dtype"] != "F32") {
    return absl::UnimplementedError(absl::StrCat(path, ": ", quoted, "is ",
                                                 value["dtype"].get<std::string>(),
                                                 "; only F32 is read, convert the file first"));
  }
  Entry entry;
  entry.spec.name = name;
  for (const Json& dimension : value["shape"]) {
    const std::optional<size_t> d = WholeNumber(dimension);
    if (!d || *d > static_cast<size_t>(std::numeric_limits<int64_t>::max())) {
      return Damaged(path, absl::StrCat(quoted, "has a dimension that is no size"));
    }
    entry.spec.shape.push_back(static_cast<int64_t>(*d));
  }
  const Json& offsets = value["data_offsets"];
  const bool pair = offsets.is_array() && offsets.size() == 2;
  const std::optional<size_t> begin = pair ? WholeNumber(offsets[0]) : std::nullopt;
  const std::optional<size_t> end = pair ? WholeNumber(offsets[1]) : std::nullopt;
  if (!begin || !end || *begin > *end || *end > data_bytes) {
    return Damaged(path, absl::StrCat(quoted, "has data_offsets outside the file"));
  }
  const std::optional<size_t> elements = Elements(entry.spec.shape);
  if (!elements || *elements * sizeof(float) != *end - *begin) {
    return Damaged(path, absl::StrCat(quoted, "has a shape that doesn't fit its data_offsets"));
  }
  entry.begin = *begin;
  entry.end = *end;
  return entry;
}

absl::Status ParseMetadata(const std::string& path, const Json& value,
                           std::map<std::string, std::string>* metadata) {
  if (!value.is_object()) return Damaged(path, "__metadata__ is no object");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) return Damaged(path, absl::StrCat("metadata '", key, "' is no text"));
    (*metadata)[key] = text.get<std::string>();
  }
  return absl::OkStatus();
}

// Everything but the values.
absl::StatusOr<Safetensors> ParseHeader(const std::string& path, const std::string& text,
                                        size_t data_bytes) {
  const Json header = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) return Damaged(path, "its header is no JSON object");
  Safetensors file;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == kMetadataKey) {
      if (absl::Status s = ParseMetadata(path, value, &file.metadata); !s.ok()) return s;
      continue;
    }
    if (name.empty()) return Damaged(path, "a tensor has no name");
    absl::StatusOr<Entry> entry = ParseEntry(path, name, value, data_bytes);
    if (!entry.ok()) return entry.status();
    entries.push_back(*std::move(entry));
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  // The values must be covered without a hole and without an overlap.
  size_t covered = 0;
  for (Entry& entry : entries) {
    if (entry.begin != covered) {
      return Damaged(
          path, absl::StrCat("tensor '", entry.spec.name, "' overlaps another or leaves a hole"));
    }
    file.offsets.push_back(covered / sizeof(float));
    file.tensors.push_back(std::move(entry.spec));
    covered = entry.end;
  }
  if (covered != data_bytes) return Damaged(path, "bytes follow after the last tensor");
  file.offsets.push_back(covered / sizeof(float));
  return file;
}

}  // namespace

absl::Span<const float> Safetensors::Find(absl::string_view name) const {
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name != name) continue;
    return absl::MakeConstSpan(values).subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }
  return {};
}

absl::Status WriteSafetensors(const std::string& path, absl::Span<const SafetensorsView> tensors,
                              const std::map<std::string, std::string>& metadata) {
  absl::StatusOr<std::string> header = BuildHeader(tensors, metadata);
  if (!header.ok()) return header.status();
  const std::string aside = absl::StrCat(path, ".tmp");
  absl::Status status = WriteAside(aside, *header, tensors);
  if (status.ok() && ::rename(aside.c_str(), path.c_str()) != 0) {
    status = DiskError("rename to", path, errno);
  }
  if (!status.ok()) {
    ::unlink(aside.c_str());
    return status;
  }
  return SyncFolderOf(path);
}

absl::StatusOr<Safetensors> ReadSafetensors(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return DiskError("open", path, errno);
  absl::Cleanup close_file = [file] { ::close(file); };
  struct stat about = {};
  if (::fstat(file, &about) != 0) return DiskError("stat", path, errno);
  if (!S_ISREG(about.st_mode)) return Damaged(path, "it is no regular file");
  const size_t file_bytes = static_cast<size_t>(about.st_size);
  if (file_bytes < kLengthBytes) return Damaged(path, "it is shorter than 8 bytes");

  uint64_t header_bytes = 0;
  if (absl::Status s = ReadAll(file, &header_bytes, kLengthBytes, path); !s.ok()) return s;
  if (header_bytes > std::min(file_bytes - kLengthBytes, kSafetensorsHeaderBytesMax)) {
    return Damaged(path, "its header length exceeds the file or 64 MiB");
  }
  std::string text(header_bytes, '\0');
  if (absl::Status s = ReadAll(file, text.data(), text.size(), path); !s.ok()) return s;
  const size_t data_bytes = file_bytes - kLengthBytes - header_bytes;
  absl::StatusOr<Safetensors> parsed = ParseHeader(path, text, data_bytes);
  if (!parsed.ok()) return parsed;
  parsed->values.resize(data_bytes / sizeof(float));
  if (absl::Status s = ReadAll(file, parsed->values.data(), data_bytes, path); !s.ok()) return s;
  return parsed;
}

}  // namespace tideway
