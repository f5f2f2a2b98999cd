#include <pybind11/stl.h>

#include <algorithm>
#include <utility>

#include "bindings/python/errors.h"
#include "bindings/python/objects.h"

namespace py = pybind11;

namespace tideway::python {
namespace {

// A wait wakes up so often to see whether Ctrl-C was pressed.
constexpr int64_t kSignalCheckMs = 100;

// One push, pull or both. It and the buffers that it uses live until it is finished, in the client's keeping if Python drops it.
struct Transfer {
  Transfer() = default;
  ~Transfer() { tideway_operation_free(handle); }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  Flat delta;
  Flat destination;
  bool pushes = false;
  bool pulls = false;
  tideway_operation* handle = nullptr;
  py::object on_finished;  // called, once, by the client's Drain
  bool drained = false;
};

// That it is finished.
void Tell(Transfer& transfer) {
  transfer.drained = true;
  const py::object callback = std::exchange(transfer.on_finished, py::object());
  if (callback) callback();
}

struct Reports {
  tideway_push_report push = {};
  tideway_pull_report pull = {};
};

class ClientObject : public std::enable_shared_from_this<ClientObject> {
 public:
  // Connects. Without the GIL while it waits.
  ClientObject(std::shared_ptr<RuntimeObject> runtime, const ClientOptionsObject& options,
               std::shared_ptr<LayoutObject> layout, const std::optional<double>& timeout);
  // A local_sgd's.
  ClientObject(std::shared_ptr<tideway_client> borrowed, std::shared_ptr<LayoutObject> layout)
      : layout_(std::move(layout)), handle_(std::move(borrowed)) {}
  ~ClientObject() { Free(); }
  ClientObject(const ClientObject&) = delete;
  ClientObject& operator=(const ClientObject&) = delete;

  const LayoutObject& layout() const { return *layout_; }
  // Throws FailedPrecondition once it was freed.
  std::shared_ptr<tideway_client> handle() const {
    if (handle_ == nullptr)
      Throw(TIDEWAY_FAILED_PRECONDITION, "the client is closed; connect a new one");
    return handle_;
  }

  void Leave(const std::optional<double>& timeout);
  void Free();

  int FileDescriptor();
  // Tells the operations that are finished, without waiting.
  void Drain();
  // Somebody wants to be told when `transfer` is finished, by Drain or when the client is closed.
  void Remember(const std::shared_ptr<Transfer>& transfer) { awaited_.push_back(transfer); }
  // Keeps a transfer that nobody wants to hear of until it is finished.
  void Adopt(std::shared_ptr<Transfer> transfer);
  void FreeFinished();

 private:
  std::shared_ptr<RuntimeObject> runtime_;
  const std::shared_ptr<LayoutObject> layout_;
  std::shared_ptr<tideway_client> handle_;
  std::vector<std::shared_ptr<Transfer>> orphans_;
  std::vector<std::weak_ptr<Transfer>> awaited_;
};

ClientObject::ClientObject(std::shared_ptr<RuntimeObject> runtime,
                           const ClientOptionsObject& options, std::shared_ptr<LayoutObject> layout,
                           const std::optional<double>& timeout)
    : runtime_(std::move(runtime)), layout_(std::move(layout)) {
  tideway_client* handle = nullptr;
  const tideway_status status = WithoutGil([&] {
    return tideway_client_connect(runtime_->handle(), options.get(), layout_->handle(),
                                  Milliseconds(timeout), &handle);
  });
  Check(status);
  handle_ = Shared(handle, tideway_client_free);
}

void ClientObject::Leave(const std::optional<double>& timeout) {
  const std::shared_ptr<tideway_client> client = handle();
  const tideway_status status =
      WithoutGil([&] { return tideway_client_leave(client.get(), Milliseconds(timeout)); });
  Check(status);
}

void ClientObject::Free() {
  std::shared_ptr<tideway_client> handle = std::exchange(handle_, nullptr);
  if (handle == nullptr) return;
  if (runtime_ != nullptr) tideway_client_close(handle.get());  // otherwise it is not ours
  handle.reset();  // unless another thread is inside a call, all of its operations are finished now
  for (const std::weak_ptr<Transfer>& awaited : std::exchange(awaited_, {})) {
    const std::shared_ptr<Transfer> transfer = awaited.lock();
    if (transfer != nullptr) Tell(*transfer);
  }
  FreeFinished();
}

int ClientObject::FileDescriptor() {
  int fd = -1;
  Check(tideway_client_fd(handle().get(), &fd));
  return fd;
}

void ClientObject::Drain() {
  const std::shared_ptr<tideway_client> handle = handle_;  // who is told may close
  if (handle == nullptr) return;
  for (;;) {
    tideway_operation* operation = nullptr;
    Check(tideway_client_next(handle.get(), &operation));
    if (operation == nullptr) return;
    Tell(*static_cast<Transfer*>(tideway_operation_user(operation)));
  }
}

void ClientObject::Adopt(std::shared_ptr<Transfer> transfer) {
  orphans_.push_back(std::move(transfer));
  FreeFinished();
}

void ClientObject::FreeFinished() {
  awaited_.erase(std::remove_if(awaited_.begin(), awaited_.end(),
                                [](const auto& awaited) { return awaited.expired(); }),
                 awaited_.end());
  const auto finished = [](const std::shared_ptr<Transfer>& transfer) {
    int is_finished = 0;
    return tideway_operation_poll(transfer->handle, &is_finished) == TIDEWAY_OK && is_finished != 0;
  };
  orphans_.erase(std::remove_if(orphans_.begin(), orphans_.end(), finished), orphans_.end());
}

class OperationObject {
 public:
  OperationObject(std::shared_ptr<ClientObject> client, std::shared_ptr<Transfer> transfer)
      : client_(std::move(client)), transfer_(std::move(transfer)) {}
  ~OperationObject() {
    if (transfer_ != nullptr) client_->Adopt(std::move(transfer_));
  }
  OperationObject(const OperationObject&) = delete;
  OperationObject& operator=(const OperationObject&) = delete;

