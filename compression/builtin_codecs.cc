#include "tideway/builtin_codecs.h"

#include <cassert>
#include <memory>

// Each codec's folder defines Create in a namespace of its own; it has no header, since only this
// file calls it.
#define TIDEWAY_CODEC(name, wire_id)                                             \
  namespace tideway::codec_##name {                                              \
    absl::StatusOr<std::unique_ptr<Codec>> Create(const Spec& spec, uint8_t id); \
  }                                                                              \
  static_assert((wire_id) < 128, "wire ids from 128 on belong to embedders' own codecs");
#include "tideway/codecs.def"
#undef TIDEWAY_CODEC

namespace tideway {

CodecRegistry BuiltinCodecs() {
  CodecRegistry registry;
  [[maybe_unused]] absl::Status status;
#define TIDEWAY_CODEC(name, wire_id)                                                           \
  status = registry.Add(                                                                       \
      {#name, wire_id, [](const Spec& spec) { return codec_##name::Create(spec, wire_id); }}); \
  assert(status.ok());
#include "tideway/codecs.def"
#undef TIDEWAY_CODEC
  return registry;
}

}  // namespace tideway
