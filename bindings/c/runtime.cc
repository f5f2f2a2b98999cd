#include "bindings/c/runtime.h"

#include <dlfcn.h>

#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bindings/c/boundary.h"
#include "bindings/c/optimizer_plugin.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/load_codec_module.h"

namespace tideway::c {
namespace {

constexpr uint32_t kThreadsMax = 1024;

// `tideway` beside the shared library that this function is in.
std::string ModuleDirOfThisLibrary() {
  Dl_info info = {};
  if (dladdr(reinterpret_cast<const void*>(&tideway_runtime_create), &info) == 0) return "";
  std::error_code error;
  const std::filesystem::path file = std::filesystem::canonical(info.dli_fname, error);
  return error ? "" : (file.parent_path() / "tideway").string();
}

LogSink SinkOf(const tideway_runtime_options& options) {
  if (options.log == nullptr) return {};
  return [log = options.log, user = options.log_user](LogLevel level, absl::string_view text) {
    const InCallback entered;
    log(user, static_cast<tideway_log_level>(level), std::string(text).c_str());
  };
}

absl::Status AddCodecs(const tideway_runtime_options& options, CodecRegistry& codecs) {
  if (options.codec_count != 0 && options.codecs == nullptr) return NullArgument("codecs");
  for (size_t i = 0; i < options.codec_count; ++i) {
    if (options.codecs[i] == nullptr) return NullArgument(absl::StrCat("codecs[", i, "]"));
    if (absl::Status added = AddCodecModule(*options.codecs[i], codecs); !added.ok()) return added;
  }
  std::vector<std::string> files;
  absl::Status status =
      CopyTexts(options.codec_files, options.codec_file_count, "codec_files", files);
  for (const std::string& file : files) {
    if (status.ok()) status = LoadCodecModule(file, codecs);
  }
  return status;
}

absl::Status AddOptimizers(const tideway_runtime_options& options,
                           OuterOptimizerRegistry& optimizers) {
  if (options.outer_optimizer_count != 0 && options.outer_optimizers == nullptr) {
    return NullArgument("outer_optimizers");
  }
  for (size_t i = 0; i < options.outer_optimizer_count; ++i) {
    if (options.outer_optimizers[i] == nullptr) {
      return NullArgument(absl::StrCat("outer_optimizers[", i, "]"));
    }
    absl::Status added = AddOptimizerPlugin(*options.outer_optimizers[i], optimizers);
    if (!added.ok()) return added;
  }
  return absl::OkStatus();
}

absl::Status Create(uint32_t abi_version, const tideway_runtime_options* given,
                    tideway_runtime** runtime) {
  if (runtime == nullptr) return NullArgument("runtime");
  *runtime = nullptr;
  if (abi_version != TIDEWAY_ABI_VERSION) {
    return absl::FailedPreconditionError(
        absl::StrCat("the program was compiled for version ", abi_version,
                     " of the C ABI, and this library has version ", TIDEWAY_ABI_VERSION,
                     "; compile it with the tideway.h of the library that it runs with"));
  }
  tideway_runtime_options options;
  absl::Status status = CopyIn(given, "tideway_runtime_options", options);
  if (!status.ok()) return status;
  if (options.threads > kThreadsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads is ", options.threads, "; at most ", kThreadsMax));
  }
  const std::string module_dir = TextOr(options.module_dir, ModuleDirOfThisLibrary());
  RuntimeOptions made{.transports = BuiltinTransports({.module_dirs = {module_dir}}),
                      .codecs = BuiltinCodecs(),
                      .executor_options = {.threads = static_cast<int>(options.threads)},
                      .log = SinkOf(options)};
  status = AddCodecs(options, made.codecs);
  if (status.ok()) status = AddOptimizers(options, made.outer_optimizers);
  if (!status.ok()) return status;
  *runtime = new tideway_runtime{std::make_shared<SharedRuntime>(std::move(made))};
  return absl::OkStatus();
}

absl::Status CreateLayout(const tideway_tensor* tensors, size_t count,
                          const tideway_layout_options* given, tideway_layout** layout) {
  if (layout == nullptr) return NullArgument("layout");
  *layout = nullptr;
  if (tensors == nullptr) return NullArgument("tensors");
  tideway_layout_options options;
  if (absl::Status status = CopyIn(given, "tideway_layout_options", options); !status.ok()) {
    return status;
  }
  if (count > kTensorsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor_count is ", count, "; at most ", kTensorsMax));
  }
  std::vector<TensorSpec> specs;
  for (size_t i = 0; i < count; ++i) {
    absl::StatusOr<TensorSpec> spec = SpecOf(tensors[i].name, tensors[i].shape, tensors[i].rank, i);
    if (!spec.ok()) return spec.status();
    specs.push_back(*std::move(spec));
  }
  LayoutOptions cut;
  if (options.fragment_bytes_max != 0) cut.fragment_bytes_max = options.fragment_bytes_max;
  if (options.servers != 0) cut.servers = options.servers;
  absl::StatusOr<Layout> made = Layout::Create(std::move(specs), cut);
  if (!made.ok()) return made.status();
  *layout = new tideway_layout{*std::move(made)};
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TensorSpec> SpecOf(const char* name, const int64_t* shape, size_t rank,
                                  size_t index) {
  if (name == nullptr) return NullArgument(absl::StrCat("the name of tensor ", index));
  if (rank > kTensorRankMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor '", name, "' has ", rank, " dimensions; at most ", kTensorRankMax));
  }
  if (rank != 0 && shape == nullptr) {
    return NullArgument(absl::StrCat("the shape of tensor '", name, "'"));
  }
  return TensorSpec{name, rank == 0 ? std::vector<int64_t>() : std::vector(shape, shape + rank)};
}

SharedRuntime::SharedRuntime(RuntimeOptions options) : options_(std::move(options)) {}

Runtime& SharedRuntime::Started() {
  absl::MutexLock lock(&mutex_);
  if (runtime_ == nullptr) runtime_ = std::make_unique<Runtime>(std::move(options_));
  return *runtime_;
}

}  // namespace tideway::c

extern "C" {

tideway_status tideway_runtime_create(uint32_t abi_version, const tideway_runtime_options* options,
                                      tideway_runtime** runtime) {
  return tideway::c::Boundary([&] { return tideway::c::Create(abi_version, options, runtime); });
}

tideway_status tideway_runtime_free(tideway_runtime* runtime) {
  return tideway::c::Boundary([&] {
    absl::Status status = tideway::c::InCallback::Refuse("tideway_runtime_free");
    return status.ok() ? tideway::c::FreeHandle(runtime) : status;
  });
}

tideway_status tideway_layout_create(const tideway_tensor* tensors, size_t tensor_count,
                                     const tideway_layout_options* options,
                                     tideway_layout** layout) {
  return tideway::c::Boundary(
      [&] { return tideway::c::CreateLayout(tensors, tensor_count, options, layout); });
}

size_t tideway_layout_bytes(const tideway_layout* layout) {
  return layout == nullptr ? 0 : layout->layout.elements() * sizeof(float);
}

size_t tideway_layout_fragments(const tideway_layout* layout) {
  return layout == nullptr ? 0 : layout->layout.fragments().size();
}

uint64_t tideway_layout_fingerprint(const tideway_layout* layout) {
  return layout == nullptr ? 0 : layout->layout.fingerprint();
}

void tideway_layout_free(tideway_layout* layout) { delete layout; }

}  // extern "C"
