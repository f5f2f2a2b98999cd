// Preloaded for valgrind: takes the place of the one function of Highway's shared library that runs rdtscp, when the library is loaded.
// Valgrind refuses that instruction where the processor does not announce it, as many virtual ones don't. Nothing of Tideway asks for
// the timer's resolution.

#include <cstdint>

namespace hwy::platform {

uint64_t TimerResolution() { return 1; }

}  // namespace hwy::platform
