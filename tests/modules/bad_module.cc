// Modules that the loader must refuse. CMake compiles this file once per kind.

#include "transports/module_abi.h"

#ifdef TIDEWAY_TEST_MISSING_LIBRARY
int AnswerOfTheAbsentLibrary();
#endif

namespace {

// Nobody may call into a module that is refused before its entry is read.
[[maybe_unused]] tideway::TransportEntry MustNotBeCalled() { __builtin_trap(); }

[[maybe_unused]] tideway::TransportEntry OtherName() {
  tideway::TransportEntry entry;
  entry.name = "pigeon";
  entry.schemes = {"pigeon"};
  return entry;
}

}  // namespace

#ifdef TIDEWAY_TEST_NO_ENTRY_POINT
extern "C" const tideway::TransportModule* some_other_function() { return nullptr; }
#else
extern "C" const tideway::TransportModule* tideway_transport_module() {
#if defined(TIDEWAY_TEST_WRONG_ABI)
  static const tideway::TransportModule module = {.abi = 4711, .entry = &MustNotBeCalled};
#elif defined(TIDEWAY_TEST_WRONG_BUILD)
  static const tideway::TransportModule module = {.build_id = "Tideway 0.0.1 of another day",
                                                  .entry = &MustNotBeCalled};
#elif defined(TIDEWAY_TEST_WRONG_NAME)
  static const tideway::TransportModule module = {.entry = &OtherName};
#else
  static const tideway::TransportModule module = {
      .entry = AnswerOfTheAbsentLibrary() == 42 ? &OtherName : &MustNotBeCalled};
#endif
  return &module;
}
#endif
