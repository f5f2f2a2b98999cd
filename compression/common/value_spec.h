// The parameters values= and block= of the sparse codecs, and the two header bytes that say the same.

#ifndef TIDEWAY_COMPRESSION_COMMON_VALUE_SPEC_H_
#define TIDEWAY_COMPRESSION_COMMON_VALUE_SPEC_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "compression/common/sparse_values.h"
#include "tideway/spec.h"

namespace tideway::compression {

// Reads values= (int8 if it is not there) and block=. An error stays in the reader or is returned.
absl::StatusOr<ValueFormat> ReadValueFormat(SpecReader& reader, absl::string_view codec);

// "fp32", ...
const char* ValueKindName(ValueKind kind);

// "block=256," where the kind has blocks, else nothing: the beginning of a canonical spec.
std::string BlockText(const ValueFormat& format);

// Null if `kind` and `block_log2` are a format that an encoder writes, else what is wrong.
const char* WhyNoValueFormat(uint32_t kind, uint32_t block_log2);

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_COMMON_VALUE_SPEC_H_
