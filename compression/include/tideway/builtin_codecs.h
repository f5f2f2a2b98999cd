// The codecs of THE LIST (compression/CMakeLists.txt), as a value that a program hands to its
// client or server. Any thread may call this; nothing is shared between two registries.
//
//   tideway::CodecRegistry codecs = tideway::BuiltinCodecs();
//   absl::Status added = codecs.Add({"mine", 200, MakeMine});
//
// Wire ids from 128 on are never given to built-in codecs.

#ifndef TIDEWAY_COMPRESSION_INCLUDE_TIDEWAY_BUILTIN_CODECS_H_
#define TIDEWAY_COMPRESSION_INCLUDE_TIDEWAY_BUILTIN_CODECS_H_

#include "tideway/codec.h"

namespace tideway {

CodecRegistry BuiltinCodecs();

}  // namespace tideway

#endif  // TIDEWAY_COMPRESSION_INCLUDE_TIDEWAY_BUILTIN_CODECS_H_
