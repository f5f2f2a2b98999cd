// Adds a codec that is a table of C functions (codec_module.h) to a registry, before that goes into a Runtime: LoadCodecModule one
// that lies in a shared library, AddCodecModule one of this program.
//
//   tideway::CodecRegistry codecs = tideway::BuiltinCodecs();
//   absl::Status added = tideway::LoadCodecModule("/opt/mine/codec_mine.so", codecs);
//
// The library shows one C table (codec_module.h). It runs inside the process: load only what you trust. It is never unloaded,
// since nobody knows when the last codec made by it is gone; nor is one that was refused once its code could have run.
//
// Checks that a codec of THE LIST makes for itself are made here for the module's: lengths, room, finite values, the
// largest bound. What it decodes is its own affair, as codec_module.h says.

#ifndef TIDEWAY_COMPRESSION_INCLUDE_TIDEWAY_LOAD_CODEC_MODULE_H_
#define TIDEWAY_COMPRESSION_INCLUDE_TIDEWAY_LOAD_CODEC_MODULE_H_

#include <string>

#include "absl/status/status.h"
#include "tideway/codec.h"
#include "tideway/codec_module.h"

namespace tideway {

// NOT_FOUND: no such file. UNAVAILABLE: it is no shared library, or the loader of the system refuses it. INVALID_ARGUMENT: it
// has no tideway_codec_module, a table of another version, a wire id below 128 or above 255, a bad name or a function
// missing. ALREADY_EXISTS: name or wire id are taken. The message names the file and says what to do.
absl::Status LoadCodecModule(const std::string& path, CodecRegistry& registry);

// The last two of those statuses. What the table holds is copied, but not what it points to: its name, functions and `user` must
// stay until the registry and the last codec made from it are gone.
absl::Status AddCodecModule(const TidewayCodecModule& module, CodecRegistry& registry);

}  // namespace tideway

#endif  // TIDEWAY_COMPRESSION_INCLUDE_TIDEWAY_LOAD_CODEC_MODULE_H_
