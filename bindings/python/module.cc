// tideway._tideway: the C ABI for the Python package, which is what people use. It links libtideway.so and nothing else of Tideway.

#include <pybind11/pybind11.h>

#include "bindings/python/callbacks.h"
#include "bindings/python/errors.h"
#include "bindings/python/gil.h"
#include "bindings/python/objects.h"

PYBIND11_MODULE(_tideway, module) {
  using namespace tideway::python;
  AddErrors(module);
  AddRuntime(module);
  AddClient(module);
  AddLocalSgd(module);
  AddServer(module);
  AddWeights(module);
  module.attr("__version__") = tideway_version();
  WatchForks();
  module.def("forbid_entry", &ForbidEntry);
}
