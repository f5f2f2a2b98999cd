#include "transports/module_loader.h"

#include <dlfcn.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "core/runtime/shared_library.h"
#include "transports/common/signal_handlers.h"
#include "transports/module_abi.h"

namespace tideway {
namespace {

TransportInfo NotViable(const std::string& name, const std::vector<std::string>& schemes,
                        absl::string_view reason) {
  TransportInfo info;
  info.name = name;
  info.schemes = schemes;
  info.viable = false;
  info.unavailable_reason = std::string(reason);
  return info;
}

absl::StatusOr<std::string> FindFile(const ModuleSpec& spec) {
  const std::string file = absl::StrCat("tideway_transport_", spec.name, ".so");
  for (const std::string& folder : spec.folders) {
    std::string path = (std::filesystem::path(folder) / file).string();
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) return path;
  }
  return absl::UnavailableError(
      absl::StrCat("the module ", file, " is not in ", absl::StrJoin(spec.folders, " nor in "),
                   "; install Tideway's modules, or give their folder as module_dirs"));
}

absl::Status LoadError(const ModuleSpec& spec, const std::string& path) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the C library keeps the text per thread
  const char* text = dlerror();
  const std::string why = text != nullptr ? text : "no reason given";
  const bool library_missing = absl::StrContains(why, "cannot open shared object file");
  return absl::UnavailableError(absl::StrCat(
      "the module ", path, " can't be loaded: ", why, "; ",
      library_missing ? absl::StrCat("install that library (Debian: ", spec.runtime_package, ")")
                      : "install Tideway's modules again"));
}

// A library that is loaded already, also from elsewhere and by another version's program, is the one that the module gets. One
// under another name is not: then there would be two, with one set of the functions that both define.
absl::Status CheckAlone(const std::string& soname) {
  if (soname.empty()) return absl::OkStatus();
  if (void* loaded = dlopen(soname.c_str(), RTLD_LAZY | RTLD_NOLOAD); loaded != nullptr) {
    dlclose(loaded);
    return absl::OkStatus();
  }
  const std::string other = OtherCopyOf(soname, LoadedLibraries());
  if (other.empty()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("this process has loaded ", other, ", and a second copy, ", soname,
                   ", would end it; start the program with only one of them in its library path"));
}

absl::StatusOr<TransportEntry> Load(const ModuleSpec& spec) {
  absl::StatusOr<std::string> path = FindFile(spec);
  if (!path.ok()) return path.status();
  if (absl::Status whole = CheckSharedLibrary(*path, "install Tideway's modules again");
      !whole.ok()) {
    return whole;
  }
  if (absl::Status alone = CheckAlone(spec.alone); !alone.ok()) return alone;
  const SignalHandlersKept kept;  // libraries install some as they are loaded
  void* handle = dlopen(path->c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return LoadError(spec, *path);
  auto* entry_point = reinterpret_cast<ModuleEntryPoint*>(dlsym(handle, kModuleEntryPoint));
  const TransportModule* module = entry_point != nullptr ? entry_point() : nullptr;
  if (module == nullptr) {
    return absl::UnavailableError(absl::StrCat(*path, " is no Tideway module (it has no ",
                                               kModuleEntryPoint,
                                               "); install Tideway's modules again"));
  }
  if (module->abi != kModuleAbi) {
    return absl::UnavailableError(absl::StrCat(
        "the module ", *path, " has the ABI number ", module->abi, " and this program ", kModuleAbi,
        "; install the modules and the programs of one build"));
  }
  const TransportModule own;
  if (absl::string_view(module->build_id) != own.build_id) {
    return absl::UnavailableError(absl::StrCat(
        "the module ", *path, " is of another build (", module->build_id, ") than this program (",
        own.build_id, "); install the modules and the programs of one"));
  }
  TransportEntry entry = module->entry();
  if (entry.name != spec.name || entry.schemes != spec.schemes) {
    return absl::UnavailableError(absl::StrCat(
        "the module ", *path, " holds the transport ", entry.name, " for ",
        absl::StrJoin(entry.schemes, ", "), "; expected was ", spec.name, " for ",
        absl::StrJoin(spec.schemes, ", "), ": correct its line in transports/CMakeLists.txt"));
  }
  return entry;
}

class LazyModule {
 public:
  explicit LazyModule(ModuleSpec spec) : spec_(std::move(spec)) {}

  const ModuleSpec& spec() const { return spec_; }

  // What loading gave; the same each time.
  const absl::StatusOr<TransportEntry>& Get() {
    absl::MutexLock lock(&mutex_);
    if (!loaded_.has_value()) loaded_ = Load(spec_);
    return *loaded_;  // never changes again, so it is read without the lock
  }

 private:
  const ModuleSpec spec_;
  absl::Mutex mutex_;
  std::optional<absl::StatusOr<TransportEntry>> loaded_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

TransportEntry ModuleEntry(ModuleSpec spec) {
  auto module = std::make_shared<LazyModule>(std::move(spec));
  TransportEntry entry;
  entry.name = module->spec().name;
  entry.schemes = module->spec().schemes;
  entry.probe = [module] {
    const absl::StatusOr<TransportEntry>& loaded = module->Get();
    if (loaded.ok()) return loaded->probe();
    return NotViable(module->spec().name, module->spec().schemes, loaded.status().message());
  };
  entry.create =
      [module](const TransportContext& context) -> absl::StatusOr<std::unique_ptr<Transport>> {
    const absl::StatusOr<TransportEntry>& loaded = module->Get();
    if (!loaded.ok()) return loaded.status();
    return loaded->create(context);
  };
  return entry;
}

TransportEntry MissingEntry(std::string name, std::vector<std::string> schemes,
                            std::string reason) {
  TransportEntry entry;
  entry.name = name;
  entry.schemes = schemes;
  entry.probe = [name, schemes, reason] { return NotViable(name, schemes, reason); };
  entry.create =
      [reason](const TransportContext& /*context*/) -> absl::StatusOr<std::unique_ptr<Transport>> {
    return absl::UnavailableError(reason);
  };
  return entry;
}

}  // namespace tideway
