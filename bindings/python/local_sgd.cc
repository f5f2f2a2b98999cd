#include <pybind11/stl.h>

#include <utility>

#include "bindings/python/errors.h"
#include "bindings/python/objects.h"

namespace py = pybind11;

namespace tideway::python {
namespace {

class LocalSgdObject {
 public:
  // Joins. Without the GIL while it waits.
  LocalSgdObject(std::shared_ptr<RuntimeObject> runtime, const ClientOptionsObject& client,
                 std::shared_ptr<LayoutObject> layout, const py::list& tensors,
                 const py::dict& options);
  ~LocalSgdObject() { Free(); }
  LocalSgdObject(const LocalSgdObject&) = delete;
  LocalSgdObject& operator=(const LocalSgdObject&) = delete;

  // (pushed, merged, seconds waited, push report, pull report)
  py::tuple Step(double loss, uint64_t tokens);
  void RequestStop() { Check(tideway_local_sgd_request_stop(handle().get())); }
  void Free();
  tideway_local_sgd_state State() const;
  std::shared_ptr<tideway_local_sgd> handle() const {
    if (handle_ == nullptr) Throw(TIDEWAY_FAILED_PRECONDITION, "this LocalSGD is closed");
    return handle_;
  }
  const std::shared_ptr<LayoutObject>& layout() const { return layout_; }

 private:
  const std::shared_ptr<RuntimeObject> runtime_;
  const std::shared_ptr<LayoutObject> layout_;
  std::vector<Floats> memory_;
  std::shared_ptr<tideway_local_sgd> handle_;
};

LocalSgdObject::LocalSgdObject(std::shared_ptr<RuntimeObject> runtime,
                               const ClientOptionsObject& client,
                               std::shared_ptr<LayoutObject> layout, const py::list& tensors,
                               const py::dict& given)
    : runtime_(std::move(runtime)), layout_(std::move(layout)) {
  std::vector<tideway_parameter> parameters;
  for (size_t i = 0; i < layout_->names().size(); ++i) {
    const std::string& name = layout_->names()[i];
    memory_.push_back(Floats::Of(tensors[i], "parameter '" + name + "'", /*writable=*/true));
    const std::vector<int64_t>& shape = layout_->shapes()[i];
    parameters.push_back(
        {name.c_str(), shape.data(), shape.size(), memory_[i].data(), memory_[i].bytes()});
  }
  const tideway_local_sgd_options options = {
      .struct_size = sizeof options,
      .fragment_bytes_max = given["fragment_bytes_max"].cast<size_t>(),
      .inner_steps = given["inner_steps"].cast<uint32_t>(),
      .overlap_steps = given["overlap_steps"].cast<uint32_t>(),
      .merge_alpha = given["alpha"].is_none() ? 0 : 1,
      .alpha = given["alpha"].is_none() ? 0.0 : given["alpha"].cast<double>(),
      .join_timeout_ms = Milliseconds(given["join_timeout"].cast<double>()),
      .exchange_timeout_ms = Milliseconds(given["exchange_timeout"].cast<double>())};
  tideway_local_sgd* joined = nullptr;
  const tideway_status status = WithoutGil([&] {
    return tideway_local_sgd_join(runtime_->handle(), client.get(), &options, parameters.data(),
                                  parameters.size(), &joined);
  });
  Check(status);
  handle_ = Shared(joined, tideway_local_sgd_free);
}

py::tuple LocalSgdObject::Step(double loss, uint64_t tokens) {
  tideway_sync_event event = {.struct_size = sizeof event};
  tideway_push_report push = {.struct_size = sizeof push};
  tideway_pull_report pull = {.struct_size = sizeof pull};
  const std::shared_ptr<tideway_local_sgd> local_sgd = handle();
  const tideway_status status = WithoutGil(
      [&] { return tideway_local_sgd_step(local_sgd.get(), loss, tokens, &event, &push, &pull); });
  Check(status);
  return py::make_tuple(event.pushed != 0, event.merged != 0, event.waited_seconds,
                        PushReportOf(push), PullReportOf(pull));
}

void LocalSgdObject::Free() {
  const std::shared_ptr<tideway_local_sgd> local_sgd = std::exchange(handle_, nullptr);
  // Whoever is in a step, in another thread, is the one who frees it.
  if (local_sgd != nullptr && local_sgd.use_count() > 1)
    tideway_local_sgd_request_stop(local_sgd.get());
}

tideway_local_sgd_state LocalSgdObject::State() const {
  tideway_local_sgd_state state = {.struct_size = sizeof state};
  Check(tideway_local_sgd_get_state(handle().get(), &state));
  return state;
}

}  // namespace

void AddLocalSgd(py::module_& module) {
  py::class_<tideway_local_sgd_state>(module, "LocalSgdState")
      .def_property_readonly("finished",
                             [](const tideway_local_sgd_state& s) { return s.finished != 0; })
      .def_readonly("inner_steps", &tideway_local_sgd_state::inner_steps)
      .def_readonly("inner_steps_taken", &tideway_local_sgd_state::inner_steps_taken)
      .def_readonly("window", &tideway_local_sgd_state::window)
      .def_readonly("shard", &tideway_local_sgd_state::shard)
      .def_readonly("shard_step", &tideway_local_sgd_state::shard_step)
      .def_readonly("schedule_progress", &tideway_local_sgd_state::schedule_progress);
  py::class_<LocalSgdObject, std::shared_ptr<LocalSgdObject>>(module, "LocalSgd")
      .def(py::init([](std::shared_ptr<RuntimeObject> runtime, const py::dict& client,
                       std::shared_ptr<LayoutObject> layout, const py::list& tensors,
                       const py::dict& options) {
        return std::make_shared<LocalSgdObject>(std::move(runtime), ClientOptionsObject(client),
                                                std::move(layout), tensors, options);
      }))
      .def("step", &LocalSgdObject::Step)
      .def("request_stop", &LocalSgdObject::RequestStop)
      .def("close", &LocalSgdObject::Free)
      .def_property_readonly("state", &LocalSgdObject::State)
      .def("client", [](const LocalSgdObject& self) {
        const std::shared_ptr<tideway_local_sgd> of = self.handle();
        return BorrowedClient({of, tideway_local_sgd_client(of.get())}, self.layout());
      });
}

}  // namespace tideway::python
