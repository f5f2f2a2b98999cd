// The handles of the C ABI as objects that Python holds. All are made, used and destroyed with the GIL; what waits releases it.

#ifndef TIDEWAY_BINDINGS_PYTHON_OBJECTS_H_
#define TIDEWAY_BINDINGS_PYTHON_OBJECTS_H_

#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bindings/c/tideway.h"
#include "bindings/python/callbacks.h"
#include "bindings/python/floats.h"
#include "bindings/python/gil.h"

namespace tideway::python {

// A C handle that lives as long as any thread is inside a call with it, also if another one has closed it meanwhile. Freeing waits
// for callbacks, which may need the GIL, so it is done without.
template <typename Handle>
std::shared_ptr<Handle> Shared(Handle* handle, tideway_status (*free)(Handle*)) {
  return std::shared_ptr<Handle>(handle, [free](Handle* last) {
    if (PyGILState_Check() == 0) {
      free(last);
    } else {
      WithoutGil([&] { return free(last); });
    }
  });
}

// Seconds, as Python has them, as a timeout_ms: none is `fallback_ms`, negative or infinite is no timeout.
int64_t Milliseconds(const std::optional<double>& seconds, int64_t fallback_ms = 0);

class RuntimeObject {
 public:
  RuntimeObject(uint32_t threads, pybind11::object log, const pybind11::list& codecs,
                const std::vector<std::string>& codec_files, const pybind11::list& outer_optimizers,
                const std::string& module_dir);
  ~RuntimeObject();
  RuntimeObject(const RuntimeObject&) = delete;
  RuntimeObject& operator=(const RuntimeObject&) = delete;

  tideway_runtime* handle() const { return handle_; }

 private:
  tideway_runtime* handle_ = nullptr;
  const pybind11::object log_;
  std::vector<std::unique_ptr<CodecPlugin>> codecs_;
  std::vector<std::unique_ptr<OptimizerPlugin>> optimizers_;
};

class LayoutObject {
 public:
  LayoutObject(std::vector<std::string> names, std::vector<std::vector<int64_t>> shapes,
               size_t fragment_bytes_max, uint32_t servers);
  ~LayoutObject() { tideway_layout_free(handle_); }
  LayoutObject(const LayoutObject&) = delete;
  LayoutObject& operator=(const LayoutObject&) = delete;

  const tideway_layout* handle() const { return handle_; }
  const std::vector<std::string>& names() const { return names_; }
  const std::vector<std::vector<int64_t>>& shapes() const { return shapes_; }
  size_t elements() const { return tideway_layout_bytes(handle_) / sizeof(float); }

 private:
  const std::vector<std::string> names_;
  const std::vector<std::vector<int64_t>> shapes_;
  tideway_layout* handle_ = nullptr;
};

// All parameters of a layout as one flat vector: an array that is that already, or a staging copy of a list or dict with one array
// per tensor.
class Flat {
 public:
  Flat() = default;
  // As Floats::Of throws, naming the tensor; tideway.InvalidArgument for a missing tensor or another shape.
  Flat(const pybind11::object& given, const LayoutObject& layout, const std::string& name,
       bool writable);

  float* data() const { return staging_ != nullptr ? staging_.get() : parts_[0].data(); }
  size_t bytes() const { return bytes_; }
  void Gather() const;   // from the arrays into the staging copy, if there is one
  void Scatter() const;  // and back

 private:
  std::vector<Floats> parts_;
  std::unique_ptr<float[]> staging_;
  size_t bytes_ = 0;
};

// What keyword arguments of Python say of a client, alive as long as the C struct that points into it.
class ClientOptionsObject {
 public:
  explicit ClientOptionsObject(const pybind11::dict& given);
  const tideway_client_options* get() const { return &options_; }

 private:
  std::vector<std::string> servers_;
  std::vector<const char*> server_pointers_;
  std::vector<std::string> codecs_up_;
  std::vector<const char*> codec_pointers_;
  std::string worker_;
  std::string codec_up_;
  std::string codec_down_;
  std::string pull_differences_;
  tideway_client_options options_ = {};
};

void AddRuntime(pybind11::module_& module);  // Runtime, Layout
void AddClient(pybind11::module_& module);   // Client, Operation, their reports
void AddLocalSgd(pybind11::module_& module);
void AddServer(pybind11::module_& module);
void AddWeights(pybind11::module_& module);  // Publisher, Subscriber, Weights

pybind11::object PushReportOf(const tideway_push_report& report);
pybind11::object PullReportOf(const tideway_pull_report& report);

// The client of a local_sgd, whose handle `client` shares.
pybind11::object BorrowedClient(std::shared_ptr<tideway_client> client,
                                std::shared_ptr<LayoutObject> layout);

// As C wants them; they point into `texts`.
std::vector<const char*> Pointers(const std::vector<std::string>& texts);

// Text that the library allocated.
std::string Taken(char* text);

}  // namespace tideway::python

#endif  // TIDEWAY_BINDINGS_PYTHON_OBJECTS_H_