  bool Done() const;
  bool Wait(const std::optional<double>& timeout);
  // Its reports, as (push or None, pull or None).
  py::tuple Result(const std::optional<double>& timeout);
  // False: it was told of already.
  bool OnFinished(py::object callback);

 private:
  void Finish();
  py::tuple Outcome() const;

  const std::shared_ptr<ClientObject> client_;
  std::shared_ptr<Transfer> transfer_;  // null: finished, and the outcome is below
  bool pushes_ = false;
  bool pulls_ = false;
  tideway_status status_ = TIDEWAY_OK;
  std::string message_;
  Reports reports_;
};

bool OperationObject::Done() const {
  if (transfer_ == nullptr) return true;
  int finished = 0;
  Check(tideway_operation_poll(transfer_->handle, &finished));
  return finished != 0;
}

bool OperationObject::Wait(const std::optional<double>& timeout) {
  if (transfer_ == nullptr) return true;
  const std::shared_ptr<Transfer> transfer = transfer_;  // another thread may be quicker
  int64_t left_ms = Milliseconds(timeout, TIDEWAY_NO_TIMEOUT);
  if (timeout.has_value() && *timeout == 0) return Done();
  for (;;) {
    const int64_t slice_ms =
        left_ms == TIDEWAY_NO_TIMEOUT ? kSignalCheckMs : std::min(kSignalCheckMs, left_ms);
    const tideway_status status =
        WithoutGil([&] { return tideway_operation_wait(transfer->handle, slice_ms); });
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (status == TIDEWAY_OK) return true;
    if (status != TIDEWAY_DEADLINE_EXCEEDED) Check(status);
    if (left_ms == TIDEWAY_NO_TIMEOUT) continue;
    left_ms -= slice_ms;
    if (left_ms <= 0) return false;
  }
}

void OperationObject::Finish() {
  const std::shared_ptr<Transfer> transfer = std::move(transfer_);
  pushes_ = transfer->pushes;
  pulls_ = transfer->pulls;
  reports_.push.struct_size = sizeof reports_.push;
  reports_.pull.struct_size = sizeof reports_.pull;
  status_ = tideway_operation_result(transfer->handle, &reports_.push, &reports_.pull);
  if (status_ != TIDEWAY_OK) message_ = tideway_last_message();
  if (status_ == TIDEWAY_OK && pulls_) transfer->destination.Scatter();
  Tell(*transfer);
}

py::tuple OperationObject::Outcome() const {
  if (status_ != TIDEWAY_OK) Throw(status_, message_);
  return py::make_tuple(pushes_ ? PushReportOf(reports_.push) : py::none(),
                        pulls_ ? PullReportOf(reports_.pull) : py::none());
}

py::tuple OperationObject::Result(const std::optional<double>& timeout) {
  if (!Wait(timeout)) {
    Throw(TIDEWAY_DEADLINE_EXCEEDED,
          "the operation still runs; its buffers are in use until it is finished");
  }
  if (transfer_ != nullptr) Finish();
  return Outcome();
}

bool OperationObject::OnFinished(py::object callback) {
  if (transfer_ == nullptr || transfer_->drained) return false;
  if (transfer_->on_finished) {
    Throw(TIDEWAY_FAILED_PRECONDITION, "the operation is awaited already; await it once");
  }
  transfer_->on_finished = std::move(callback);
  client_->Remember(transfer_);
  return true;
}

// Starts what `begin(client, transfer)` starts.
template <typename Begin>
std::unique_ptr<OperationObject> Started(const std::shared_ptr<ClientObject>& client,
                                         std::shared_ptr<Transfer> transfer, Begin begin) {
  client->FreeFinished();
  if (transfer->pushes) transfer->delta.Gather();
  Check(begin(client->handle().get(), *transfer));
  return std::make_unique<OperationObject>(client, std::move(transfer));
}

std::unique_ptr<OperationObject> Push(const std::shared_ptr<ClientObject>& client,
                                      const py::object& delta, uint32_t inner_steps,
                                      const std::optional<double>& timeout) {
  (void)client->handle();
  auto transfer = std::make_shared<Transfer>();
  transfer->pushes = true;
  transfer->delta = Flat(delta, client->layout(), "delta", /*writable=*/false);
  return Started(client, std::move(transfer), [&](tideway_client* handle, Transfer& of) {
    const tideway_push_options options = {.struct_size = sizeof options,
                                          .inner_steps = inner_steps};
    return tideway_client_push_start(handle, of.delta.data(), of.delta.bytes(), &options,
                                     Milliseconds(timeout), nullptr, &of, &of.handle);
  });
}

std::unique_ptr<OperationObject> Pull(const std::shared_ptr<ClientObject>& client,
                                      const py::object& out, uint64_t window,
                                      const std::optional<double>& timeout) {
  (void)client->handle();
  auto transfer = std::make_shared<Transfer>();
  transfer->pulls = true;
  transfer->destination = Flat(out, client->layout(), "out", /*writable=*/true);
  return Started(client, std::move(transfer), [&](tideway_client* handle, Transfer& of) {
    const tideway_pull_options options = {.struct_size = sizeof options, .window = window};
    return tideway_client_pull_start(handle, of.destination.data(), of.destination.bytes(),
                                     &options, Milliseconds(timeout), nullptr, &of, &of.handle);
  });
}

std::unique_ptr<OperationObject> PushPull(const std::shared_ptr<ClientObject>& client,
                                          const py::object& delta, const py::object& out,
                                          uint32_t inner_steps,
                                          const std::optional<double>& timeout) {
  (void)client->handle();
  auto transfer = std::make_shared<Transfer>();
  transfer->pushes = transfer->pulls = true;
  transfer->delta = Flat(delta, client->layout(), "delta", /*writable=*/false);
  transfer->destination = Flat(out, client->layout(), "out", /*writable=*/true);
  return Started(client, std::move(transfer), [&](tideway_client* handle, Transfer& of) {
    const tideway_push_options options = {.struct_size = sizeof options,
                                          .inner_steps = inner_steps};
    return tideway_client_push_pull_start(handle, of.delta.data(), of.delta.bytes(), &options,
                                          of.destination.data(), of.destination.bytes(), nullptr,
                                          Milliseconds(timeout), nullptr, &of, &of.handle);
  });
}

std::string StatsOf(const ClientObject& client, uint32_t index,
                    const std::optional<double>& timeout) {
  const std::shared_ptr<tideway_client> handle = client.handle();
  char* json = nullptr;
  const tideway_status status = WithoutGil([&] {
    return tideway_client_server_stats(handle.get(), index, Milliseconds(timeout), &json);
  });
  Check(status);
  return Taken(json);
}

using TextFunction = tideway_status (*)(tideway_client*, char**);

template <TextFunction function>
std::string TextOf(const ClientObject& client) {
  char* text = nullptr;
  Check(function(client.handle().get(), &text));
  return Taken(text);
}

template <typename Value>
Value Option(const py::dict& given, const char* key) {
  return given[key].cast<Value>();
}

}  // namespace

ClientOptionsObject::ClientOptionsObject(const py::dict& given)
    : servers_(Option<std::vector<std::string>>(given, "servers")),
      codecs_up_(Option<std::vector<std::string>>(given, "codecs_up")),
      worker_(Option<std::string>(given, "worker")),
      codec_up_(Option<std::string>(given, "codec_up")),
      codec_down_(Option<std::string>(given, "codec_down")),
      pull_differences_(Option<std::string>(given, "pull_differences")) {
  for (const std::string& server : servers_) server_pointers_.push_back(server.c_str());
  for (const std::string& codec : codecs_up_) codec_pointers_.push_back(codec.c_str());
  options_ = {.struct_size = sizeof options_,
              .servers = server_pointers_.data(),
              .server_count = server_pointers_.size(),
              .worker = worker_.c_str(),
              .observer = Option<bool>(given, "observer") ? 1 : 0,
              .codec_up = codec_up_.c_str(),
              .codecs_up = codec_pointers_.data(),
              .codec_up_count = codec_pointers_.size(),
              .codec_down = codec_down_.c_str(),
              .pull_differences = pull_differences_.empty() ? nullptr : pull_differences_.c_str(),
              .no_error_feedback = Option<bool>(given, "error_feedback") ? 0 : 1,
              .residual_decay = Option<float>(given, "residual_decay"),
              .momentum_correction = Option<float>(given, "momentum_correction"),
              .no_factor_masking = Option<bool>(given, "factor_masking") ? 0 : 1,
              .drop_rejected = Option<bool>(given, "keep_rejected") ? 0 : 1,
              .bytes_in_flight_max = Option<size_t>(given, "bytes_in_flight_max"),
              .reconnect_timeout_ms = Milliseconds(Option<double>(given, "reconnect_timeout")),
              .no_one_sided_pull = Option<bool>(given, "one_sided_pull") ? 0 : 1};
}

py::object BorrowedClient(std::shared_ptr<tideway_client> client,
                          std::shared_ptr<LayoutObject> layout) {
  return py::cast(std::make_shared<ClientObject>(std::move(client), std::move(layout)));
}

py::object PushReportOf(const tideway_push_report& report) { return py::cast(report); }
py::object PullReportOf(const tideway_pull_report& report) { return py::cast(report); }

void AddClient(py::module_& module) {
  py::class_<tideway_push_report>(module, "PushReport")
      .def_readonly("fragments", &tideway_push_report::fragments)
      .def_readonly("applied", &tideway_push_report::applied)
      .def_readonly("buffered", &tideway_push_report::buffered)
      .def_readonly("rejected", &tideway_push_report::rejected)
      .def_readonly("bytes", &tideway_push_report::bytes)
      .def_readonly("bytes_fp32", &tideway_push_report::bytes_fp32)
      .def_readonly("staleness_max", &tideway_push_report::staleness_max)
      .def("__repr__", [](const tideway_push_report& self) {
        return "PushReport(fragments=" + std::to_string(self.fragments) +
               ", applied=" + std::to_string(self.applied) +
               ", buffered=" + std::to_string(self.buffered) +
               ", rejected=" + std::to_string(self.rejected) +
               ", bytes=" + std::to_string(self.bytes) +
               ", bytes_fp32=" + std::to_string(self.bytes_fp32) +
               ", staleness_max=" + std::to_string(self.staleness_max) + ")";
      });
  py::class_<tideway_pull_report>(module, "PullReport")
      .def_readonly("version_min", &tideway_pull_report::version_min)
      .def_readonly("version_max", &tideway_pull_report::version_max)
      .def_readonly("bytes", &tideway_pull_report::bytes)
      .def_readonly("bytes_fp32", &tideway_pull_report::bytes_fp32)
      .def_readonly("one_sided", &tideway_pull_report::one_sided)
      .def_readonly("differences", &tideway_pull_report::differences)
      .def("__repr__", [](const tideway_pull_report& self) {
        return "PullReport(version_min=" + std::to_string(self.version_min) +
               ", version_max=" + std::to_string(self.version_max) +
               ", bytes=" + std::to_string(self.bytes) +
               ", bytes_fp32=" + std::to_string(self.bytes_fp32) +
               ", one_sided=" + std::to_string(self.one_sided) +
               ", differences=" + std::to_string(self.differences) + ")";
      });
  py::class_<OperationObject>(module, "Operation")
      .def("done", &OperationObject::Done)
      .def("wait", &OperationObject::Wait, py::arg("timeout") = py::none())
      .def("reports", &OperationObject::Result, py::arg("timeout") = py::none())
      .def("on_finished", &OperationObject::OnFinished);
  py::class_<ClientObject, std::shared_ptr<ClientObject>>(module, "Client")
      .def(py::init([](std::shared_ptr<RuntimeObject> runtime, const py::dict& options,
                       std::shared_ptr<LayoutObject> layout, const std::optional<double>& timeout) {
        return std::make_shared<ClientObject>(std::move(runtime), ClientOptionsObject(options),
                                              std::move(layout), timeout);
      }))
      .def("push", &Push)
      .def("pull", &Pull)
      .def("push_pull", &PushPull)
      .def("leave", &ClientObject::Leave)
      .def("close", &ClientObject::Free)
      .def("fileno", &ClientObject::FileDescriptor)
      .def("drain", &ClientObject::Drain)
      .def("server_stats", &StatsOf)
      .def("transport_report", &TextOf<tideway_client_transport_report>)
      .def("transport_text", &TextOf<tideway_client_transport_text>)
      .def("residual_stats", &TextOf<tideway_client_residual_stats>);
}

}  // namespace tideway::python
