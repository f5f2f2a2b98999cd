#include <pybind11/stl.h>

#include <algorithm>
#include <utility>

#include "bindings/python/errors.h"
#include "bindings/python/objects.h"

namespace py = pybind11;

namespace tideway::python {
namespace {

constexpr int64_t kSignalCheckMs = 100;  // a wait looks so often whether Ctrl-C was pressed

// What a model consists of: names, types and shapes, in their order.
class ModelObject {
 public:
  ModelObject(std::vector<std::string> names, const std::vector<int>& types,
              std::vector<std::vector<int64_t>> shapes)
      : names_(std::move(names)), shapes_(std::move(shapes)) {
    if (names_.size() != types.size() || names_.size() != shapes_.size()) {
      throw py::value_error("one type and one shape per name, please");
    }
    for (size_t i = 0; i < names_.size(); ++i) {
      tensors_.push_back({names_[i].c_str(), static_cast<tideway_weight_type>(types[i]),
                          shapes_[i].data(), shapes_[i].size(), nullptr, 0});
    }
  }
  ModelObject(const ModelObject&) = delete;
  ModelObject& operator=(const ModelObject&) = delete;

  const std::vector<tideway_weight>& tensors() const { return tensors_; }
  const std::vector<std::vector<int64_t>>& shapes() const { return shapes_; }

 private:
  const std::vector<std::string> names_;
  const std::vector<std::vector<int64_t>> shapes_;
  std::vector<tideway_weight> tensors_;
};

class PublisherObject {
 public:
  PublisherObject(std::shared_ptr<RuntimeObject> runtime, std::shared_ptr<ModelObject> model,
                  const py::dict& options);

  std::vector<std::string> addresses() const;
  // (epoch, bytes of the difference, bytes of the model, seconds)
  py::tuple Publish(uint64_t version, const py::list& arrays);
  std::string Stats() const;
  void Free() { handle_.reset(); }

 private:
  std::shared_ptr<tideway_publisher> handle() const {
    if (handle_ == nullptr) {
      Throw(TIDEWAY_FAILED_PRECONDITION, "the publisher is closed; start a new one");
    }
    return handle_;
  }

  const std::shared_ptr<RuntimeObject> runtime_;
  const std::shared_ptr<ModelObject> model_;
  std::shared_ptr<tideway_publisher> handle_;
};

PublisherObject::PublisherObject(std::shared_ptr<RuntimeObject> runtime,
                                 std::shared_ptr<ModelObject> model, const py::dict& given)
    : runtime_(std::move(runtime)), model_(std::move(model)) {
  const auto listen = given["listen"].cast<std::vector<std::string>>();
  const std::vector<const char*> addresses = Pointers(listen);
  const tideway_publisher_options options = {
      .struct_size = sizeof options,
      .listen = addresses.data(),
      .listen_count = addresses.size(),
      .links_max = given["links_max"].cast<size_t>(),
      .history_bytes_max = given["history_bytes_max"].cast<size_t>(),
      .subscribers_max = given["subscribers_max"].cast<size_t>(),
      .encode_threads = given["encode_threads"].cast<uint32_t>()};
  tideway_publisher* started = nullptr;
  const tideway_status status = WithoutGil([&] {
    return tideway_publisher_start(runtime_->handle(), &options, model_->tensors().data(),
                                   model_->tensors().size(), &started);
  });
  Check(status);
  handle_ = Shared(started, tideway_publisher_free);
}

std::vector<std::string> PublisherObject::addresses() const {
  const std::shared_ptr<tideway_publisher> publisher = handle();
  std::vector<std::string> all;
  for (size_t i = 0; const char* address = tideway_publisher_address(publisher.get(), i); ++i) {
    all.emplace_back(address);
  }
  return all;
}

py::tuple PublisherObject::Publish(uint64_t version, const py::list& arrays) {
  const std::shared_ptr<tideway_publisher> publisher = handle();
  std::vector<tideway_weight> weights = model_->tensors();
  std::vector<Floats> memory;
  for (size_t i = 0; i < weights.size(); ++i) {
    const std::string name = std::string("tensor '") + weights[i].name + "'";
    memory.push_back(Floats::Of(arrays[i], name, /*writable=*/false, weights[i].type));
    if (memory[i].shape() != model_->shapes()[i]) {
      Throw(TIDEWAY_INVALID_ARGUMENT, name + " has the shape " + ShapeText(memory[i].shape()) +
                                          ", and the model another one");
    }
    weights[i].data = memory[i].words();
    weights[i].data_bytes = memory[i].bytes();
  }
  tideway_publish_report report = {.struct_size = sizeof report};
  const tideway_status status = WithoutGil([&] {
    return tideway_publisher_publish(publisher.get(), version, weights.data(), weights.size(),
                                     &report);
  });
  Check(status);
  return py::make_tuple(report.epoch, report.bytes, report.bytes_model, report.seconds);
}

std::string PublisherObject::Stats() const {
  char* json = nullptr;
  Check(tideway_publisher_stats(handle().get(), &json));
  return Taken(json);
}

// One whole version. Memory that Python looks at keeps it.
class WeightsObject {
 public:
  WeightsObject(tideway_weights* weights, std::shared_ptr<ModelObject> model)
      : weights_(weights, tideway_weights_free), model_(std::move(model)) {}

