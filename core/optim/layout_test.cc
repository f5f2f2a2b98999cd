#include "tideway/layout.h"

#include <algorithm>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ErrorOf(std::vector<TensorSpec> tensors, const LayoutOptions& options = {}) {
  const absl::StatusOr<Layout> layout = Layout::Create(std::move(tensors), options);
  EXPECT_EQ(layout.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(layout.status().message());
}

TEST(Layout, CutsTheFlatVectorIntoFragmentsOfTheLargestSizeAndOneRest) {
  // 6 + 1 + 4 = 11 elements; 4 per fragment.
  const auto layout = Layout::Create({{"a", {2, 3}}, {"b", {}}, {"c", {4}}},
                                     {.fragment_bytes_max = 16, .servers = 1});
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->elements(), 11u);
  ASSERT_EQ(layout->fragments().size(), 3u);
  const size_t offsets[] = {0, 4, 8}, elements[] = {4, 4, 3};
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(layout->fragments()[i].id, i);
    EXPECT_EQ(layout->fragments()[i].offset, offsets[i]);
    EXPECT_EQ(layout->fragments()[i].elements, elements[i]);
  }
}

TEST(Layout, PlacesFragmentsByTheTableMadeByHand) {
  // 19 elements, 4 per fragment: four of 4 and one of 3. In falling order of size the ids are 0 1 2
  // 3 4:
  //   0 -> server 0 (4 0 0), 1 -> server 1 (4 4 0), 2 -> server 2 (4 4 4), 3 -> server 0 (8 4 4),
  //   4 -> server 1 (8 7 4).
  const auto layout = Layout::Create({{"w", {19}}}, {.fragment_bytes_max = 16, .servers = 3});
  ASSERT_TRUE(layout.ok()) << layout.status();
  std::vector<uint32_t> servers;
  for (const FragmentSpec& fragment : layout->fragments()) servers.push_back(fragment.server);
  EXPECT_THAT(servers, ElementsAre(0, 1, 2, 0, 1));
  EXPECT_THAT(layout->fragments_of(0), ElementsAre(0, 3));
  EXPECT_THAT(layout->fragments_of(1), ElementsAre(1, 4));
  EXPECT_THAT(layout->fragments_of(2), ElementsAre(2));
}

TEST(Layout, GivesServersBeyondTheFragmentsNothing) {
  const auto layout = Layout::Create({{"w", {3}}}, {.fragment_bytes_max = 8, .servers = 4});
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_THAT(layout->fragments_of(1), ElementsAre(1));
  EXPECT_TRUE(layout->fragments_of(3).empty());
}

TEST(Layout, CoversEveryElementOnceAndBalancesServersWithinOneFragment) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937 random(seed);
    std::vector<TensorSpec> tensors;
    size_t elements = 0;
    const int count = 1 + static_cast<int>(random() % 20);
    for (int i = 0; i < count; ++i) {
      const int64_t rows = 1 + random() % 40, columns = 1 + random() % 40;
      tensors.push_back({absl::StrCat("t", i), {rows, columns}});
      elements += static_cast<size_t>(rows * columns);
    }
    const LayoutOptions options = {.fragment_bytes_max = 4 * (1 + random() % 500),
                                   .servers = static_cast<uint32_t>(1 + random() % 9)};
    const auto layout = Layout::Create(tensors, options);
    ASSERT_TRUE(layout.ok()) << layout.status();
    size_t next = 0;
    std::vector<size_t> bytes(options.servers);
    for (const FragmentSpec& fragment : layout->fragments()) {
      ASSERT_EQ(fragment.offset, next);
      ASSERT_GT(fragment.elements, 0u);
      ASSERT_LE(4 * fragment.elements, options.fragment_bytes_max);
      next += fragment.elements;
      bytes.at(fragment.server) += 4 * fragment.elements;
    }
    ASSERT_EQ(next, elements);
    const auto [least, most] = std::minmax_element(bytes.begin(), bytes.end());
    ASSERT_LE(*most - *least, options.fragment_bytes_max);
    std::set<uint32_t> seen;
    for (uint32_t server = 0; server < options.servers; ++server) {
      const auto& ids = layout->fragments_of(server);
      ASSERT_TRUE(std::is_sorted(ids.begin(), ids.end()));
      for (uint32_t id : ids) {
        ASSERT_EQ(layout->fragments()[id].server, server);
        ASSERT_TRUE(seen.insert(id).second);
      }
    }
    ASSERT_EQ(seen.size(), layout->fragments().size());
  }
}

TEST(Layout, NamesTheTensorAtEveryOffset) {
  const auto layout = Layout::Create({{"a", {2, 3}}, {"b", {}}, {"c", {4}}});
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->tensor_at(0), "a");
  EXPECT_EQ(layout->tensor_at(5), "a");
  EXPECT_EQ(layout->tensor_at(6), "b");
  EXPECT_EQ(layout->tensor_at(7), "c");
  EXPECT_EQ(layout->tensor_at(10), "c");
}

