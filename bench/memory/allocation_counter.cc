#include "bench/memory/allocation_counter.h"

#include <execinfo.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#include "absl/debugging/symbolize.h"

// What glibc itself calls its allocator, for those who replace the public names.
extern "C" {
void* __libc_malloc(size_t bytes);                      // NOLINT
void* __libc_calloc(size_t count, size_t bytes);        // NOLINT
void* __libc_realloc(void* memory, size_t bytes);       // NOLINT
void* __libc_memalign(size_t alignment, size_t bytes);  // NOLINT
}

namespace bench {
namespace {

constexpr size_t kSitesMax = 4096;
constexpr int kFramesMax = 24;
constexpr int kOwnFrames = 2;  // Count and the function that replaces malloc

struct Site {
  std::atomic<uint64_t> key{0};  // of the frames; 0: free
  std::atomic<uint64_t> allocations{0};
  std::array<void*, kFramesMax> frames;
  int depth = 0;
};

// Nothing here may allocate, so the table has its size from the start. The last one is for all that find no room.
std::array<Site, kSitesMax + 1> sites;
std::atomic<bool> counting{false};
thread_local bool inside = false;  // a backtrace may allocate too

uint64_t KeyOf(const std::array<void*, kFramesMax>& frames, int depth) {
  uint64_t key = 0xcbf29ce484222325;  // FNV-1a
  for (int i = 0; i < depth; ++i) {
    key = (key ^ reinterpret_cast<uintptr_t>(frames[static_cast<size_t>(i)])) * 0x100000001b3;
  }
  return key == 0 ? 1 : key;
}

Site& SiteFor(uint64_t key, const std::array<void*, kFramesMax>& frames, int depth) {
  for (size_t probe = 0; probe < kSitesMax; ++probe) {
    Site& site = sites[(key + probe) % kSitesMax];
    uint64_t found = 0;
    if (site.key.compare_exchange_strong(found, key)) {
      site.frames = frames;
      site.depth = depth;
      return site;
    }
    if (found == key) return site;
  }
  return sites[kSitesMax];
}

__attribute__((noinline)) void Count() {
  if (inside || !counting.load(std::memory_order_relaxed)) return;
  inside = true;
  std::array<void*, kFramesMax> frames = {};
  const int depth = backtrace(frames.data(), kFramesMax);
  SiteFor(KeyOf(frames, depth), frames, depth).allocations.fetch_add(1);
  inside = false;
}

std::string NameOf(void* frame) {
  std::array<char, 512> name = {};
  // The address is that of what runs next, which may belong to another function.
  if (!absl::Symbolize(static_cast<char*>(frame) - 1, name.data(), name.size())) return "?";
  return name.data();
}

AllocationSite Described(const Site& site) {
  AllocationSite described = {.allocations = site.allocations.load(), .frames = {}};
  for (int i = kOwnFrames; i < site.depth; ++i) {
    described.frames.push_back(NameOf(site.frames[static_cast<size_t>(i)]));
  }
  return described;
}

}  // namespace

void BeginToCountAllocations(const char* program) {
  absl::InitializeSymbolizer(program);
  std::array<void*, 1> frame = {};
  backtrace(frame.data(), 1);  // the first one loads a library
  for (Site& site : sites) {
    site.key = 0;
    site.allocations = 0;
    site.depth = 0;
  }
  counting = true;
}

std::vector<AllocationSite> EndCountingAllocations() {
  counting = false;
  std::vector<AllocationSite> all;
  for (const Site& site : sites) {
    if (site.allocations.load() > 0) all.push_back(Described(site));
  }
  std::sort(all.begin(), all.end(), [](const AllocationSite& one, const AllocationSite& other) {
    return one.allocations > other.allocations;
  });
  return all;
}

}  // namespace bench

extern "C" {

void* malloc(size_t bytes) {
  bench::Count();
  return __libc_malloc(bytes);
}

void* calloc(size_t count, size_t bytes) {
  bench::Count();
  return __libc_calloc(count, bytes);
}

void* realloc(void* memory, size_t bytes) {
  bench::Count();
  return __libc_realloc(memory, bytes);
}

void* memalign(size_t alignment, size_t bytes) {
  bench::Count();
  return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) {
  bench::Count();
  return __libc_memalign(alignment, bytes);
}

int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  bench::Count();
  void* const block = __libc_memalign(alignment, bytes);
  if (block == nullptr) return ENOMEM;
  *memory = block;
  return 0;
}

}  // extern "C"