  uint64_t epoch() const { return tideway_weights_version(weights_.get()).epoch; }
  uint64_t version() const { return tideway_weights_version(weights_.get()).version; }
  // Of the tensor at `index`, as struct-module words 'f', 'H' (bf16) or 'e'.
  py::buffer_info Words(size_t index) const;

 private:
  const std::shared_ptr<tideway_weights> weights_;
  const std::shared_ptr<ModelObject> model_;
};

py::buffer_info WeightsObject::Words(size_t index) const {
  const tideway_weight& tensor = model_->tensors()[index];
  const py::ssize_t word = tensor.type == TIDEWAY_FP32 ? 4 : 2;
  const char* const format =
      tensor.type == TIDEWAY_FP32 ? "f" : (tensor.type == TIDEWAY_BF16 ? "H" : "e");
  std::vector<py::ssize_t> shape(model_->shapes()[index].begin(), model_->shapes()[index].end());
  std::vector<py::ssize_t> strides(shape.size());
  py::ssize_t stride = word;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  const auto rank = static_cast<py::ssize_t>(shape.size());
  void* const data = const_cast<void*>(tideway_weights_tensor(weights_.get(), index, nullptr));
  return {data, word, format, rank, std::move(shape), std::move(strides), /*readonly=*/true};
}

// One tensor of a version, for the buffer protocol.
struct TensorObject {
  std::shared_ptr<WeightsObject> weights;
  size_t index;
};

class SubscriberObject {
 public:
  SubscriberObject(std::shared_ptr<RuntimeObject> runtime, std::shared_ptr<ModelObject> model,
                   const std::string& publisher, const std::string& name, size_t copies_max);

  // Null: none.
  std::shared_ptr<WeightsObject> Current() const;
  std::shared_ptr<WeightsObject> Wait(uint64_t epoch, uint64_t version,
                                      const std::optional<double>& timeout) const;
  std::string Stats() const;
  void Free() {
    if (handle_ != nullptr) tideway_subscriber_close(handle_.get());
    handle_.reset();
  }

 private:
  std::shared_ptr<tideway_subscriber> handle() const {
    if (handle_ == nullptr) {
      Throw(TIDEWAY_FAILED_PRECONDITION, "the subscriber is closed; start a new one");
    }
    return handle_;
  }

