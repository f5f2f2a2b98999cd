// Leaving the interpreter while something waits, and coming back.

#ifndef TIDEWAY_BINDINGS_PYTHON_GIL_H_
#define TIDEWAY_BINDINGS_PYTHON_GIL_H_

#include <pybind11/pybind11.h>

namespace tideway::python {

// The interpreter is about to end: from now on no other thread than this one enters it. To be called when all clients and servers are
// closed.
void ForbidEntry();
bool EntryForbidden();

// Takes the GIL again. Where the interpreter is ending, other threads than the one that ends it never return from here: Python has
// nothing left for them to do, and would end them by unwinding, which C++ can't bear in a destructor.
void ReturnToPython(PyThreadState* state);

// Runs `body` without the GIL. REQUIRES: it throws nothing.
template <typename Body>
auto WithoutGil(Body body) {
  PyThreadState* const state = PyEval_SaveThread();
  const auto result = body();
  ReturnToPython(state);
  return result;
}

}  // namespace tideway::python

#endif  // TIDEWAY_BINDINGS_PYTHON_GIL_H_
