// A codec whose functions lie in a module's table (tideway/codec_module.h).

#ifndef TIDEWAY_COMPRESSION_MODULE_CODEC_H_
#define TIDEWAY_COMPRESSION_MODULE_CODEC_H_

#include <memory>

#include "absl/status/statusor.h"
#include "tideway/codec.h"
#include "tideway/codec_module.h"

namespace tideway {

// REQUIRES: the table is complete. It is copied; what it points to outlives the codec.
absl::StatusOr<std::unique_ptr<Codec>> NewModuleCodec(const TidewayCodecModule& module,
                                                      const Spec& spec);

}  // namespace tideway

#endif  // TIDEWAY_COMPRESSION_MODULE_CODEC_H_