  const std::shared_ptr<RuntimeObject> runtime_;
  const std::shared_ptr<ModelObject> model_;
  std::shared_ptr<tideway_subscriber> handle_;
};

SubscriberObject::SubscriberObject(std::shared_ptr<RuntimeObject> runtime,
                                   std::shared_ptr<ModelObject> model, const std::string& publisher,
                                   const std::string& name, size_t copies_max)
    : runtime_(std::move(runtime)), model_(std::move(model)) {
  const tideway_subscriber_options options = {.struct_size = sizeof options,
                                              .publisher = publisher.c_str(),
                                              .name = name.c_str(),
                                              .copies_max = copies_max};
  tideway_subscriber* started = nullptr;
  const tideway_status status = WithoutGil([&] {
    return tideway_subscriber_start(runtime_->handle(), &options, model_->tensors().data(),
                                    model_->tensors().size(), &started);
  });
  Check(status);
  handle_ = Shared(started, tideway_subscriber_free);
}

std::shared_ptr<WeightsObject> SubscriberObject::Current() const {
  tideway_weights* weights = nullptr;
  Check(tideway_subscriber_current(handle().get(), &weights));
  return weights == nullptr ? nullptr : std::make_shared<WeightsObject>(weights, model_);
}

std::shared_ptr<WeightsObject> SubscriberObject::Wait(uint64_t epoch, uint64_t version,
                                                      const std::optional<double>& timeout) const {
  const std::shared_ptr<tideway_subscriber> subscriber = handle();
  const tideway_weight_version than = {epoch, version};
  int64_t left_ms = Milliseconds(timeout, TIDEWAY_NO_TIMEOUT);
  for (;;) {
    const int64_t slice_ms =
        left_ms == TIDEWAY_NO_TIMEOUT ? kSignalCheckMs : std::min(kSignalCheckMs, left_ms);
    tideway_weights* weights = nullptr;
    const tideway_status status = WithoutGil(
        [&] { return tideway_subscriber_wait(subscriber.get(), &than, slice_ms, &weights); });
    if (status == TIDEWAY_OK) return std::make_shared<WeightsObject>(weights, model_);
    if (left_ms != TIDEWAY_NO_TIMEOUT) left_ms -= slice_ms;
    if (status != TIDEWAY_DEADLINE_EXCEEDED || left_ms == 0) Check(status);
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
}

std::string SubscriberObject::Stats() const {
  char* json = nullptr;
  Check(tideway_subscriber_stats(handle().get(), &json));
  return Taken(json);
}

}  // namespace

void AddWeights(py::module_& module) {
  py::class_<ModelObject, std::shared_ptr<ModelObject>>(module, "Model")
      .def(py::init<std::vector<std::string>, std::vector<int>,
                    std::vector<std::vector<int64_t>>>());
  py::class_<PublisherObject>(module, "Publisher")
      .def(py::init<std::shared_ptr<RuntimeObject>, std::shared_ptr<ModelObject>, py::dict>())
      .def_property_readonly("addresses", &PublisherObject::addresses)
      .def("publish", &PublisherObject::Publish)
      .def("stats", &PublisherObject::Stats)
      .def("close", &PublisherObject::Free);
  py::class_<TensorObject>(module, "Tensor", py::buffer_protocol())
      .def_buffer([](TensorObject& self) { return self.weights->Words(self.index); });
  py::class_<WeightsObject, std::shared_ptr<WeightsObject>>(module, "Weights")
      .def_property_readonly("epoch", &WeightsObject::epoch)
      .def_property_readonly("version", &WeightsObject::version)
      .def("tensor", [](std::shared_ptr<WeightsObject> self, size_t index) {
        return TensorObject{std::move(self), index};
      });
  py::class_<SubscriberObject>(module, "Subscriber")
      .def(py::init<std::shared_ptr<RuntimeObject>, std::shared_ptr<ModelObject>, std::string,
                    std::string, size_t>())
      .def("current", &SubscriberObject::Current)
      .def("wait", &SubscriberObject::Wait)
      .def("stats", &SubscriberObject::Stats)
      .def("close", &SubscriberObject::Free);
}

}  // namespace tideway::python
