// What is vectorised against a reference that sorts, bit for bit, on every instruction set that this
// machine has: what one machine encodes must not depend on its vectors.

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "compression/common/float_bits.h"
#include "compression/common/kernel_testing.h"
#include "compression/topk/kernel.h"
#include "compression/topk/select.h"
#include "gtest/gtest.h"

namespace tideway::compression {
namespace {

using Random = std::mt19937_64;
using Floats = std::vector<float>;

float Signed(Random& random) {
  return static_cast<float>(static_cast<int32_t>(random() >> 40) - (1 << 23)) * 0x1p-23f;
}

// One awkward kind of vector: the value at an index.
struct Input {
  const char* name;
  std::function<float(size_t, Random&)> value;
};

const std::vector<Input>& Inputs() {
  static const auto* const inputs = new std::vector<Input>{
      {"random", [](size_t, Random& random) { return Signed(random) * Signed(random); }},
      {"denormal", [](size_t, Random& random) { return Signed(random) * 0x1p-127f; }},
      {"zero", [](size_t, Random& random) { return random() & 1 ? 0.0f : -0.0f; }},
      {"huge", [](size_t, Random& random) { return Signed(random) * 0x1p126f; }},
      {"equal", [](size_t, Random& random) { return random() & 1 ? 0.5f : -0.5f; }},
      {"few values",
       [](size_t, Random& random) { return static_cast<float>(random() % 4) - 1.5f; }},
      {"ascending", [](size_t i, Random&) { return static_cast<float>(i); }},
      {"descending", [](size_t i, Random&) { return 1e7f - static_cast<float>(i); }},
      {"one giant", [](size_t i, Random&) { return i == 33 ? FLT_MAX / 4 : 0x1p-149f; }},
      // A guess of the threshold from a sample of evenly spaced places is far off in both.
      {"large where sampled",
       [](size_t i, Random& random) { return Signed(random) * (i % 8192 < 64 ? 1e6f : 1.0f); }},
      {"small where sampled",
       [](size_t i, Random& random) { return Signed(random) * (i % 8192 < 64 ? 1e-6f : 1.0f); }},
      {"any exponent",
       [](size_t, Random& random) {
         const auto bits = static_cast<uint32_t>(random());
         return FloatOf((bits & 0x807fffffu) | (bits >> 23 & 0xff) % 252 << 23);
       }},
  };
  return *inputs;
}

Floats Make(const Input& input, size_t elements, Random& random) {
  Floats values(elements);
  for (size_t i = 0; i < elements; ++i) values[i] = input.value(i, random);
  return values;
}

// The k largest of e[first..last), by a sort.
void AppendLargest(const Floats& e, size_t first, size_t last, size_t k,
                   std::vector<uint32_t>* indices) {
  std::vector<uint32_t> order(last - first);
  std::iota(order.begin(), order.end(), static_cast<uint32_t>(first));
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return MagnitudeBits(e[a]) > MagnitudeBits(e[b]);
  });
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k));
  indices->insert(indices->end(), order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k));
}

std::vector<uint32_t> Reference(const Floats& e, const IndexLayout& layout) {
  std::vector<uint32_t> indices;
  AppendLargest(e, 0, e.size(), layout.k, &indices);
  return indices;
}

std::vector<uint32_t> Reference(const Floats& e, const ChunkLayout& layout) {
  std::vector<uint32_t> indices;
  for (size_t first = 0; first < e.size(); first += layout.chunk()) {
    AppendLargest(e, first, first + layout.LengthAt(first), layout.CountAt(first), &indices);
  }
  return indices;
}

Floats SumOf(const Floats& delta, const Floats& residual, float decay) {
  Floats e(delta);
  for (size_t i = 0; i < residual.size(); ++i) e[i] = delta[i] + decay * residual[i];
  return e;
}

