#include <dlfcn.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/module_codec.h"
#include "core/runtime/shared_library.h"
#include "tideway/codec_module.h"
#include "tideway/load_codec_module.h"

namespace tideway {
namespace {

constexpr char kEntryPoint[] = "tideway_codec_module";
constexpr uint32_t kWireIdMax = 255;

// `whose`: the module's file, or that it is the program's own.
absl::Status Refused(const std::string& whose, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("the codec module ", whose, " ", why));
}

absl::StatusOr<TidewayCodecModuleEntryPoint*> Open(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return absl::NotFoundError(
        absl::StrCat("the codec module ", path, " does not exist; give the path of its file"));
  }
  if (absl::Status whole = CheckSharedLibrary(path, "build it again"); !whole.ok()) return whole;
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the C library keeps the text per thread
    const char* const text = dlerror();
    return absl::UnavailableError(absl::StrCat("the codec module ", path, " can't be loaded: ",
                                               text != nullptr ? text : "no reason given"));
  }
  auto* const entry_point =
      reinterpret_cast<TidewayCodecModuleEntryPoint*>(dlsym(handle, kEntryPoint));
  if (entry_point != nullptr) return entry_point;
  return Refused(path, absl::StrCat("exports no ", kEntryPoint,
                                    "; declare it as tideway/codec_module.h says, with C linkage"));
}

bool IsName(const char* name) {
  if (name == nullptr) return false;
  const absl::StatusOr<Spec> spec = Spec::Parse(name);
  return spec.ok() && spec->name == name;
}

absl::Status CheckTable(const std::string& whose, const TidewayCodecModule* module) {
  if (module == nullptr) return Refused(whose, "returns no table");
  // Nothing behind the version has a known place if that is another one.
  if (module->version != kTidewayCodecModuleVersion) {
    return Refused(whose, absl::StrCat("has a table of version ", module->version,
                                       " and this program knows ", kTidewayCodecModuleVersion,
                                       "; build it with this program's tideway/codec_module.h"));
  }
  if (!IsName(module->name)) {
    return Refused(whose,
                   "has no name, or one with other characters than letters, digits, - and _");
  }
  if (module->wire_id < kEmbeddersWireIdMin || module->wire_id > kWireIdMax) {
    return Refused(whose, absl::StrCat("has the wire id ", module->wire_id, "; give it one from ",
                                       kEmbeddersWireIdMin, " to ", kWireIdMax));
  }
  if (module->create == nullptr || module->destroy == nullptr || module->bound == nullptr ||
      module->encode == nullptr || module->decode_add == nullptr) {
    return Refused(whose, "leaves a function out; the table needs all five");
  }
  return absl::OkStatus();
}

absl::Status AddTable(const std::string& whose, const TidewayCodecModule* module,
                      CodecRegistry& registry) {
  if (absl::Status table = CheckTable(whose, module); !table.ok()) return table;
  return registry.Add(
      {module->name, static_cast<uint8_t>(module->wire_id),
       [table = *module](const Spec& spec) { return NewModuleCodec(table, spec); }});
}

}  // namespace

absl::Status LoadCodecModule(const std::string& path, CodecRegistry& registry) {
  // With a slash in it: a bare name would be searched for in the system's folders.
  std::error_code error;
  const std::string full = std::filesystem::absolute(path, error).string();
  if (error) return absl::NotFoundError(absl::StrCat("'", path, "' is no path; give the module's"));
  const absl::StatusOr<TidewayCodecModuleEntryPoint*> entry_point = Open(full);
  if (!entry_point.ok()) return entry_point.status();
  const TidewayCodecModule* const module = (*entry_point)();
  return AddTable(full, module, registry);
}

absl::Status AddCodecModule(const TidewayCodecModule& module, CodecRegistry& registry) {
  return AddTable("of this program", &module, registry);
}

}  // namespace tideway
