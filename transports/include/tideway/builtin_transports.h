// The transports that this build of Tideway was made with, as the value that a Runtime takes.
//
//   tideway::Runtime runtime({.transports = tideway::BuiltinTransports(), ...});

#ifndef TIDEWAY_TRANSPORTS_INCLUDE_TIDEWAY_BUILTIN_TRANSPORTS_H_
#define TIDEWAY_TRANSPORTS_INCLUDE_TIDEWAY_BUILTIN_TRANSPORTS_H_

#include "tideway/transport.h"

namespace tideway {

// One entry per line of transports/CMakeLists.txt, in that order. A transport whose dependency is
// missing here is listed too; its probe says why it can't work.
TransportRegistry BuiltinTransports();

}  // namespace tideway

#endif  // TIDEWAY_TRANSPORTS_INCLUDE_TIDEWAY_BUILTIN_TRANSPORTS_H_
