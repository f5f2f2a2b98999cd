#include "tideway/builtin_transports.h"

#include <cassert>

namespace tideway {

// Each listed transport x has a namespace x with this function.
#define TIDEWAY_TRANSPORT(name) \
  namespace name {              \
  TransportEntry Entry();       \
  }
#include "tideway/transports.def"
#undef TIDEWAY_TRANSPORT

TransportRegistry BuiltinTransports() {
  TransportRegistry registry;
  [[maybe_unused]] absl::Status added;
#define TIDEWAY_TRANSPORT(name)        \
  added = registry.Add(name::Entry()); \
  assert(added.ok() && "two listed transports share a name or a scheme");
#include "tideway/transports.def"
#undef TIDEWAY_TRANSPORT
  return registry;
}

}  // namespace tideway
