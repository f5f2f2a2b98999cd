#include "bench/common/placement.h"

#include <sched.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// On a thread of its own, so that this one stays where it is. What was thrown, or where that thread may run.
std::string PlaceAside(const std::string& cpus, const std::string& numa) {
  std::string told;
  std::thread([&] {
    try {
      Place(cpus, numa);
      cpu_set_t allowed;
      sched_getaffinity(0, sizeof(allowed), &allowed);
      for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &allowed)) told += "on " + std::to_string(cpu) + ";";
      }
    } catch (const std::exception& error) {
      told = error.what();
    }
  }).join();
  return told;
}

int FirstProcessor() {
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof(allowed), &allowed);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &allowed)) ++cpu;
  return cpu;
}

TEST(Placement, ListsAreNumbersAndRanges) {
  EXPECT_THAT(ParseNumberList("3"), ElementsAre(3));
  EXPECT_THAT(ParseNumberList("0,2-4,7"), ElementsAre(0, 2, 3, 4, 7));
  for (const char* text : {"", "a", "1,", ",1", "-1", "2-1", "1-", "5000", "1;2", "0x1"}) {
    EXPECT_THROW(ParseNumberList(text), std::invalid_argument) << text;
  }
}

TEST(Placement, AThreadStaysOnTheProcessorsThatItIsGiven) {
  const std::string first = std::to_string(FirstProcessor());
  EXPECT_EQ(PlaceAside(first, ""), "on " + first + ";");
}

TEST(Placement, AProcessorThatIsNotThereIsNamedWithThoseThatAre) {
  EXPECT_THAT(PlaceAside("1023", ""),
              HasSubstr("there is no processor 1023 to run on; there are "));
}

TEST(Placement, ANumaNodeThatIsNotThereIsSaid) {
  EXPECT_THAT(PlaceAside("", "1023"), HasSubstr("NUMA node"));
  EXPECT_THAT(PlaceAside("", "first"), HasSubstr("is no list of numbers"));
}

}  // namespace
}  // namespace bench
