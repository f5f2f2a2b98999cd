// The transports of this build as entries that a test may wrap.

#ifndef TIDEWAY_TESTS_FAULT_BUILTIN_ENTRY_H_
#define TIDEWAY_TESTS_FAULT_BUILTIN_ENTRY_H_

#include <memory>
#include <string>
#include <vector>

#include "tideway/builtin_transports.h"
#include "tideway/transport.h"

namespace tideway::testing {

// A copy of `listed`, which is one of `registry`'s; it keeps the registry alive.
inline TransportEntry CopyOf(const std::shared_ptr<TransportRegistry>& registry,
                             const TransportEntry& listed) {
  TransportEntry copy;
  copy.name = listed.name;
  copy.schemes = listed.schemes;
  copy.probe = [registry, &listed] { return listed.probe(); };
  copy.create = [registry, &listed](const TransportContext& context) {
    return listed.create(context);
  };
  return copy;
}

// Every listed transport, in the order of the list. The copies share what they were made of.
inline std::vector<TransportEntry> BuiltinEntries() {
  const auto registry = std::make_shared<TransportRegistry>(BuiltinTransports());
  std::vector<TransportEntry> copies;
  for (const TransportEntry& listed : registry->entries())
    copies.push_back(CopyOf(registry, listed));
  return copies;
}

// REQUIRES: it is listed.
inline TransportEntry BuiltinEntry(const std::string& name) {
  std::vector<TransportEntry> entries = BuiltinEntries();
  size_t i = 0;
  while (entries.at(i).name != name) ++i;
  return std::move(entries[i]);
}

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_FAULT_BUILTIN_ENTRY_H_
