#include "tests/fuzz/weight_seeds.h"

#include <utility>

#include "absl/types/span.h"
#include "core/sync/master.h"
#include "core/sync/weights_testing.h"
#include "core/wire/weight_handshake.h"
#include "tests/fuzz/weight_frames.h"
#include "tideway/builtin_codecs.h"

namespace tideway::fuzz {
namespace {

constexpr uint8_t kVersionFrame = 0;
constexpr uint8_t kChangesFrame = 1;
constexpr uint8_t kWholeFrame = 2;

WeightLayout SeedLayout() {
  return *WeightLayout::Create({{"a", WeightType::kBf16, {70}}, {"b", WeightType::kFp32, {5, 4}}});
}

// What the version in use holds.
sync::TestModel SeedModel() {
  sync::TestModel model(SeedLayout());
  std::mt19937_64 random(1);
  model.Fill(random);
  return model;
}

void AppendFrame(uint8_t type, uint64_t from, uint64_t to, uint8_t place, uint64_t count,
                 absl::Span<const std::byte> payload, Input& input) {
  for (const uint64_t byte : {uint64_t{type}, from, to, uint64_t{place}, count & 255, count >> 8,
                              payload.size() & 255, payload.size() >> 8}) {
    input.push_back(static_cast<uint8_t>(byte));
  }
  for (const std::byte byte : payload) input.push_back(std::to_integer<uint8_t>(byte));
}

void AppendVersion(uint64_t from, const sync::Edition& edition, uint64_t frames, Input& input) {
  const std::vector<uint64_t>& checksums = *edition.checksums;
  AppendFrame(kVersionFrame, from, edition.to, 0, frames,
              absl::MakeConstSpan(reinterpret_cast<const std::byte*>(checksums.data()),
                                  8 * checksums.size()),
              input);
}

}  // namespace

std::shared_ptr<const sync::ChunkTable> SeedTable() {
  static const auto* const table = new std::shared_ptr<const sync::ChunkTable>(
      std::make_shared<const sync::ChunkTable>(*sync::ChunkTable::Create(SeedLayout(), 64, 128)));
  return *table;
}

std::shared_ptr<const Codec> SeedCodec() {
  static const auto* const codec =
      new std::shared_ptr<const Codec>(*BuiltinCodecs().Create("sparse_lossless"));
  return *codec;
}

std::unique_ptr<sync::WeightCopy> SeedCopy() {
  const sync::TestModel model = SeedModel();
  std::unique_ptr<sync::WeightCopy> copy = *sync::WeightCopy::Create(SeedTable());
  for (size_t i = 0; i < SeedTable()->chunks().size(); ++i) {
    const sync::Chunk& chunk = SeedTable()->chunks()[i];
    const auto from = absl::MakeConstSpan(model.tensors[chunk.tensor]);
    const auto bytes = from.subspan(chunk.offset, chunk.bytes);
    std::copy(bytes.begin(), bytes.end(), copy->chunk(chunk).begin());
    copy->hashes[i] = wire::HashBytes(bytes);
    copy->contents[i] = SIZE_MAX - i;  // beyond any number that a stager gives
  }
  return copy;
}

Input ValidChain(size_t links, std::mt19937_64& random) {
  sync::TestModel model = SeedModel();
  const auto master = *sync::Master::Create(SeedTable(), SeedCodec());
  (void)master->Advance(kWeightsInUse, model.pointers(), {}, nullptr, 0);
  std::vector<sync::Edition> editions;
  uint64_t frames = 0;
  for (size_t i = 0; i < links; ++i) {
    model.Change(0.1, random);
    editions.push_back(master->Advance(kWeightsInUse + 1 + i, model.pointers(), {}, nullptr, 0));
    frames += editions.back().pages.size();
  }
  Input input = {2};
  AppendVersion(kWeightsInUse, editions.back(), frames, input);
  for (const sync::Edition& edition : editions) {
    for (const auto& page : edition.pages) {
      AppendFrame(kChangesFrame, edition.from, edition.to, 0, 0, page->span(), input);
    }
  }
  return input;
}

Input ValidWhole(std::mt19937_64& random) {
  sync::TestModel model = SeedModel();
  model.Change(0.5, random);
  const auto master = *sync::Master::Create(SeedTable(), SeedCodec());
  const sync::Edition edition = master->Advance(3, model.pointers(), {}, nullptr, 0);
  Input input = {2};
  AppendVersion(0, edition, SeedTable()->chunks().size(), input);
  for (const sync::Chunk& chunk : SeedTable()->chunks()) {
    const auto bytes = absl::MakeConstSpan(model.tensors[chunk.tensor]);
    AppendFrame(kWholeFrame, 0, 3, static_cast<uint8_t>(chunk.tensor | chunk.index << 4), 0,
                bytes.subspan(chunk.offset, chunk.bytes), input);
  }
  return input;
}

Input ValidHeader() {
  std::vector<std::byte> bytes(wire::kWeightHeaderBytes);
  wire::WriteWeightHeader({.type = static_cast<uint8_t>(wire::WeightFrameType::kPing)},
                          absl::MakeSpan(bytes));
  Input input = {0};
  for (const std::byte byte : bytes) input.push_back(std::to_integer<uint8_t>(byte));
  return input;
}

Input ValidWelcome() {
  wire::WeightWelcome welcome;
  welcome.set_chunk_bytes(64);
  welcome.set_codec_spec("sparse_lossless");
  wire::AddTensors(SeedLayout().tensors(), welcome);
  Input input = {1};
  for (const char c : welcome.SerializeAsString()) input.push_back(static_cast<uint8_t>(c));
  return input;
}

}  // namespace tideway::fuzz