TEST(Layout, HasAFingerprintThatEveryChangeChanges) {
  const std::vector<TensorSpec> tensors = {{"a", {2, 3}}, {"b", {4}}};
  const LayoutOptions options = {.fragment_bytes_max = 16, .servers = 2};
  const auto base = Layout::Create(tensors, options);
  ASSERT_TRUE(base.ok());
  EXPECT_EQ(Layout::Create(tensors, options)->fingerprint(), base->fingerprint());
  const std::vector<Layout> others = {
      *Layout::Create({{"b", {4}}, {"a", {2, 3}}}, options),
      *Layout::Create({{"a", {3, 2}}, {"b", {4}}}, options),
      *Layout::Create({{"a", {6}}, {"b", {4}}}, options),
      *Layout::Create({{"a", {2, 3}}, {"b", {4, 1}}}, options),
      *Layout::Create({{"ab", {2, 3}}, {"b", {4}}}, options),
      *Layout::Create({{"a", {2, 3}}, {"b", {4}}, {"c", {}}}, options),
      *Layout::Create(tensors, {.fragment_bytes_max = 20, .servers = 2}),
      *Layout::Create(tensors, {.fragment_bytes_max = 16, .servers = 3}),
  };
  std::set<uint64_t> fingerprints = {base->fingerprint()};
  for (const Layout& other : others) EXPECT_TRUE(fingerprints.insert(other.fingerprint()).second);
}

TEST(Layout, KeepsItsFingerprintAcrossMachinesAndReleases) {
  // Workers and servers of different builds compare it: a change here breaks them, and needs a new
  // format number.
  const auto layout = Layout::Create({{"a", {2, 3}}, {"b", {}}}, {.servers = 2});
  EXPECT_EQ(layout->fingerprint(), 0x9b466de674f26b54u)
      << absl::StrCat(absl::Hex(layout->fingerprint()));
}

TEST(Layout, DescribesItselfInOneLine) {
  const auto layout = Layout::Create({{"a", {1234, 1000}}, {"b", {5}}}, {.servers = 2});
  EXPECT_EQ(layout->ToString(),
            "2 tensors, 1,234,005 parameters, 5 fragments of at most 1048576 bytes, 2 servers");
  EXPECT_EQ(Layout::Create({{"b", {}}})->ToString(),
            "1 tensor, 1 parameter, 1 fragment of at most 1048576 bytes, 1 server");
}

TEST(Layout, RefusesNamesThatAreEmptyRepeatedOrTooLong) {
  EXPECT_THAT(ErrorOf({{"a", {1}}, {"", {1}}}), HasSubstr("tensor number 1 has no name"));
  EXPECT_THAT(ErrorOf({{"a", {1}}, {"a", {2}}}), HasSubstr("two tensors are named 'a'"));
  EXPECT_THAT(ErrorOf({{std::string(kTensorNameBytesMax + 1, 'x'), {1}}}),
              AllOf(HasSubstr("'xxx"), HasSubstr("at most 512")));
  EXPECT_TRUE(Layout::Create({{std::string(kTensorNameBytesMax, 'x'), {1}}}).ok());
}

TEST(Layout, RefusesShapesThatAreNotPositiveOrTooLarge) {
  EXPECT_THAT(ErrorOf({{"w", {2, 0}}}), AllOf(HasSubstr("'w'"), HasSubstr("[2, 0]")));
  EXPECT_THAT(ErrorOf({{"w", {-1}}}), HasSubstr("'w'"));
  EXPECT_THAT(ErrorOf({{"w", {int64_t{1} << 40, int64_t{1} << 40}}}),
              AllOf(HasSubstr("'w'"), HasSubstr("too large")));
  EXPECT_THAT(ErrorOf({{"w", {INT64_MAX, INT64_MAX, INT64_MAX}}}), HasSubstr("too large"));
  EXPECT_THAT(ErrorOf({{"w", std::vector<int64_t>(kTensorRankMax + 1, 1)}}),
              AllOf(HasSubstr("'w'"), HasSubstr("17 dimensions")));
  EXPECT_TRUE(Layout::Create({{"w", std::vector<int64_t>(kTensorRankMax, 1)}}).ok());
}

TEST(Layout, RefusesMoreFragmentsThanTheLimit) {
  const int64_t most = static_cast<int64_t>(kFragmentsMax);
  EXPECT_THAT(ErrorOf({{"a", {most}}, {"b", {}}}, {.fragment_bytes_max = 4}),
              AllOf(HasSubstr("'b'"), HasSubstr("raise fragment_bytes_max")));
  const auto layout = Layout::Create({{"a", {most}}}, {.fragment_bytes_max = 4, .servers = 3});
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->fragments().size(), kFragmentsMax);
}

TEST(Layout, RefusesNoTensorTooManyTensorsAndBadOptions) {
  EXPECT_THAT(ErrorOf({}), HasSubstr("no tensor"));
  std::vector<TensorSpec> tensors;
  for (size_t i = 0; i <= kTensorsMax; ++i) tensors.push_back({absl::StrCat(i), {}});
  EXPECT_THAT(ErrorOf(std::move(tensors)), HasSubstr("at most 65536"));
  EXPECT_THAT(ErrorOf({{"a", {1}}}, {.fragment_bytes_max = 0}), HasSubstr("fragment_bytes_max"));
  EXPECT_THAT(ErrorOf({{"a", {1}}}, {.fragment_bytes_max = 6}), HasSubstr("multiple of 4"));
  EXPECT_THAT(ErrorOf({{"a", {1}}}, {.fragment_bytes_max = kFragmentBytesMax + 4}),
              HasSubstr("fragment_bytes_max"));
  EXPECT_THAT(ErrorOf({{"a", {1}}}, {.servers = 0}), HasSubstr("0 servers"));
  EXPECT_THAT(ErrorOf({{"a", {1}}}, {.servers = kServersMax + 1}), HasSubstr("1025 servers"));
}

}  // namespace
}  // namespace tideway
