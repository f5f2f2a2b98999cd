#include "bindings/python/floats.h"

#include <cstring>
#include <utility>

#include "bindings/python/errors.h"

namespace py = pybind11;

namespace tideway::python {
namespace {

// The part of DLPack's C ABI (version 0) that is used here; its layout is fixed for ever.
struct DlDevice {
  int32_t type;
  int32_t id;
};
struct DlTensor {
  void* data;
  DlDevice device;
  int32_t rank;
  uint8_t type_code;
  uint8_t type_bits;
  uint16_t type_lanes;
  int64_t* shape;
  int64_t* strides;  // in elements; null: contiguous
  uint64_t byte_offset;
};
struct DlManagedTensor {
  DlTensor tensor;
  void* manager;
  void (*deleter)(DlManagedTensor*);
};
constexpr int32_t kDlCpu = 1;
constexpr int32_t kDlCudaHost = 3;  // pinned host memory
constexpr uint8_t kDlFloat = 2;
constexpr uint8_t kDlBfloat = 4;
constexpr char kDlCapsule[] = "dltensor";
constexpr char kDlUsedCapsule[] = "used_dltensor";

[[noreturn]] void WrongType(const std::string& name, const std::string& what) {
  throw py::type_error(name + " " + what);
}

[[noreturn]] void Invalid(const std::string& name, const std::string& what) {
  Throw(TIDEWAY_INVALID_ARGUMENT, name + " " + what);
}

bool IsContiguous(const DlTensor& tensor) {
  if (tensor.strides == nullptr) return true;
  int64_t expected = 1;
  for (int32_t i = tensor.rank - 1; i >= 0; --i) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

struct Kind {
  const char* dtype;   // for people
  const char* format;  // struct's
  uint8_t dl_code;
  uint8_t bits;
};

Kind KindOf(tideway_weight_type type) {
  switch (type) {
    case TIDEWAY_BF16:
      return {"bfloat16 (in numpy: uint16)", "H", kDlBfloat, 16};
    case TIDEWAY_FP16:
      return {"float16", "e", kDlFloat, 16};
    default:
      return {"float32", "f", kDlFloat, 32};
  }
}

// Whether a struct-module format means these words in the machine's own order.
bool IsFormat(const char* format, const Kind& kind) {
  if (format == nullptr) return false;  // bytes
  if (*format == '@' || *format == '=' || *format == '<') ++format;
  return std::strcmp(format, kind.format) == 0;
}

}  // namespace

// What keeps the memory.
struct Floats::Owner {
  Owner() = default;
  ~Owner() {
    if (has_buffer) PyBuffer_Release(&buffer);
    if (managed != nullptr && managed->deleter != nullptr) managed->deleter(managed);
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  bool has_buffer = false;
  Py_buffer buffer = {};
  DlManagedTensor* managed = nullptr;
};

Floats Floats::Of(const py::object& object, const std::string& name, bool writable,
                  tideway_weight_type type) {
  Floats floats;
  floats.type_ = type;
  floats.owner_ = std::make_shared<Owner>();
  if (PyObject_CheckBuffer(object.ptr()) != 0) {
    floats.OfBuffer(object.ptr(), name, writable);
  } else if (py::hasattr(object, "__dlpack__")) {
    if (!floats.TryTorch(object)) floats.OfDlpack(object, name);
  } else {
    WrongType(name, "is a " + std::string(Py_TYPE(object.ptr())->tp_name) +
                        "; give a numpy array, a torch tensor or another object with the buffer "
                        "protocol or DLPack");
  }
  return floats;
}

void Floats::OfBuffer(PyObject* object, const std::string& name, bool writable) {
  Py_buffer& buffer = owner_->buffer;
  // First as it is, so that what is wrong with it can be told.
  if (PyObject_GetBuffer(object, &buffer, PyBUF_STRIDED_RO | PyBUF_FORMAT) != 0) {
    PyErr_Clear();
    Invalid(name, "gives no access to its memory");
  }
  owner_->has_buffer = true;
  const Kind kind = KindOf(type_);
  if (!IsFormat(buffer.format, kind) || buffer.itemsize != kind.bits / 8) {
    WrongType(name, "has the dtype '" +
                        std::string(buffer.format == nullptr ? "B" : buffer.format) +
                        "' (as struct spells it); convert it to " + kind.dtype);
  }
  if (PyBuffer_IsContiguous(&buffer, 'C') == 0) {
    Invalid(name, "is not contiguous; give numpy.ascontiguousarray of it");
  }
  if (writable && buffer.readonly != 0)
    Invalid(name, "is read-only, and would be written; give a copy");
  data_ = buffer.buf;
  elements_ = static_cast<size_t>(buffer.len / buffer.itemsize);
  shape_.assign(buffer.shape, buffer.shape + buffer.ndim);
}

// torch's numpy() shows the same memory, at a twentieth of what its DLPack takes.
bool Floats::TryTorch(const py::object& object) {
  const py::dict modules = py::module_::import("sys").attr("modules");
  if (!modules.contains("torch")) return false;
  py::object view;
  try {
    if (!py::isinstance(object, modules["torch"].attr("Tensor"))) return false;
    view = object.attr("detach")().attr("numpy")();
  } catch (
      const py::error_already_set&) {  // on a device, a dtype that numpy lacks, torch half imported
    return false;
  }
  Py_buffer buffer = {};
  if (PyObject_GetBuffer(view.ptr(), &buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | PyBUF_WRITABLE) !=
      0) {
    PyErr_Clear();
    return false;
  }
  if (!IsFormat(buffer.format, KindOf(type_))) {
    PyBuffer_Release(&buffer);
    return false;
  }
  owner_->buffer = buffer;
  owner_->has_buffer = true;
  data_ = buffer.buf;
  elements_ = static_cast<size_t>(buffer.len / buffer.itemsize);
  shape_.assign(buffer.shape, buffer.shape + buffer.ndim);
  return true;
}

void Floats::OfDlpack(const py::object& object, const std::string& name) {
  const py::tuple device = object.attr("__dlpack_device__")();
  const auto type = device[0].cast<int32_t>();
  if (type != kDlCpu && type != kDlCudaHost) {
    WrongType(name, "lies on a device (DLPack's type " + std::to_string(type) +
                        "); move it to the host's memory, with .cpu() for example");
  }
  // torch refuses to show a tensor that requires a gradient; its detached view is the same memory.
  const py::object plain =
      py::hasattr(object, "detach") ? py::object(object.attr("detach")()) : object;
  const py::object capsule = plain.attr("__dlpack__")();
  auto* const managed =
      static_cast<DlManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), kDlCapsule));
  if (managed == nullptr) throw py::error_already_set();
  PyCapsule_SetName(capsule.ptr(), kDlUsedCapsule);  // from here on it is ours to free
  owner_->managed = managed;
  const DlTensor& tensor = managed->tensor;
  const Kind kind = KindOf(type_);
  if (tensor.type_code != kind.dl_code || tensor.type_bits != kind.bits || tensor.type_lanes != 1) {
    WrongType(name, "has another dtype than " + std::string(kind.dtype) + " (" +
                        std::to_string(tensor.type_bits) + " bits); convert it to that");
  }
  if (!IsContiguous(tensor)) Invalid(name, "is not contiguous; give .contiguous() of it");
  shape_.assign(tensor.shape, tensor.shape + tensor.rank);
  elements_ = 1;
  for (int64_t size : shape_) elements_ *= static_cast<size_t>(size);
  data_ = static_cast<char*>(tensor.data) + tensor.byte_offset;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text.append(", ");
    text.append(std::to_string(shape[i]));
  }
  return text.append("]");
}

}  // namespace tideway::python
