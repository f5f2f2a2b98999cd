#include "bindings/python/errors.h"

#include <array>

namespace py = pybind11;

namespace tideway::python {
namespace {

struct Kind {
  tideway_status status;
  const char* name;
  const char* also;  // the built-in exception that it is too; null: none
};

constexpr std::array<Kind, 16> kKinds = {
    {{TIDEWAY_CANCELLED, "Cancelled", nullptr},
     {TIDEWAY_UNKNOWN, "Unknown", nullptr},
     {TIDEWAY_INVALID_ARGUMENT, "InvalidArgument", "ValueError"},
     {TIDEWAY_DEADLINE_EXCEEDED, "DeadlineExceeded", "TimeoutError"},
     {TIDEWAY_NOT_FOUND, "NotFound", "LookupError"},
     {TIDEWAY_ALREADY_EXISTS, "AlreadyExists", nullptr},
     {TIDEWAY_PERMISSION_DENIED, "PermissionDenied", "PermissionError"},
     {TIDEWAY_RESOURCE_EXHAUSTED, "ResourceExhausted", nullptr},
     {TIDEWAY_FAILED_PRECONDITION, "FailedPrecondition", "RuntimeError"},
     {TIDEWAY_ABORTED, "Aborted", nullptr},
     {TIDEWAY_OUT_OF_RANGE, "OutOfRange", nullptr},
     {TIDEWAY_UNIMPLEMENTED, "Unimplemented", "NotImplementedError"},
     {TIDEWAY_INTERNAL, "Internal", nullptr},
     {TIDEWAY_UNAVAILABLE, "Unavailable", "ConnectionError"},
     {TIDEWAY_DATA_LOSS, "DataLoss", nullptr},
     {TIDEWAY_UNAUTHENTICATED, "Unauthenticated", nullptr}}};

// By status. They live as long as the interpreter, which never unloads an extension module.
std::array<PyObject*, kKinds.size() + 1>& Types() {
  static std::array<PyObject*, kKinds.size() + 1> types = {};
  return types;
}

}  // namespace

void AddErrors(py::module_& module) {
  Types()[0] = PyErr_NewExceptionWithDoc(
      "tideway.Error",
      "What every failure of Tideway is. Its subclasses say which; the text says how to mend it.",
      nullptr, nullptr);
  if (Types()[0] == nullptr) throw py::error_already_set();
  const py::object error = py::reinterpret_borrow<py::object>(Types()[0]);
  module.attr("Error") = error;
  for (const Kind& kind : kKinds) {
    py::object bases = error;
    if (kind.also != nullptr) {
      bases = py::make_tuple(error, py::module_::import("builtins").attr(kind.also));
    }
    const std::string name = std::string("tideway.") + kind.name;
    PyObject* const type = PyErr_NewException(name.c_str(), bases.ptr(), nullptr);
    if (type == nullptr) throw py::error_already_set();
    Types()[static_cast<size_t>(kind.status)] = type;
    module.attr(kind.name) = py::reinterpret_borrow<py::object>(type);
  }
}

void Throw(tideway_status status, const std::string& message) {
  const auto number = static_cast<size_t>(status);
  PyErr_SetString(Types()[number < Types().size() ? number : size_t{TIDEWAY_UNKNOWN}],
                  message.c_str());
  throw py::error_already_set();
}

void Check(tideway_status status) {
  if (status != TIDEWAY_OK) Throw(status, tideway_last_message());
}

}  // namespace tideway::python
