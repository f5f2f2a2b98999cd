// The small model of weight_frames.h, and valid inputs made of it.

#ifndef TIDEWAY_TESTS_FUZZ_WEIGHT_SEEDS_H_
#define TIDEWAY_TESTS_FUZZ_WEIGHT_SEEDS_H_

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "core/sync/chunk_table.h"
#include "core/sync/stager.h"
#include "core/sync/weight_copy.h"
#include "core/wire/payload_scan.h"
#include "tideway/codec.h"

namespace tideway::fuzz {

using Input = std::vector<uint8_t>;

std::shared_ptr<const sync::ChunkTable> SeedTable();
std::shared_ptr<const Codec> SeedCodec();
// The version that is in use.
std::unique_ptr<sync::WeightCopy> SeedCopy();

// A version that some differences lead to from the one in use.
Input ValidChain(size_t links, std::mt19937_64& random);
// A version as the whole.
Input ValidWhole(std::mt19937_64& random);
Input ValidHeader();
Input ValidWelcome();

}  // namespace tideway::fuzz

#endif  // TIDEWAY_TESTS_FUZZ_WEIGHT_SEEDS_H_
