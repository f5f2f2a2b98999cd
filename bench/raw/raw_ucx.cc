// Bare UCX: tagged messages (ucp_tag_*_nbx), eager or rendezvous as UCX decides. What is moved, and how: tagged.h.
//
//   raw_ucx server --tls=tcp --form=push --bytes=67108864 --chunk=1048576 --wait=block
//   raw_ucx client --address=HEX and the same options

#include <ucp/api/ucp.h>

#include <stdexcept>
#include <string>

#include "bench/common/control.h"
#include "bench/common/placement.h"
#include "bench/raw/tagged.h"

namespace bench {
namespace {

void Check(ucs_status_t status, const char* what) {
  if (status != UCS_OK)
    throw std::runtime_error(std::string(what) + ": " + ucs_status_string(status));
}

void Finish(void* request, ucs_status_t status, void* operation) {
  Check(status, "an operation");
  static_cast<Operation*>(operation)->done = true;
  ucp_request_free(request);
}

void OnSent(void* request, ucs_status_t status, void* operation) {
  Finish(request, status, operation);
}

void OnReceived(void* request, ucs_status_t status, const ucp_tag_recv_info_t*, void* operation) {
  Finish(request, status, operation);
}

class UcxEnd final : public TaggedEnd {
 public:
  UcxEnd(const std::string& tls, bool spin) : spin_(spin) {
    ucp_config_t* config = nullptr;
    Check(ucp_config_read(nullptr, nullptr, &config), "ucp_config_read");
    Check(ucp_config_modify(config, "TLS", tls.c_str()), "UCX_TLS");
    ucp_params_t params = {};
    params.field_mask = UCP_PARAM_FIELD_FEATURES;
    params.features = UCP_FEATURE_TAG | (spin ? 0 : UCP_FEATURE_WAKEUP);
    Check(ucp_init(&params, config, &context_), "ucp_init");
    ucp_config_release(config);
    ucp_worker_params_t worker = {};
    worker.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
    worker.thread_mode = UCS_THREAD_MODE_SINGLE;
    Check(ucp_worker_create(context_, &worker, &worker_), "ucp_worker_create");
  }
  ~UcxEnd() override {
    ucp_worker_destroy(worker_);
    ucp_cleanup(context_);
  }

  std::string Address() override {
    ucp_address_t* address = nullptr;
    size_t bytes = 0;
    Check(ucp_worker_get_address(worker_, &address, &bytes), "ucp_worker_get_address");
    std::string copy(reinterpret_cast<const char*>(address), bytes);
    ucp_worker_release_address(worker_, address);
    return copy;
  }

  void Connect(const std::string& address) override {
    ucp_ep_params_t params = {};
    params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS;
    params.address = reinterpret_cast<const ucp_address_t*>(address.data());
    Check(ucp_ep_create(worker_, &params, &endpoint_), "ucp_ep_create");
  }

  void Send(Tag tag, const void* data, size_t bytes, Operation& operation) override {
    ucp_request_param_t param = Param(operation);
    param.cb.send = OnSent;
    Begun(ucp_tag_send_nbx(endpoint_, data, bytes, static_cast<ucp_tag_t>(tag), &param), operation);
  }

  void Receive(Tag tag, void* data, size_t bytes, Operation& operation) override {
    ucp_request_param_t param = Param(operation);
    param.cb.recv = OnReceived;
    Begun(
        ucp_tag_recv_nbx(worker_, data, bytes, static_cast<ucp_tag_t>(tag), ~ucp_tag_t{0}, &param),
        operation);
  }

  void Progress() override {
    if (ucp_worker_progress(worker_) == 0 && !spin_) {
      Check(ucp_worker_wait(worker_), "ucp_worker_wait");
    }
  }

 private:
  static ucp_request_param_t Param(Operation& operation) {
    operation.done = false;
    ucp_request_param_t param = {};
    param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
    param.user_data = &operation;
    return param;
  }

  // Null: it has ended already, and no callback follows.
  static void Begun(ucs_status_ptr_t request, Operation& operation) {
    if (request == nullptr) {
      operation.done = true;
    } else if (UCS_PTR_IS_ERR(request)) {
      Check(UCS_PTR_STATUS(request), "an operation");
    }
  }

  const bool spin_;
  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  ucp_ep_h endpoint_ = nullptr;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::Main([&] {
    const bench::Options options(
        argc, argv,
        {"form", "bytes", "chunk", "wait", "outstanding", "address", "tls", "cpus", "numa"});
    bench::Place(options);
    const bench::TaggedSettings settings(options);
    bench::UcxEnd end(options.Text("tls", "tcp"), settings.spin);
    if (options.role() == "server") {
      bench::RunTaggedServer(settings, end);
    } else {
      bench::RunTaggedClient(settings, end);
    }
  });
}
