// Statuses of the C ABI as Python exceptions.

#ifndef TIDEWAY_BINDINGS_PYTHON_ERRORS_H_
#define TIDEWAY_BINDINGS_PYTHON_ERRORS_H_

#include <pybind11/pybind11.h>

#include <string>

#include "bindings/c/tideway.h"

namespace tideway::python {

// Adds tideway.Error and one subclass for each status to the module.
void AddErrors(pybind11::module_& module);

// Throws the exception of `status` with the last message, unless it is TIDEWAY_OK. With the GIL.
void Check(tideway_status status);
[[noreturn]] void Throw(tideway_status status, const std::string& message);

}  // namespace tideway::python

#endif  // TIDEWAY_BINDINGS_PYTHON_ERRORS_H_
