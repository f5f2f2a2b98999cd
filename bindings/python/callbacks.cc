#include "bindings/python/callbacks.h"

#include <pybind11/numpy.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "bindings/python/gil.h"

namespace py = pybind11;

namespace tideway::python {
namespace {

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;

void Write(const char* text, char* error) {
  std::snprintf(error, kTidewayCodecErrorBytes, "%s", text);
  for (char* each = error; *each != '\0'; ++each) {
    if (*each == '\n') *each = ' ';
  }
}

// Runs `body` with the GIL. What it throws becomes `failed`, and a sentence in `error`.
template <typename Body>
int WithPython(char* error, int failed, Body body) {
  const PythonEntry entry;
  if (!entry) {
    Write("the Python interpreter is ending", error);
    return failed;
  }
  const py::gil_scoped_acquire gil;
  try {
    return body();
  } catch (py::error_already_set& raised) {
    Write(raised.what(), error);
  } catch (const std::exception& thrown) {
    Write(thrown.what(), error);
  }
  return failed;
}

// The instance of `type` that a spec "name:key=value,key=value" asks for: type(key="value", key="value").
py::object Instance(const py::object& type, const std::string& spec) {
  py::dict params;
  size_t at = spec.find(':');
  while (at != std::string::npos) {
    const size_t end = spec.find(',', at + 1);
    const std::string pair = spec.substr(at + 1, end == std::string::npos ? end : end - at - 1);
    const size_t equals = pair.find('=');
    params[py::str(pair.substr(0, equals))] = pair.substr(equals + 1);
    at = end;
  }
  return type(**params);
}

// Floats of our own, so that Python may keep the array.
FloatArray ArrayOf(const float* values, size_t elements) {
  return FloatArray(static_cast<py::ssize_t>(elements), values);
}

FloatArray ResultOf(const py::object& result, size_t elements, const char* call) {
  auto array = FloatArray::ensure(result);
  if (!array) throw py::error_already_set();
  if (static_cast<size_t>(array.size()) != elements) {
    throw py::value_error(std::string(call) + " returned " + std::to_string(array.size()) +
                          " elements, not " + std::to_string(elements));
  }
  const float* const values = array.data();
  if (!std::all_of(values, values + elements, [](float value) { return std::isfinite(value); })) {
    throw py::value_error(std::string(call) + " returned a NaN or an infinity");
  }
  return array;
}

const py::object& Self(const void* object) { return *static_cast<const py::object*>(object); }

// Whoever frees the last codec may do so without the GIL, and after the interpreter has ended.
void Destroy(void* object) {
  const PythonEntry entry;
  if (!entry) return;
  const py::gil_scoped_acquire gil;
  delete static_cast<py::object*>(object);
}

size_t BoundOf(const void* codec, size_t elements) {
  size_t bound = 0;
  char ignored[kTidewayCodecErrorBytes];
  (void)WithPython(ignored, kTidewayCodecFailed, [&] {
    bound = Self(codec).attr("bound")(elements).cast<size_t>();
    return kTidewayCodecOk;
  });
  return bound;
}

py::bytes Encoded(const py::object& codec, const FloatArray& values) {
  const py::object encoded = codec.attr("encode")(values);
  PyObject* const bytes = PyBytes_FromObject(encoded.ptr());
  if (bytes == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::bytes>(bytes);
}

int Encode(const void* codec, const float* delta, float* residual, size_t elements, float decay,
           uint8_t* out, size_t* written, char* error) {
  const size_t bound = BoundOf(codec, elements);
  return WithPython(error, kTidewayCodecFailed, [&] {
    FloatArray values = ArrayOf(delta, elements);
    float* const e = values.mutable_data();
    if (residual != nullptr) {
      for (size_t i = 0; i < elements; ++i) {
        const float decayed = decay * residual[i];
        e[i] += decayed;
      }
    }
    const FloatArray kept = ArrayOf(e, elements);  // encode may change what it gets
    const py::bytes encoded = Encoded(Self(codec), values);
    const auto size = static_cast<size_t>(PyBytes_GET_SIZE(encoded.ptr()));
    if (size > bound) {
      throw py::value_error("encode returned " + std::to_string(size) +
                            " bytes, and bound allows " + std::to_string(bound));
    }
    if (residual != nullptr) {
      const FloatArray decoded =
          ResultOf(Self(codec).attr("decode")(encoded, elements), elements, "decode");
      for (size_t i = 0; i < elements; ++i) residual[i] = kept.data()[i] - decoded.data()[i];
    }
    std::copy_n(PyBytes_AS_STRING(encoded.ptr()), size, reinterpret_cast<char*>(out));
    *written = size;
    return kTidewayCodecOk;
  });
}

int DecodeAdd(const void* codec, const uint8_t* in, size_t in_bytes, float scale,
              float* accumulator, size_t elements, char* error) {
  // What can't be decoded came from a peer.
  return WithPython(error, kTidewayCodecInvalid, [&] {
    const py::bytes bytes(reinterpret_cast<const char*>(in), in_bytes);
    const FloatArray decoded =
        ResultOf(Self(codec).attr("decode")(bytes, elements), elements, "decode");
    for (size_t i = 0; i < elements; ++i) accumulator[i] += scale * decoded.data()[i];
    return kTidewayCodecOk;
  });
}

size_t SlotCount(const void* optimizer) {
  size_t count = 0;
  char ignored[kTidewayCodecErrorBytes];
  (void)WithPython(ignored, kTidewayCodecFailed, [&] {
    count = Self(optimizer).attr("slots").cast<size_t>();
    return kTidewayCodecOk;
  });
  return count;
}

// The optimizer works on copies, which are written back once it has succeeded.
int Apply(const void* optimizer, float* theta, const float* delta, size_t elements,
          const tideway_apply_context* context, tideway_optimizer_state* state, char* error) {
  const size_t slots = SlotCount(optimizer);
  return WithPython(error, TIDEWAY_APPLY_FAILED, [&] {
    const FloatArray parameters = ArrayOf(theta, elements);
    py::list copies;
    for (size_t i = 0; i < slots; ++i) copies.append(ArrayOf(state->slots[i], elements));
    const py::object told = py::module_::import("types").attr("SimpleNamespace")(
        py::arg("staleness") = context->staleness,
        py::arg("active_workers") = context->active_workers, py::arg("weight") = context->weight,
        py::arg("slots") = copies, py::arg("pushes") = state->pushes,
        py::arg("window") = state->window);
    const bool applied =
        Self(optimizer).attr("apply")(parameters, ArrayOf(delta, elements), told).cast<bool>();
    const auto pushes = told.attr("pushes").cast<uint64_t>();
    const auto window = told.attr("window").cast<uint32_t>();
    const FloatArray stepped = ResultOf(parameters, elements, "apply");
    std::vector<FloatArray> kept;
    for (size_t i = 0; i < slots; ++i) {
      kept.push_back(ResultOf(told.attr("slots")[py::int_(i)], elements, "apply, in a slot,"));
    }
    for (size_t i = 0; i < slots; ++i) std::copy_n(kept[i].data(), elements, state->slots[i]);
    if (applied) std::copy_n(stepped.data(), elements, theta);
    state->pushes = pushes;
    state->window = window;
    return applied ? TIDEWAY_APPLIED : TIDEWAY_BUFFERED;
  });
}

}  // namespace

CodecPlugin::CodecPlugin(py::object type)
    : type_(std::move(type)),
      name_(type_.attr("name").cast<std::string>()),
      table_{.version = kTidewayCodecModuleVersion,
             .wire_id = type_.attr("wire_id").cast<uint32_t>(),
             .name = name_.c_str(),
             .lossless = type_.attr("lossless").cast<bool>() ? 1 : 0,
             .dense = type_.attr("dense").cast<bool>() ? 1 : 0,
             .user = this,
             .create = &CodecPlugin::Create,
             .destroy = Destroy,
             .bound = BoundOf,
             .encode = Encode,
             .decode_add = DecodeAdd} {}

int CodecPlugin::Create(void* user, const char* spec, void** codec, char* error) {
  return WithPython(error, kTidewayCodecInvalid, [&] {
    *codec = new py::object(Instance(static_cast<CodecPlugin*>(user)->type_, spec));
    return kTidewayCodecOk;
  });
}

OptimizerPlugin::OptimizerPlugin(py::object type)
    : type_(std::move(type)),
      name_(type_.attr("name").cast<std::string>()),
      table_{.struct_size = sizeof(tideway_outer_optimizer),
             .name = name_.c_str(),
             .user = this,
             .create = &OptimizerPlugin::Create,
             .destroy = Destroy,
             .slot_count = SlotCount,
             .apply = Apply} {}

int OptimizerPlugin::Create(void* user, const char* spec, void** optimizer, char* error) {
  return WithPython(error, kTidewayCodecInvalid, [&] {
    *optimizer = new py::object(Instance(static_cast<OptimizerPlugin*>(user)->type_, spec));
    return kTidewayCodecOk;
  });
}

void LogToPython(void* user, tideway_log_level level, const char* text) {
  const PythonEntry entry;
  if (!entry) return;
  const py::gil_scoped_acquire gil;
  const py::handle function(static_cast<PyObject*>(user));
  try {
    function(static_cast<int>(level), py::str(text));
  } catch (py::error_already_set& raised) {
    raised.discard_as_unraisable("a log function of tideway");
  } catch (const std::exception&) {
    // A text that is no UTF-8: there is nowhere to say so.
  }
}

}  // namespace tideway::python