template <typename Layout>
void ExpectReference(const Floats& delta, Floats residual, const Layout& layout) {
  const Pushed pushed{delta.data(), residual.empty() ? nullptr : residual.data(), 0.95f,
                      delta.size()};
  const Floats e = SumOf(delta, residual, pushed.decay);
  const std::vector<uint32_t> expected = Reference(e, layout);
  // Exactly the room that is asked for, on the heap, where AddressSanitizer watches it.
  std::vector<uint32_t> indices(RoomFor(layout));
  Floats values(indices.size());
  Candidates selected{indices.data(), values.data(), indices.size(), 0};
  const uint32_t largest = SelectAll(pushed, layout, &selected);
  ASSERT_EQ(selected.count, layout.k);
  indices.resize(layout.k);
  ASSERT_EQ(indices, expected);
  for (size_t rank = 0; rank < layout.k; ++rank) {
    ASSERT_EQ(BitsOf(values[rank]), BitsOf(e[indices[rank]])) << "rank " << rank;
  }
  uint32_t expected_largest = 0;
  for (const float value : e) expected_largest = std::max(expected_largest, MagnitudeBits(value));
  ASSERT_EQ(largest, expected_largest);
  if (residual.empty()) return;
  Floats left = e;
  for (size_t rank = 0; rank < layout.k; ++rank) left[indices[rank]] = values[rank] = 0.25f;
  WriteResidual(pushed, indices.data(), values.data(), layout.k);
  ASSERT_TRUE(testing::SameBits(residual, left));
}

class Targets : public ::testing::Test {
 protected:
  static void ExpectBothForms(const Input& input, size_t elements, size_t k, int chunk_log2,
                              Random& random) {
    SCOPED_TRACE(::testing::Message() << input.name << ", " << elements << " elements, k " << k);
    const Floats delta = Make(input, elements, random);
    const Floats residual = Make(input, elements, random);
    const size_t k_per_chunk = std::max<size_t>(1, (k << chunk_log2) / elements);
    for (const Floats& left : {Floats(), residual}) {
      ExpectReference(delta, left, LayoutFor(elements, k));
      ExpectReference(delta, left, ChunkLayoutFor(elements, chunk_log2, k_per_chunk));
      if (HasFatalFailure()) return;
    }
  }

  Random random_{20240607};
};

TEST_F(Targets, EveryLengthSelectsWhatASortSelects) {
  testing::OnEveryTarget([&] {
    for (size_t elements = 1; elements <= 1025; ++elements) {
      const Input& input = Inputs()[elements % Inputs().size()];
      ExpectBothForms(input, elements, 1 + random_() % elements, 8, random_);
      if (HasFatalFailure()) return;
    }
  });
}

TEST_F(Targets, EveryKindOfInputSelectsWhatASortSelects) {
  testing::OnEveryTarget([&] {
    for (const Input& input : Inputs()) {
      for (const size_t k : {size_t{1}, size_t{400}, size_t{15000}, size_t{33000}}) {
        ExpectBothForms(input, 33000, k, 12, random_);
        if (HasFatalFailure()) return;
      }
    }
  });
}

TEST_F(Targets, AnyGuessOfTheBoundGivesTheSameSelection) {
  const Floats delta = Make(Inputs()[0], 30000, random_);
  const Pushed pushed{delta.data(), nullptr, 1.0f, delta.size()};
  constexpr size_t kSelected = 300;
  const std::vector<uint32_t> expected = Reference(delta, LayoutFor(delta.size(), kSelected));
  testing::OnEveryTarget([&] {
    for (uint32_t guess = 0; guess < 0x7fffffffu - (1u << 22); guess += 1u << 22) {
      std::vector<uint32_t> indices(SelectionRoom(delta.size(), kSelected));
      Floats values(indices.size());
      Candidates selected{indices.data(), values.data(), indices.size(), 0};
      uint32_t bound = guess;
      SelectLargest(pushed, 0, delta.size(), kSelected, &bound, &selected);
      indices.resize(selected.count);
      ASSERT_EQ(indices, expected) << "guess " << guess;
      ASSERT_EQ(FloatOf(bound), [&] {
        float least = FLT_MAX;
        for (const uint32_t i : expected) least = std::min(least, std::fabs(delta[i]));
        return least;
      }());
    }
  });
}

TEST_F(Targets, WhatIsNotFiniteIsSeenAtEveryPlace) {
  testing::OnEveryTarget([&] {
    for (size_t elements = 1; elements <= 130; ++elements) {
      for (size_t at = 0; at < elements; ++at) {
        Floats delta(elements, 1.0f);
        const float bad[] = {std::numeric_limits<float>::infinity(),
                             -std::numeric_limits<float>::quiet_NaN()};
        delta[at] = bad[at & 1];
        const Pushed pushed{delta.data(), nullptr, 1.0f, elements};
        const IndexLayout layout = LayoutFor(elements, 1);
        std::vector<uint32_t> indices(RoomFor(layout));
        Floats values(indices.size());
        Candidates selected{indices.data(), values.data(), indices.size(), 0};
        ASSERT_GE(SelectAll(pushed, layout, &selected), kInfinityBits) << at << " of " << elements;
      }
    }
  });
}

}  // namespace
}  // namespace tideway::compression
