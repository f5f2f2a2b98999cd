// Entering the interpreter: threads of Python's that come back from waiting, and threads of the library's that call Python code.
//
// When the interpreter ends, Python ends each thread that then asks for the GIL, by unwinding it, which C++ can't bear in a destructor.
// So the thread that ends it first forbids to enter, and waits for those who are on their way in or call Python code.

#ifndef TIDEWAY_BINDINGS_PYTHON_GIL_H_
#define TIDEWAY_BINDINGS_PYTHON_GIL_H_

#include <pybind11/pybind11.h>

namespace tideway::python {

// Once, when the module is imported.
void WatchForks();

// The interpreter is about to end: from now on no other thread than this one enters it. Waits, without the GIL, for those that did. To
// be called with the GIL, when all clients and servers are closed.
void ForbidEntry();

// For a thread of the library's, around what it does in Python, before it takes the GIL. False: it must not.
class PythonEntry {
 public:
  PythonEntry();
  ~PythonEntry();
  PythonEntry(const PythonEntry&) = delete;
  PythonEntry& operator=(const PythonEntry&) = delete;

  explicit operator bool() const { return allowed_; }

 private:
  const bool allowed_;
};

// Takes the GIL again. Where the interpreter is ending, other threads than the one that ends it never return from here: Python has
// nothing left for them to do.
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
