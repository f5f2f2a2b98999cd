// randomk: elements at places that a seed gives. See spec.md.

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "compression/common/checks.h"
#include "compression/common/density.h"
#include "compression/common/float_bits.h"
#include "compression/common/value_spec.h"
#include "compression/randomk/kernel.h"
#include "tideway/codec.h"

namespace tideway::codec_randomk {
namespace {

using compression::CountFor;
using compression::ValueFormat;

constexpr size_t kHeaderBytes = 20;  // kind, block_log2, two zero bytes, elements, k, seed
struct Options {
  double density;
  uint64_t seed;
  ValueFormat format;
};

struct Header {
  size_t k;
  uint64_t seed;
  ValueFormat format;
};

size_t EncodedBytes(const ValueFormat& format, size_t k) {
  return kHeaderBytes + compression::ValueBytes(format, k);
}

std::string CanonicalSpec(const Options& options) {
  return absl::StrCat("randomk:", compression::BlockText(options.format),
                      "density=", absl::StrFormat("%.9g", options.density), ",seed=", options.seed,
                      ",values=", compression::ValueKindName(options.format.kind));
}

void WriteHeader(const Header& header, size_t elements, std::byte* out) {
  compression::StoreLittleEndian(static_cast<uint32_t>(header.format.kind) |
                                     static_cast<uint32_t>(header.format.block_log2) << 8,
                                 out);
  compression::StoreLittleEndian(static_cast<uint32_t>(elements), out + 4);
  compression::StoreLittleEndian(static_cast<uint32_t>(header.k), out + 8);
  compression::StoreLittleEndian(header.seed, out + 12);
}

class RandomKCodec final : public Codec {
 public:
  RandomKCodec(const Options& options, uint8_t wire_id)
      : info_{.name = "randomk",
              .spec = CanonicalSpec(options),
              .wire_id = wire_id,
              .dense = false},
        options_(options) {}

  const CodecInfo& info() const override { return info_; }
  size_t Bound(size_t elements) const override {
    return EncodedBytes(options_.format, CountFor(options_.density, elements));
  }

  absl::StatusOr<size_t> Encode(absl::Span<const float> delta, absl::Span<float> residual,
                                const EncodeOptions& options,
                                absl::Span<std::byte> out) const override {
    const size_t bytes = Bound(delta.size());
    const auto pushed = compression::CheckEncode(delta, residual, options, out, bytes);
    if (!pushed.ok()) return pushed.status();
    const auto [seed, magnitude_bits_max] = compression::SeedFrom(*pushed, options_.seed);
    if (magnitude_bits_max >= compression::kInfinityBits) return compression::NotFinite(*pushed);
    const Header header{CountFor(options_.density, delta.size()), seed, options_.format};
    WriteHeader(header, delta.size(), out.data());
    if (header.k > 0) WriteValues(*pushed, header, out.data() + kHeaderBytes);
    return bytes;
  }

  absl::Status DecodeAdd(absl::Span<const std::byte> in, float scale,
                         absl::Span<float> accumulator) const override {
    const auto header = ReadHeader(in, accumulator.size());
    if (!header.ok()) return header.status();
    if (header->k == 0 ||
        compression::AddAtPlaces(accumulator.size(), header->k, header->seed, header->format,
                                 in.data() + kHeaderBytes, scale, accumulator.data())) {
      return absl::OkStatus();
    }
    return compression::Malformed(info_, "a scale or a value is out of range");
  }

 private:
  static void WriteValues(const compression::Pushed& pushed, const Header& header, std::byte* out) {
    std::vector<float> values(header.k);
    compression::GatherPlaces(pushed, header.k, header.seed, values.data());
    compression::EncodeValues(header.format, values.data(), header.k, out);
    if (pushed.residual == nullptr) return;
    compression::WriteResidualAtPlaces(pushed, header.k, header.seed, values.data());
  }

  absl::StatusOr<Header> ReadHeader(absl::Span<const std::byte> in, size_t elements) const {
    if (in.size() < kHeaderBytes) return compression::Malformed(info_, "no room for the header");
    const auto word = compression::LoadLittleEndian<uint32_t>(in.data());
    const size_t coded = compression::LoadLittleEndian<uint32_t>(in.data() + 4);
    const size_t k = compression::LoadLittleEndian<uint32_t>(in.data() + 8);
    if (const char* why = compression::WhyNoValueFormat(word & 0xff, word >> 8)) {
      return compression::Malformed(info_, why);
    }
    if (coded != elements || k > elements || (k == 0) != (elements == 0)) {
      return compression::Malformed(
          info_, absl::StrCat("claims ", k, " values of ", coded, " elements where ", elements,
                              " are expected"));
    }
    const Header header{
        k,
        compression::LoadLittleEndian<uint64_t>(in.data() + 12),
        {static_cast<compression::ValueKind>(word & 0xff), static_cast<int>(word >> 8)}};
    absl::Status length =
        compression::CheckLength(info_, in.size(), EncodedBytes(header.format, k), elements);
    if (!length.ok()) return length;
    return header;
  }

  const CodecInfo info_;
  const Options options_;
};

}  // namespace

// Called by compression/builtin_codecs.cc, which declares it for every line of THE LIST.
absl::StatusOr<std::unique_ptr<Codec>> Create(const Spec& spec, uint8_t wire_id) {
  SpecReader reader(spec);
  const double density = compression::ReadDensity(reader);
  const int64_t seed = reader.Integer("seed", 0, 0, std::numeric_limits<int64_t>::max());
  const absl::StatusOr<ValueFormat> format = compression::ReadValueFormat(reader, "randomk");
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  if (!format.ok()) return format.status();
  return std::make_unique<RandomKCodec>(Options{density, static_cast<uint64_t>(seed), *format},
                                        wire_id);
}

}  // namespace tideway::codec_randomk
