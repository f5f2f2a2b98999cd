#include <pybind11/stl.h>

#include <utility>

#include "bindings/python/errors.h"
#include "bindings/python/objects.h"

namespace py = pybind11;

namespace tideway::python {
namespace {

class ServerObject {
 public:
  // `initial`: None recovers from a snapshot.
  ServerObject(std::shared_ptr<RuntimeObject> runtime, std::shared_ptr<LayoutObject> layout,
               const py::object& initial, const py::dict& options);
  ServerObject(const ServerObject&) = delete;
  ServerObject& operator=(const ServerObject&) = delete;

  std::vector<std::string> addresses() const;
  void Read(const py::object& out);
  std::string Stats() const;
  std::string Snapshot();
  void Free() { handle_.reset(); }

 private:
  std::shared_ptr<tideway_server> handle() const {
    if (handle_ == nullptr)
      Throw(TIDEWAY_FAILED_PRECONDITION, "the server is closed; start a new one");
    return handle_;
  }

  const std::shared_ptr<RuntimeObject> runtime_;
  const std::shared_ptr<LayoutObject> layout_;
  std::shared_ptr<tideway_server> handle_;
};

ServerObject::ServerObject(std::shared_ptr<RuntimeObject> runtime,
                           std::shared_ptr<LayoutObject> layout, const py::object& initial,
                           const py::dict& given)
    : runtime_(std::move(runtime)), layout_(std::move(layout)) {
  const auto listen = given["listen"].cast<std::vector<std::string>>();
  const auto optimizer = given["outer_optimizer"].cast<std::string>();
  const auto staleness = given["staleness"].cast<std::string>();
  const auto shards = given["shard_sizes"].cast<std::vector<uint64_t>>();
  const auto snapshot_dir = given["snapshot_dir"].cast<std::string>();
  const std::vector<const char*> addresses = Pointers(listen);
  const tideway_server_options options = {
      .struct_size = sizeof options,
      .listen = addresses.data(),
      .listen_count = addresses.size(),
      .server_index = given["server_index"].cast<uint32_t>(),
      .outer_optimizer = optimizer.empty() ? nullptr : optimizer.c_str(),
      .staleness = staleness.c_str(),
      .synchronous = given["synchronous"].cast<bool>() ? 1 : 0,
      .inner_steps = given["inner_steps"].cast<uint32_t>(),
      .no_dylu = given["dylu"].cast<bool>() ? 0 : 1,
      .no_grace = given["grace"].cast<bool>() ? 0 : 1,
      .sync_quorum = given["sync_quorum"].cast<uint32_t>(),
      .sync_timeout_ms = Milliseconds(given["sync_timeout"].cast<double>()),
      .workers_to_begin = given["workers_to_begin"].cast<uint32_t>(),
      .inner_steps_total = given["inner_steps_total"].cast<uint64_t>(),
      .shard_sizes = shards.data(),
      .shard_count = shards.size(),
      .seed = given["seed"].cast<uint64_t>(),
      .lease_ms = Milliseconds(given["lease"].cast<double>()),
      .credit_bytes = given["credit_bytes"].cast<size_t>(),
      .sessions_max = given["sessions_max"].cast<size_t>(),
      .no_one_sided = given["one_sided"].cast<bool>() ? 0 : 1,
      .no_differences = given["differences"].cast<bool>() ? 0 : 1,
      .snapshot_dir = snapshot_dir.empty() ? nullptr : snapshot_dir.c_str(),
      .snapshot_interval_ms = given["snapshot_interval"].is_none()
                                  ? 0
                                  : Milliseconds(given["snapshot_interval"].cast<double>())};
  Flat values;
  if (!initial.is_none()) {
    values = Flat(initial, *layout_, "initial", /*writable=*/false);
    values.Gather();
  }
  tideway_server* started = nullptr;
  const bool recover = initial.is_none();
  const tideway_status status = WithoutGil([&] {
    return recover
               ? tideway_server_recover(runtime_->handle(), &options, layout_->handle(), &started)
               : tideway_server_start(runtime_->handle(), &options, layout_->handle(),
                                      values.data(), values.bytes(), &started);
  });
  Check(status);
  handle_ = Shared(started, tideway_server_free);
}

std::vector<std::string> ServerObject::addresses() const {
  const std::shared_ptr<tideway_server> server = handle();
  std::vector<std::string> all;
  for (size_t i = 0; const char* address = tideway_server_address(server.get(), i); ++i) {
    all.emplace_back(address);
  }
  return all;
}

void ServerObject::Read(const py::object& out) {
  const std::shared_ptr<tideway_server> server = handle();
  const Flat values(out, *layout_, "out", /*writable=*/true);
  values.Gather();  // what is another server's stays as it is
  const tideway_status status =
      WithoutGil([&] { return tideway_server_read(server.get(), values.data(), values.bytes()); });
  Check(status);
  values.Scatter();
}

std::string ServerObject::Stats() const {
  char* json = nullptr;
  Check(tideway_server_stats(handle().get(), &json));
  return Taken(json);
}

std::string ServerObject::Snapshot() {
  const std::shared_ptr<tideway_server> server = handle();
  char* folder = nullptr;
  const tideway_status status =
      WithoutGil([&] { return tideway_server_snapshot(server.get(), &folder); });
  Check(status);
  return Taken(folder);
}

}  // namespace

void AddServer(py::module_& module) {
  py::class_<ServerObject, std::shared_ptr<ServerObject>>(module, "Server")
      .def(py::init<std::shared_ptr<RuntimeObject>, std::shared_ptr<LayoutObject>, py::object,
                    py::dict>())
      .def_property_readonly("addresses", &ServerObject::addresses)
      .def("read", &ServerObject::Read)
      .def("stats", &ServerObject::Stats)
      .def("snapshot", &ServerObject::Snapshot)
      .def("close", &ServerObject::Free);
}

}  // namespace tideway::python
