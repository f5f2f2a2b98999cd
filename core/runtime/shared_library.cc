#include "core/runtime/shared_library.h"

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tideway {
namespace {

int AddPath(dl_phdr_info* info, size_t, void* paths) {
  if (info->dlpi_name != nullptr && *info->dlpi_name != '\0')
    static_cast<std::vector<std::string>*>(paths)->emplace_back(info->dlpi_name);
  return 0;
}

}  // namespace

// The section table is a file's last part.
absl::Status CheckSharedLibrary(const std::string& path, absl::string_view advice) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  Elf64_Ehdr header = {};
  std::ifstream file(path, std::ios::binary);
  if (error || !file) {
    return absl::UnavailableError(absl::StrCat(path, " can't be read; make it readable"));
  }
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  if (file.gcount() != sizeof header ||
      absl::string_view(reinterpret_cast<char*>(header.e_ident), SELFMAG) != ELFMAG) {
    return absl::UnavailableError(absl::StrCat(path, " is no shared library; ", advice));
  }
  const uintmax_t tail = uintmax_t{header.e_shnum} * header.e_shentsize;
  if (header.e_ident[EI_CLASS] == ELFCLASS64 &&
      (header.e_shoff > size || tail > size - header.e_shoff)) {
    return absl::UnavailableError(absl::StrCat(path, " is cut off; ", advice));
  }
  return absl::OkStatus();
}

std::vector<std::string> LoadedLibraries() {
  std::vector<std::string> paths;
  dl_iterate_phdr(&AddPath, &paths);
  return paths;
}

std::string OtherCopyOf(absl::string_view soname, const std::vector<std::string>& paths) {
  const absl::string_view stem = soname.substr(0, soname.find(".so"));
  for (const std::string& path : paths) {
    const absl::string_view file = absl::string_view(path).substr(path.rfind('/') + 1);
    if (!absl::StartsWith(file, stem) || file == soname) continue;
    const absl::string_view rest = file.substr(stem.size());
    if (absl::StartsWith(rest, ".so") || absl::StartsWith(rest, "-")) return path;
  }
  return "";
}

}  // namespace tideway
