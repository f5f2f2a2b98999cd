// What a hello tells of the client's layout, so that a server that has another one can name the first tensor that differs.

#ifndef TIDEWAY_CORE_WIRE_LAYOUT_OUTLINE_H_
#define TIDEWAY_CORE_WIRE_LAYOUT_OUTLINE_H_

#include <string>

#include "core/wire/control.h"
#include "tideway/layout.h"

namespace tideway::wire {

// The summary, and as many tensors ("weight [10, 784]") as go into a quarter of kControlBytesMax.
void DescribeLayout(const Layout& layout, Hello& hello);

// For people: how the client's layout differs from `layout`. REQUIRES: the fingerprints differ.
std::string DifferenceOfLayouts(const Layout& layout, const Hello& hello);

}  // namespace tideway::wire

#endif  // TIDEWAY_CORE_WIRE_LAYOUT_OUTLINE_H_
