#include "core/runtime/shared_library.h"

#include <elf.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace tideway {

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

}  // namespace tideway
