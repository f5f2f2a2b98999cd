// Counts what this program takes from the heap, and where: the C library's malloc and its kin are replaced by ones that count and then do
// what they always did; C++'s new ends there too. To be linked into a program that is made for that, never into a library.
//
// Threads: any number may allocate meanwhile; the functions below are called by one.

#ifndef TIDEWAY_BENCH_MEMORY_ALLOCATION_COUNTER_H_
#define TIDEWAY_BENCH_MEMORY_ALLOCATION_COUNTER_H_

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct AllocationSite {
  uint64_t allocations = 0;
  std::vector<std::string> frames;  // who called, the innermost first
};

// From here on allocations are counted from zero. `program`: argv[0], to find the names of functions in. REQUIRES: not counting.
void BeginToCountAllocations(const char* program);

// The sites with the most allocations first. Those that the table of sites had no room for are one without frames.
std::vector<AllocationSite> EndCountingAllocations();

}  // namespace bench

#endif  // TIDEWAY_BENCH_MEMORY_ALLOCATION_COUNTER_H_
