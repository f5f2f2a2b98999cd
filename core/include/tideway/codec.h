// Codec: turns the delta of one fragment into bytes and adds it back into an accumulator.
//
// A codec is immutable and thread-safe: all calls are const, allocate nothing that outlives them, and depend on
// their arguments alone. What lossy encoding leaves over (the residual) belongs to the client; a codec only updates
// the span it is handed. Encoded bytes describe themselves: any instance of the same name decodes them, whatever
// parameters it was made with. Wire ids are permanent.
//
// DecodeAdd gets bytes from a peer: anything may be in them. It answers INVALID_ARGUMENT, reads and writes nothing
// out of bounds and allocates nothing that the sizes of input and accumulator do not bound.
//
// A wrapper is a codec that works on the bytes of another one; a + joins them: `int8:block=256+zstd:level=3`. Its bytes
// carry the wire id of what is inside, so that an instance around anything decodes them.
//
//   auto codec = registry.Create("topk:density=0.01,values=int8");
//   auto bytes = (*codec)->Encode(delta, residual, {}, out);      // residual: this push's input and output
//   (*codec)->DecodeAdd(out.first(*bytes), 1.0f, accumulator);    // accumulator += 1.0 * decoded

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_CODEC_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tideway/spec.h"
#include "tideway/version_difference.h"

namespace tideway {

// The wire id of `identity`, whose encoding is the fp32 values themselves, little-endian: both ends may move them without
// calling the codec.
inline constexpr uint8_t kIdentityWireId = 1;
// From here on wire ids are for embedders' own codecs.
inline constexpr uint8_t kEmbeddersWireIdMin = 128;

struct CodecInfo {
  std::string name;
  std::string spec;  // canonical text with all parameters
  uint8_t wire_id = 0;
  bool lossless = false;
  // Lossy codecs of absolute values (bf16, int8) may serve pulls; sparse ones (topk) may not: what they leave out
  // would be missing from the parameters.
  bool dense = true;
  // decoded + residual = e to the bit. Where it is false, the difference e - decoded needs more than fp32's 24 bits
  // for some elements (a tiny element that decodes to a large value), and the residual is that difference rounded.
  bool exact_residual = true;
};

struct EncodeOptions {
  // e = residual_decay * residual + delta is what gets encoded (SparseLoCo's beta_ef; 1 is plain error feedback).
  float residual_decay = 1.0f;
};

class Codec {
 public:
  virtual ~Codec() = default;

  virtual const CodecInfo& info() const = 0;

  // The most bytes that Encode can write for `elements` floats. At most EncodedBytesMax(elements) (limits.h).
  virtual size_t Bound(size_t elements) const = 0;

  // Encodes e = delta + options.residual_decay * residual into `out` and leaves residual = e - decoded(out).
  // An empty residual means no error feedback: then e = delta, and what is lost is lost.
  // REQUIRES: residual is empty or as long as delta; out.size() >= Bound(delta.size()).
  // Returns the bytes written. INVALID_ARGUMENT, naming the element's index, if e has a NaN or an infinity: then
  // residual is as it was.
  virtual absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                        const EncodeOptions& options,
                                        absl::Span<std::byte> out) const = 0;

  // accumulator += scale * decoded(in). INVALID_ARGUMENT if `in` is not an encoding of accumulator.size() elements;
  // the accumulator's content is then unspecified.
  virtual absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                                 absl::Span<float> accumulator) const = 0;

  // For versions of parameters that must arrive bit for bit; null if the codec cannot. Lives as long as the codec.
  virtual const VersionDifference* version_difference() const { return nullptr; }
};

// What a wrapper is made around. Neither is null, and none is a wrapper.
struct Wrapped {
  std::shared_ptr<const Codec> inner;  // encodes
  std::vector<std::shared_ptr<const Codec>>
      decoders;  // one for each wire id that may be met inside
};

// One line of the list of codecs. It has one of the two functions. UNAVAILABLE, with what to install, from either means that
// this build was made without a library that the codec needs.
struct CodecEntry {
  std::string name = {};
  uint8_t wire_id = 0;
  absl::AnyInvocable<absl::StatusOr<std::unique_ptr<Codec>>(const Spec&) const> create = {};
  // Of a wrapper.
  absl::AnyInvocable<absl::StatusOr<std::unique_ptr<Codec>>(const Spec&, Wrapped) const> wrap = {};
};

// The codecs that a program chose to have: a value, filled by the program.
class CodecRegistry {
 public:
  // ALREADY_EXISTS for a name or wire id that is there.
  absl::Status Add(CodecEntry entry);
  // Of one codec, or of a codec and a wrapper joined by +. INVALID_ARGUMENT for a malformed spec or a chain that makes no
  // sense, NOT_FOUND (naming those that exist) for an unknown codec.
  absl::StatusOr<std::unique_ptr<Codec>> Create(absl::string_view spec) const;
  // An instance with default parameters, to decode with; a wrapper is one around the first codec. NOT_FOUND for an unknown id.
  // What is made knows the codecs that are in the registry now, and may outlive it.
  absl::StatusOr<std::unique_ptr<Codec>> CreateForWireId(uint8_t wire_id) const;
  const std::vector<CodecEntry>& entries() const { return entries_; }

 private:
  absl::StatusOr<const CodecEntry*> Find(const std::string& name) const;
  absl::StatusOr<std::unique_ptr<Codec>> Wrap(const CodecEntry& wrapper, const Spec& spec,
                                              std::shared_ptr<const Codec> inner) const;

  std::vector<CodecEntry> entries_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_CODEC_H_
