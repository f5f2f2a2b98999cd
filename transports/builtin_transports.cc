#include "tideway/builtin_transports.h"

#include <cassert>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_split.h"
#include "transports/module_loader.h"

namespace tideway {

// Each linked transport x has a namespace x with this function.
#define TIDEWAY_TRANSPORT(name) \
  namespace name {              \
  TransportEntry Entry();       \
  }
#define TIDEWAY_TRANSPORT_MODULE(name, schemes, runtime_package, alone)
#define TIDEWAY_TRANSPORT_MISSING(name, schemes, reason)
#include "tideway/transports.def"
#undef TIDEWAY_TRANSPORT
#undef TIDEWAY_TRANSPORT_MODULE
#undef TIDEWAY_TRANSPORT_MISSING

namespace {

// Those that the program names; beside the program, in a build tree or an installed one that was moved; where this build
// is, or is to be, installed.
std::vector<std::string> ModuleFolders(const BuiltinTransportsOptions& options,
                                       const char* installed) {
  std::vector<std::string> folders = options.module_dirs;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    const std::filesystem::path prefix = program.parent_path().parent_path();
    for (const char* libraries : {"lib", TIDEWAY_LIBRARY_DIR}) {
      std::string folder = (prefix / libraries / TIDEWAY_MODULE_SUBDIRECTORY).string();
      if (folders.empty() || folders.back() != folder) folders.push_back(std::move(folder));
    }
  }
  folders.push_back(*installed != '\0' ? installed : TIDEWAY_FULL_MODULE_DIR);
  return folders;
}

[[maybe_unused]] std::vector<std::string> Words(absl::string_view text) {
  return absl::StrSplit(text, ' ', absl::SkipEmpty());
}

}  // namespace

TransportRegistry BuiltinTransports(const BuiltinTransportsOptions& options,
                                    const char* installed_modules) {
  [[maybe_unused]] const std::vector<std::string> folders =
      ModuleFolders(options, installed_modules);
  TransportRegistry registry;
  const auto add = [&registry](TransportEntry entry) {
    [[maybe_unused]] const absl::Status added = registry.Add(std::move(entry));
    assert(added.ok() && "two listed transports share a name or a scheme");
  };
#define TIDEWAY_TRANSPORT(name) add(name::Entry());
#define TIDEWAY_TRANSPORT_MODULE(name, schemes, runtime_package, alone) \
  add(ModuleEntry({#name, Words(schemes), folders, runtime_package, alone}));
#define TIDEWAY_TRANSPORT_MISSING(name, schemes, reason) \
  add(MissingEntry(#name, Words(schemes), reason));
#include "tideway/transports.def"
#undef TIDEWAY_TRANSPORT
#undef TIDEWAY_TRANSPORT_MODULE
#undef TIDEWAY_TRANSPORT_MISSING
  return registry;
}

}  // namespace tideway
