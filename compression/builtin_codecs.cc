#include "tideway/builtin_codecs.h"

#include <cassert>
#include <memory>
#include <utility>

// Each codec's folder defines Create, or Wrap for a wrapper, in a namespace of its own; it has no
// header, since only this file calls it.
#define TIDEWAY_CODEC(name, wire_id)                                             \
  namespace tideway::codec_##name {                                              \
    absl::StatusOr<std::unique_ptr<Codec>> Create(const Spec& spec, uint8_t id); \
  }                                                                              \
  static_assert((wire_id) < tideway::kEmbeddersWireIdMin,                        \
                "wire ids from 128 on belong to embedders' own codecs");
#define TIDEWAY_CODEC_WRAPPER(name, wire_id)                                                    \
  namespace tideway::codec_##name {                                                             \
    absl::StatusOr<std::unique_ptr<Codec>> Wrap(const Spec& spec, uint8_t id, Wrapped wrapped); \
  }                                                                                             \
  static_assert((wire_id) < tideway::kEmbeddersWireIdMin,                                       \
                "wire ids from 128 on belong to embedders' own codecs");
#define TIDEWAY_CODEC_MISSING(name, wire_id, is_wrapper, reason)
#include "tideway/codecs.def"
#undef TIDEWAY_CODEC
#undef TIDEWAY_CODEC_WRAPPER
#undef TIDEWAY_CODEC_MISSING

namespace tideway {
namespace {

// A codec that this build could not be made with. It keeps its place and says why.
[[maybe_unused]] CodecEntry MissingEntry(const char* name, uint8_t wire_id, bool is_wrapper,
                                         const char* reason) {
  CodecEntry entry = {name, wire_id};
  if (is_wrapper) {
    entry.wrap = [reason](const Spec&, const Wrapped&) { return absl::UnavailableError(reason); };
  } else {
    entry.create = [reason](const Spec&) { return absl::UnavailableError(reason); };
  }
  return entry;
}

}  // namespace

CodecRegistry BuiltinCodecs() {
  CodecRegistry registry;
  [[maybe_unused]] absl::Status status;
#define TIDEWAY_CODEC(name, wire_id)                                                           \
  status = registry.Add(                                                                       \
      {#name, wire_id, [](const Spec& spec) { return codec_##name::Create(spec, wire_id); }}); \
  assert(status.ok());
#define TIDEWAY_CODEC_WRAPPER(name, wire_id)                                              \
  status = registry.Add({#name, wire_id, nullptr, [](const Spec& spec, Wrapped wrapped) { \
                           return codec_##name::Wrap(spec, wire_id, std::move(wrapped));  \
                         }});                                                             \
  assert(status.ok());
#define TIDEWAY_CODEC_MISSING(name, wire_id, is_wrapper, reason)           \
  status = registry.Add(MissingEntry(#name, wire_id, is_wrapper, reason)); \
  assert(status.ok());
#include "tideway/codecs.def"
#undef TIDEWAY_CODEC
#undef TIDEWAY_CODEC_WRAPPER
#undef TIDEWAY_CODEC_MISSING
  return registry;
}

}  // namespace tideway
