#include "core/server/snapshot.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/server/snapshot_manifest.h"
#include "tideway/safetensors.h"

namespace tideway {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSnapshotsKept = 2;
constexpr char kPrefix[] = "snapshot-";
constexpr char kLatest[] = "LATEST";
constexpr char kParameters[] = "parameters.safetensors";
constexpr char kManifest[] = "manifest.pb";
constexpr size_t kManifestBytesMax = size_t{1} << 30;

absl::Status DiskError(const std::string& what, const std::string& path, int error) {
  return absl::UnavailableError(
      absl::StrCat("can't ", what, " ", path, ": ", std::generic_category().message(error)));
}

absl::Status SyncPath(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return DiskError("open", path, errno);
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  return result == 0 ? absl::OkStatus() : DiskError("fsync", path, error);
}

absl::Status WriteAndSync(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file) return DiskError("write", path, errno);
  return SyncPath(path, O_RDONLY);
}

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  if (error) return DiskError("read", path, error.value());
  if (bytes > kManifestBytesMax) return absl::DataLossError(absl::StrCat(path, " is too long"));
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) return DiskError("read", path, errno);
  return text;
}

// The number of a complete snapshot's folder, or 0.
uint64_t NumberOf(absl::string_view name) {
  uint64_t number = 0;
  if (!absl::ConsumePrefix(&name, kPrefix) || !absl::SimpleAtoi(name, &number)) return 0;
  return number;
}

uint64_t NewestNumber(const fs::path& folder) {
  uint64_t newest = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    newest = std::max(newest, NumberOf(entry.path().filename().string()));
  }
  return newest;
}

// Leftovers of a crash, and snapshots older than the kept ones. Best effort: they harm nobody.
void RemoveOld(const fs::path& folder, uint64_t newest) {
  std::error_code error;
  std::vector<fs::path> old;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!absl::StartsWith(name, kPrefix)) continue;
    const uint64_t number = NumberOf(name);
    if (number == 0 || number + kSnapshotsKept <= newest) old.push_back(entry.path());
  }
  for (const auto& path : old) fs::remove_all(path, error);
}

std::vector<SafetensorsView> Views(const SnapshotContent& content) {
  std::vector<SafetensorsView> views;
  for (const auto& [id, state] : content.fragments) {
    const auto elements = static_cast<int64_t>(state.theta.size());
    views.push_back({ThetaName(id), {elements}, state.theta});
    for (size_t k = 0; k < state.optimizer.slots.size(); ++k) {
      views.push_back({SlotName(k, id), {elements}, state.optimizer.slots[k]});
    }
  }
  return views;
}

}  // namespace

SnapshotFolder::SnapshotFolder(const std::string& dir, uint32_t server_index)
    : dir_(absl::StrCat(dir, "/server-", server_index)), server_index_(server_index) {}

absl::StatusOr<std::string> SnapshotFolder::Write(const SnapshotContent& content,
                                                  const Layout& layout) {
  std::error_code error;
  fs::create_directories(dir_, error);
  if (error) return DiskError("create", dir_, error.value());
  const uint64_t number = NewestNumber(dir_) + 1;
  const std::string name = absl::StrCat(kPrefix, number);
  const std::string final_path = absl::StrCat(dir_, "/", name);
  const std::string aside = absl::StrCat(final_path, ".tmp");
  fs::remove_all(aside, error);
  if (!fs::create_directory(aside, error)) return DiskError("create", aside, error.value());

  const std::vector<SafetensorsView> views = Views(content);
  absl::Status status = WriteSafetensors(absl::StrCat(aside, "/", kParameters), views);
  if (!status.ok()) return status;
  status = WriteAndSync(absl::StrCat(aside, "/", kManifest), SerializeManifest(content, layout));
  if (status.ok()) status = SyncPath(aside, O_RDONLY | O_DIRECTORY);
  if (!status.ok()) return status;
  fs::rename(aside, final_path, error);
  if (error) return DiskError("rename", aside, error.value());

  const std::string latest = absl::StrCat(dir_, "/", kLatest);
  status = WriteAndSync(absl::StrCat(latest, ".tmp"), name);
  if (!status.ok()) return status;
  fs::rename(absl::StrCat(latest, ".tmp"), latest, error);
  if (error) return DiskError("rename", latest, error.value());
  status = SyncPath(dir_, O_RDONLY | O_DIRECTORY);
  if (!status.ok()) return status;
  RemoveOld(dir_, number);
  return final_path;
}

absl::StatusOr<SnapshotContent> SnapshotFolder::ReadLatest(const Layout& layout) const {
  const std::string latest = absl::StrCat(dir_, "/", kLatest);
  std::error_code error;
  if (!fs::exists(latest, error)) {
    return absl::NotFoundError(absl::StrCat("no snapshot in ", dir_));
  }
  auto name = ReadWhole(latest);
  if (!name.ok()) return name.status();
  if (NumberOf(*name) == 0) return absl::DataLossError(absl::StrCat(latest, " is damaged"));
  const std::string folder = absl::StrCat(dir_, "/", *name);
  auto manifest = ReadWhole(absl::StrCat(folder, "/", kManifest));
  if (!manifest.ok()) return manifest.status();
  auto parameters = ReadSafetensors(absl::StrCat(folder, "/", kParameters));
  if (!parameters.ok()) return parameters.status();
  auto content = ParseManifest(*manifest, *parameters, layout, server_index_);
  if (content.ok()) return content;
  return absl::Status(content.status().code(),
                      absl::StrCat(folder, ": ", content.status().message()));
}

}  // namespace tideway
