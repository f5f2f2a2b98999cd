// Python code that Tideway's threads call: log functions, codecs and outer optimizers.

#ifndef TIDEWAY_BINDINGS_PYTHON_CALLBACKS_H_
#define TIDEWAY_BINDINGS_PYTHON_CALLBACKS_H_

#include <pybind11/pybind11.h>

#include <string>

#include "bindings/c/tideway.h"

namespace tideway::python {

// A codec class (subclass of tideway.Codec) as a table for tideway_runtime_options. The object outlives the runtime and what was made
// from it, and is made and destroyed with the GIL.
class CodecPlugin {
 public:
  explicit CodecPlugin(pybind11::object type);
  CodecPlugin(const CodecPlugin&) = delete;
  CodecPlugin& operator=(const CodecPlugin&) = delete;

  const TidewayCodecModule* table() const { return &table_; }

 private:
  static int Create(void* user, const char* spec, void** codec, char* error);

  const pybind11::object type_;
  const std::string name_;
  TidewayCodecModule table_;
};

// The same for an outer optimizer (subclass of tideway.OuterOptimizer).
class OptimizerPlugin {
 public:
  explicit OptimizerPlugin(pybind11::object type);
  OptimizerPlugin(const OptimizerPlugin&) = delete;
  OptimizerPlugin& operator=(const OptimizerPlugin&) = delete;

  const tideway_outer_optimizer* table() const { return &table_; }

 private:
  static int Create(void* user, const char* spec, void** optimizer, char* error);

  const pybind11::object type_;
  const std::string name_;
  tideway_outer_optimizer table_;
};

// A tideway_log_function whose user is a Python function (borrowed) that takes a level (0 to 3) and a text. What it throws is printed
// as an exception that nobody can catch.
void LogToPython(void* user, tideway_log_level level, const char* text);

}  // namespace tideway::python

#endif  // TIDEWAY_BINDINGS_PYTHON_CALLBACKS_H_
