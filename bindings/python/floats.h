// Memory of Python objects as contiguous fp32 (or bf16, fp16), without a copy: numpy arrays and everything else that has the buffer protocol, torch
// tensors and everything else that has DLPack.

#ifndef TIDEWAY_BINDINGS_PYTHON_FLOATS_H_
#define TIDEWAY_BINDINGS_PYTHON_FLOATS_H_

#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bindings/c/tideway.h"

namespace tideway::python {

// A view of an object's memory, which it keeps from being freed, and from being resized where the object allows that. It is made and
// destroyed with the GIL; data() may be used without it.
class Floats {
 public:
  // Throws TypeError for an object without memory of its own, of another dtype or on another device, and tideway.InvalidArgument for
  // memory that is not contiguous or, if it is to be written, read-only. `name` stands in the message.
  // Words of bf16 may be uint16, since numpy has no bf16.
  static Floats Of(const pybind11::object& object, const std::string& name, bool writable,
                   tideway_weight_type type = TIDEWAY_FP32);

  // REQUIRES: fp32.
  float* data() const { return static_cast<float*>(data_); }
  void* words() const { return data_; }
  size_t bytes() const { return elements_ * (type_ == TIDEWAY_FP32 ? 4 : 2); }
  size_t elements() const { return elements_; }
  const std::vector<int64_t>& shape() const { return shape_; }

 private:
  struct Owner;

  void OfBuffer(PyObject* object, const std::string& name, bool writable);
  // False, and nothing has changed: it is no torch tensor, or one that the slower way tells what is wrong with.
  bool TryTorch(const pybind11::object& object);
  void OfDlpack(const pybind11::object& object, const std::string& name);

  std::shared_ptr<Owner> owner_;
  tideway_weight_type type_ = TIDEWAY_FP32;
  void* data_ = nullptr;
  size_t elements_ = 0;
  std::vector<int64_t> shape_;
};

// "[2, 3]"
std::string ShapeText(const std::vector<int64_t>& shape);

}  // namespace tideway::python

#endif  // TIDEWAY_BINDINGS_PYTHON_FLOATS_H_
