#include "compression/common/value_spec.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "compression/common/block_scale.h"
#include "compression/common/checks.h"

namespace tideway::compression {
namespace {

constexpr const char* kKindNames[kValueKinds] = {"fp32", "bf16", "int8", "int4", "int2"};

ValueKind KindOf(const std::string& name) {
  int kind = 0;
  while (name != kKindNames[kind]) ++kind;
  return static_cast<ValueKind>(kind);
}

}  // namespace

const char* ValueKindName(ValueKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

absl::StatusOr<ValueFormat> ReadValueFormat(SpecReader& reader, absl::string_view codec) {
  const std::string values =
      reader.Choice("values", "int8",
                    {kKindNames[0], kKindNames[1], kKindNames[2], kKindNames[3], kKindNames[4]});
  const absl::StatusOr<int> block_log2 = ReadBlockLog2(reader);
  if (!block_log2.ok()) return block_log2.status();
  const ValueKind kind = KindOf(values);
  if (HasBlocks(kind)) return ValueFormat{kind, *block_log2};
  if (!reader.Has("block")) return ValueFormat{kind, 0};
  return absl::InvalidArgumentError(absl::StrCat(
      codec, ": block= sizes the scales of values=int8, int4 and int2; with values=", values,
      " leave it out"));
}

std::string BlockText(const ValueFormat& format) {
  return HasBlocks(format.kind) ? absl::StrCat("block=", 1 << format.block_log2, ",") : "";
}

const char* WhyNoValueFormat(uint32_t kind, uint32_t block_log2) {
  if (kind >= static_cast<uint32_t>(kValueKinds)) return "unknown value kind";
  const bool known = HasBlocks(static_cast<ValueKind>(kind))
                         ? block_log2 >= kBlockLog2Min && block_log2 <= kBlockLog2Max
                         : block_log2 == 0;
  return known ? nullptr : "unknown block size";
}

}  // namespace tideway::compression
