// The parameter density= of the sparse codecs: which part of the elements is sent.

#ifndef TIDEWAY_COMPRESSION_COMMON_DENSITY_H_
#define TIDEWAY_COMPRESSION_COMMON_DENSITY_H_

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "tideway/spec.h"

namespace tideway::compression {

inline double ReadDensity(SpecReader& reader) { return reader.Number("density", 0.01, 1e-7, 1.0); }

// density * elements, rounded half up; at least 1 of any, at most all.
inline size_t CountFor(double density, size_t elements) {
  if (elements == 0) return 0;
  const auto rounded = static_cast<size_t>(std::llround(density * static_cast<double>(elements)));
  return std::clamp<size_t>(rounded, 1, elements);
}

}  // namespace tideway::compression

#endif  // TIDEWAY_COMPRESSION_COMMON_DENSITY_H_
