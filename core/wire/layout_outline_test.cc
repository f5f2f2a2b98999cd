#include "core/wire/layout_outline.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/limits.h"

namespace tideway::wire {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Layout LayoutOf(std::vector<TensorSpec> tensors, const LayoutOptions& options = {}) {
  return *Layout::Create(std::move(tensors), options);
}

std::string Difference(const Layout& here, const Layout& client) {
  Hello hello;
  DescribeLayout(client, hello);
  return DifferenceOfLayouts(here, hello);
}

TEST(LayoutOutline, TheFirstTensorThatDiffersIsNamedWithBothShapes) {
  EXPECT_THAT(Difference(LayoutOf({{"a", {2}}, {"b", {3, 4}}, {"c", {1}}}),
                         LayoutOf({{"a", {2}}, {"b", {4, 3}}, {"d", {1}}})),
              AllOf(HasSubstr("number 1, is b [3, 4] here and b [4, 3] at the client"),
                    Not(HasSubstr("d ["))));
}

TEST(LayoutOutline, AMissingTensorIsNamedOnWhicheverSideHasIt) {
  const Layout two = LayoutOf({{"a", {2}}, {"b", {}}});
  const Layout one = LayoutOf({{"a", {2}}});
  EXPECT_THAT(Difference(two, one), HasSubstr("no tensor number 1, which is b [] here"));
  EXPECT_THAT(Difference(one, two), HasSubstr("a tensor number 1, b [], that is missing here"));
}

TEST(LayoutOutline, AnotherCutOfTheSameTensorsShowsInTheSummary) {
  EXPECT_THAT(Difference(LayoutOf({{"a", {2}}}), LayoutOf({{"a", {2}}}, {.fragment_bytes_max = 4})),
              AllOf(HasSubstr("2 fragments of at most 4 bytes"), Not(HasSubstr("differs"))));
}

TEST(LayoutOutline, TheOutlineOfTheLargestLayoutFitsIntoItsLimit) {
  std::vector<TensorSpec> tensors;
  for (size_t i = 0; i < 4096; ++i) {
    std::string name = std::to_string(i);
    name.resize(kTensorNameBytesMax, 'x');
    tensors.push_back({std::move(name), {1}});
  }
  Hello hello;
  DescribeLayout(LayoutOf(tensors), hello);
  EXPECT_LE(hello.ByteSizeLong(), kControlBytesMax / 4 + 1024);
  EXPECT_GT(hello.layout_tensors_size(), 100);
}

TEST(LayoutOutline, WhatAPeerCallsItsTensorIsMadePrintable) {
  Hello hello;
  hello.add_layout_tensors("\x01\xff [2]");
  EXPECT_THAT(DifferenceOfLayouts(LayoutOf({{"a", {2}}}), hello),
              HasSubstr("?? [2] at the client"));
}

}  // namespace
}  // namespace tideway::wire
