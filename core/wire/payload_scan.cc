#include "core/wire/payload_scan.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "absl/numeric/int128.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define TIDEWAY_SCAN_AVX2 1
#include <immintrin.h>
#endif

namespace tideway::wire {
namespace {

constexpr uint32_t kMagnitude = 0x7fffffff;
constexpr uint32_t kInfinity = 0x7f800000;  // and everything above it is a NaN

bool AllFinitePortably(absl::Span<const std::byte> payload) {
  uint32_t bad = 0;
  for (size_t at = 0; at < payload.size(); at += sizeof(uint32_t)) {
    uint32_t bits;
    std::memcpy(&bits, payload.data() + at, sizeof(bits));
    bad |= static_cast<uint32_t>((bits & kInfinity) == kInfinity);
  }
  return bad == 0;
}

#ifdef TIDEWAY_SCAN_AVX2

// XXH3-64 of more than kShortBytes bytes without a seed, as xxHash's specification gives it: eight 64-bit lanes take in stripes
// of 64 bytes, and are scrambled after each block of 16 stripes.
constexpr size_t kShortBytes = 240;
constexpr size_t kStripeBytes = 64;
constexpr size_t kStripesPerBlock = (XXH_SECRET_DEFAULT_SIZE - kStripeBytes) / 8;
constexpr size_t kBlockBytes = kStripesPerBlock * kStripeBytes;
constexpr uint32_t kPrime32[] = {0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D};
constexpr uint64_t kPrime64[] = {0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                                 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5};

struct Lanes {
  __m256i low;   // lanes 0 to 3
  __m256i high;  // lanes 4 to 7
};

__attribute__((target("avx2"))) inline __m256i Load(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

__attribute__((target("avx2"))) inline void Store(const Lanes& lanes, void* to) {
  _mm256_store_si256(static_cast<__m256i*>(to), lanes.low);
  _mm256_store_si256(static_cast<__m256i*>(to) + 1, lanes.high);
}

__attribute__((target("avx2"))) inline __m256i TakeIn(__m256i lanes, __m256i data, __m256i secret) {
  const __m256i keyed = _mm256_xor_si256(data, secret);
  const __m256i product = _mm256_mul_epu32(keyed, _mm256_srli_epi64(keyed, 32));
  const __m256i swapped = _mm256_shuffle_epi32(data, _MM_SHUFFLE(1, 0, 3, 2));
  return _mm256_add_epi64(product, _mm256_add_epi64(lanes, swapped));
}

__attribute__((target("avx2"))) inline __m256i Largest(__m256i largest, __m256i data) {
  const __m256i magnitude = _mm256_and_si256(data, _mm256_set1_epi32(static_cast<int>(kMagnitude)));
  return _mm256_max_epu32(largest, magnitude);
}

__attribute__((target("avx2"))) inline uint32_t LargestOf(const Lanes& largest) {
  alignas(32) uint32_t magnitudes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(magnitudes),
                     _mm256_max_epu32(largest.low, largest.high));
  return *std::max_element(magnitudes, magnitudes + 8);
}

__attribute__((target("avx2"))) inline void TakeInStripe(Lanes& lanes, Lanes& largest,
                                                         const std::byte* stripe,
                                                         const uint8_t* secret) {
  const __m256i low = Load(stripe);
  const __m256i high = Load(stripe + kStripeBytes / 2);
  lanes.low = TakeIn(lanes.low, low, Load(secret));
  lanes.high = TakeIn(lanes.high, high, Load(secret + kStripeBytes / 2));
  largest.low = Largest(largest.low, low);
  largest.high = Largest(largest.high, high);
}

__attribute__((target("avx2"))) inline __m256i Scramble(__m256i lanes, __m256i secret) {
  const __m256i mixed =
      _mm256_xor_si256(_mm256_xor_si256(lanes, _mm256_srli_epi64(lanes, 47)), secret);
  const __m256i prime = _mm256_set1_epi32(static_cast<int>(kPrime32[0]));
  const __m256i high = _mm256_mul_epu32(_mm256_srli_epi64(mixed, 32), prime);
  return _mm256_add_epi64(_mm256_mul_epu32(mixed, prime), _mm256_slli_epi64(high, 32));
}

uint64_t Read64(const uint8_t* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

uint64_t Merge(const uint64_t* lanes, size_t bytes) {
  const uint8_t* const secret = XXH3_kSecret + 11;
  uint64_t result = bytes * kPrime64[0];
  for (size_t i = 0; i < 8; i += 2) {
    const absl::uint128 product = absl::uint128(lanes[i] ^ Read64(secret + 8 * i)) *
                                  (lanes[i + 1] ^ Read64(secret + 8 * i + 8));
    result += absl::Uint128Low64(product) ^ absl::Uint128High64(product);
  }
  result ^= result >> 37;
  result *= 0x165667919E3779F9;
  return result ^ (result >> 32);
}

bool MayUseAvx2(absl::Span<const std::byte> payload) {
  return payload.size() > kShortBytes && __builtin_cpu_supports("avx2");
}

constexpr uint64_t kStart[8] = {kPrime32[2], kPrime64[0], kPrime64[1], kPrime64[2],
                                kPrime64[3], kPrime32[1], kPrime64[4], kPrime32[0]};

// Takes in the whole blocks before `landed`, from `at` on; not the payload's last byte, which belongs to what comes at the end. Where
// it has come to.
__attribute__((target("avx2"))) size_t TakeInBlocks(absl::Span<const std::byte> payload, size_t at,
                                                    size_t landed, uint64_t* kept_lanes,
                                                    uint32_t* kept_largest) {
  const uint8_t* const secret = XXH3_kSecret;
  Lanes lanes = {Load(kept_lanes), Load(kept_lanes + 4)};
  Lanes largest = {Load(kept_largest), Load(kept_largest + 8)};
  const size_t end = std::min(landed, payload.size() - 1);
  for (; at + kBlockBytes <= end; at += kBlockBytes) {
    for (size_t i = 0; i < kStripesPerBlock; ++i) {
      TakeInStripe(lanes, largest, payload.data() + at + i * kStripeBytes, secret + 8 * i);
    }
    lanes.low = Scramble(lanes.low, Load(secret + 8 * kStripesPerBlock));
    lanes.high = Scramble(lanes.high, Load(secret + 8 * kStripesPerBlock + kStripeBytes / 2));
  }
  Store(lanes, kept_lanes);
  Store(largest, kept_largest);
  return at;
}

// What is left behind the whole blocks.
__attribute__((target("avx2"))) PayloadScan TakeInRest(absl::Span<const std::byte> payload,
                                                       size_t at, const uint64_t* kept_lanes,
                                                       const uint32_t* kept_largest) {
  const uint8_t* const secret = XXH3_kSecret;
  Lanes lanes = {Load(kept_lanes), Load(kept_lanes + 4)};
  Lanes largest = {Load(kept_largest), Load(kept_largest + 8)};
  const size_t end = payload.size() - 1;
  for (size_t i = 0; at + kStripeBytes <= end; ++i, at += kStripeBytes) {
    TakeInStripe(lanes, largest, payload.data() + at, secret + 8 * i);
  }
  // The last 64 bytes, some of which may have been taken in before.
  TakeInStripe(lanes, largest, payload.data() + payload.size() - kStripeBytes,
               secret + XXH_SECRET_DEFAULT_SIZE - kStripeBytes - 7);
  alignas(32) uint64_t hashed[8];
  Store(lanes, hashed);
  return {.hash = Merge(hashed, payload.size()), .finite = LargestOf(largest) < kInfinity};
}

__attribute__((target("avx2"))) bool AllFiniteWithAvx2(absl::Span<const std::byte> payload) {
  Lanes largest = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  size_t at = 0;
  for (; at + kStripeBytes <= payload.size(); at += kStripeBytes) {
    largest.low = Largest(largest.low, Load(payload.data() + at));
    largest.high = Largest(largest.high, Load(payload.data() + at + kStripeBytes / 2));
  }
  return LargestOf(largest) < kInfinity && AllFinitePortably(payload.subspan(at));
}

#endif  // TIDEWAY_SCAN_AVX2

}  // namespace

PayloadScan ScanFloatsPortably(absl::Span<const std::byte> payload) {
  assert(payload.size() % sizeof(uint32_t) == 0);
  if (payload.empty()) return {};
  return {.hash = XXH3_64bits(payload.data(), payload.size()),
          .finite = AllFinitePortably(payload)};
}

bool AllFinite(absl::Span<const std::byte> payload) {
#ifdef TIDEWAY_SCAN_AVX2
  if (MayUseAvx2(payload)) return AllFiniteWithAvx2(payload);
#endif
  return AllFinitePortably(payload);
}

PayloadScanner::PayloadScanner(absl::Span<const std::byte> payload) : payload_(payload) {
#ifdef TIDEWAY_SCAN_AVX2
  std::copy(std::begin(kStart), std::end(kStart), lanes_);
#endif
}

void PayloadScanner::Advance([[maybe_unused]] size_t landed) {
  assert(landed <= payload_.size());
#ifdef TIDEWAY_SCAN_AVX2
  if (MayUseAvx2(payload_)) scanned_ = TakeInBlocks(payload_, scanned_, landed, lanes_, largest_);
#endif
}

PayloadScan PayloadScanner::Finish() {
#ifdef TIDEWAY_SCAN_AVX2
  if (MayUseAvx2(payload_)) {
    Advance(payload_.size());
    return TakeInRest(payload_, scanned_, lanes_, largest_);
  }
#endif
  if (payload_.size() % sizeof(uint32_t) == 0) return ScanFloatsPortably(payload_);
  return {.hash = XXH3_64bits(payload_.data(), payload_.size()), .finite = false};
}

uint64_t HashBytes(absl::Span<const std::byte> bytes) {
#ifdef TIDEWAY_SCAN_AVX2
  if (MayUseAvx2(bytes)) return PayloadScanner(bytes).Finish().hash;
#endif
  return XXH3_64bits(bytes.data(), bytes.size());
}

PayloadScan ScanFloats(absl::Span<const std::byte> payload) {
  return PayloadScanner(payload).Finish();
}

}  // namespace tideway::wire
