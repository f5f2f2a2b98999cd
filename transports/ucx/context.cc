#include "transports/ucx/context.h"

#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "transports/common/soft_roce.h"
#include "transports/ucx/log_scope.h"

namespace tideway::ucx {
namespace {

// Receive buffers of shared memory that one worker makes at once. UCX's default of 512 would cost each connection 8 MiB.
constexpr const char* kReceiveBuffersGrow = "128";
// What UCX copies at once into a TCP lane's buffer; its default of 8 KiB costs a third of the speed.
constexpr const char* kTcpSegmentBytes = "64k";
constexpr int kClosingTurnsMax = 10'000;
// UCX reads a worker's address without knowing its length: one that lies about it then ends in zeros, not in others' memory.
constexpr size_t kAddressPaddingBytes = size_t{64} << 10;

absl::Status Modify(ucp_config_t* config, const char* key, const std::string& value) {
  const ucs_status_t status = ucp_config_modify(config, key, value.c_str());
  if (status == UCS_OK) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("UCX refuses ", key, "=", value, ": ", ucs_status_string(status)));
}

// A worker with verbs takes 75 MB by UCX's defaults, and 14 MB with these.
void ConfigureVerbs(ucp_config_t* config) {
  ucp_config_modify(config, "RC_RX_QUEUE_LEN", "128");
  // No more messages on the way than the receive queue takes: else the adapter refuses some, and retries after a pause.
  ucp_config_modify(config, "RC_FC_WND_SIZE", "96");
  ucp_config_modify(config, "UD_RX_QUEUE_LEN", "128");
  ucp_config_modify(config, "RC_TX_BUFS_GROW", "64");
  ucp_config_modify(config, "UD_TX_BUFS_GROW", "64");
  // Soft-RoCE hands datagrams up with a header in which UCX does not find its own address.
  if (HasSoftRoce()) ucp_config_modify(config, "UD_ETH_DGID_CHECK", "n");
}

// UCX 1.13 aborts the process (uct_iface.h, `comp->count > 0`) where a peer closes while its TCP lane sends from the user's
// memory: the send is completed twice. So such lanes copy.
void ConfigureTcp(ucp_config_t* config) {
  ucp_config_modify(config, "ZCOPY_THRESH", "inf");
  // Without the group's name: UCX 1.13 drops TCP_TX_SEG_SIZE, and only warns of it.
  ucp_config_modify(config, "TX_SEG_SIZE", kTcpSegmentBytes);
}

absl::Status Configure(ucp_config_t* config, const Settings& settings) {
  absl::Status status = Modify(config, "TLS", settings.UcxTls());
  if (status.ok() && !settings.net_devices.empty())
    status = Modify(config, "NET_DEVICES", settings.net_devices);
  // The sender's memory is read, never the receiver's written: what comes too late then harms nobody.
  if (status.ok() && settings.SharedMemoryAllowed() && !settings.without_cma)
    status = Modify(config, "RNDV_SCHEME", "get_zcopy");
  if (!status.ok()) return status;
  if (settings.SharedMemoryAllowed())
    ucp_config_modify(config, "MM_RX_BUFS_GROW", kReceiveBuffersGrow);
  if (settings.TcpAllowed()) ConfigureTcp(config);
  if (HasRdmaAdapter()) ConfigureVerbs(config);
  return absl::OkStatus();
}

// The lines of what a UCX function prints.
template <typename Print>
std::vector<std::string> Printed(Print print) {
  char* text = nullptr;
  size_t bytes = 0;
  FILE* const stream = open_memstream(&text, &bytes);
  if (stream == nullptr) return {};
  print(stream);
  std::fclose(stream);
  std::vector<std::string> lines = absl::StrSplit(absl::string_view(text, bytes), '\n');
  std::free(text);
  return lines;
}

// One line of ucp_ep_print_info: "#  lane[1]:  2:sysv/memory.0 md[1]  -> md[1]/sysv/sysdev[255] am am_bw#0".
std::string LaneOf(absl::string_view line) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t#"), absl::SkipEmpty());
  if (words.size() < 3) return "";
  const std::vector<absl::string_view> name = absl::StrSplit(words[1], absl::MaxSplits(':', 1));
  if (name.size() != 2) return "";
  std::vector<absl::string_view> uses;
  for (size_t i = 2; i < words.size(); ++i) {
    for (const absl::string_view use : {"am", "am_bw", "rma", "rma_bw", "wireup", "keepalive"}) {
      if (words[i] == use) uses.push_back(use);
    }
  }
  return absl::StrCat(name[1],
                      uses.empty() ? "" : absl::StrCat(" (", absl::StrJoin(uses, ", "), ")"));
}

}  // namespace

absl::Status UcxError(absl::string_view what, ucs_status_t status) {
  return absl::UnavailableError(absl::StrCat(what, ": ", ucs_status_string(status)));
}

absl::StatusOr<std::shared_ptr<Context>> Context::Create(const Settings& settings,
                                                         const LogSink& log) {
  const LogScope ucx_speaks_to(&log);
  ucp_config_t* config = nullptr;
  ucs_status_t status = ucp_config_read(nullptr, nullptr, &config);
  if (status != UCS_OK) return UcxError("UCX's configuration can't be read", status);
  const absl::Status configured = Configure(config, settings);
  ucp_params_t params = {};
  params.field_mask =
      UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_MT_WORKERS_SHARED | UCP_PARAM_FIELD_NAME;
  params.features = UCP_FEATURE_AM | UCP_FEATURE_RMA | UCP_FEATURE_WAKEUP;
  params.mt_workers_shared = 1;  // memory is registered from any thread
  params.name = "tideway";
  ucp_context_h handle = nullptr;
  if (configured.ok()) status = ucp_init(&params, config, &handle);
  ucp_config_release(config);
  if (!configured.ok()) return configured;
  if (status != UCS_OK) {
    return UcxError(
        absl::StrCat("UCX has none of the transports tls=", settings.UcxTls(),
                     settings.net_devices.empty() ? "" : " net_devices=", settings.net_devices,
                     " on this host (`ucx_info -d` lists what it has)"),
        status);
  }
  return std::make_shared<Context>(handle);
}

std::vector<std::string> Context::Resources() const {
  std::vector<std::string> resources;
  // "#      resource 1  :  md 1  dev 1  flags -- tcp/eth0"
  for (const std::string& line :
       Printed([&](FILE* out) { ucp_context_print_info(handle_, out); })) {
    if (!absl::StrContains(line, " resource ")) continue;
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    resources.emplace_back(words.back());
  }
  return resources;
}

absl::StatusOr<std::shared_ptr<Context>> ContextPool::Get(const Settings& settings,
                                                          const LogSink& log) {
  absl::MutexLock lock(&mutex_);
  auto found = contexts_.find(settings);
  if (found != contexts_.end()) return found->second;
  absl::StatusOr<std::shared_ptr<Context>> made = Context::Create(settings, log);
  if (made.ok()) contexts_.emplace(settings, *made);
  return made;
}

absl::StatusOr<std::unique_ptr<Worker>> Worker::Create(std::shared_ptr<Context> context) {
  ucp_worker_params_t params = {};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE | UCP_WORKER_PARAM_FIELD_FLAGS;
  params.thread_mode = UCS_THREAD_MODE_SINGLE;
  params.flags = UCP_WORKER_FLAG_IGNORE_REQUEST_LEAK;  // what a dead peer left open
  ucp_worker_h handle = nullptr;
  ucs_status_t status = ucp_worker_create(context->handle(), &params, &handle);
  if (status != UCS_OK) return UcxError("UCX can't make a worker", status);
  int event_fd = -1;
  if (ucp_worker_get_efd(handle, &event_fd) != UCS_OK) event_fd = -1;
  return std::unique_ptr<Worker>(new Worker(std::move(context), handle, event_fd));
}

Worker::~Worker() {
  CloseEndpoint();
  if (wired_) {
    ucp_worker_destroy(handle_);
  } else {
    // UCX 1.13 aborts the process where a worker is destroyed before its queue pairs are joined, as happens if the peer dies
    // in mid-handshake. Some megabytes are lost then, and the process lives.
    (void)new (std::nothrow) std::shared_ptr<Context>(context_);
  }
}

void Worker::CloseEndpoint() {
  // Without error handling an endpoint can only be closed together with the peer, who may be dead: the worker's end ends it.
  if (endpoint_ == nullptr || !peer_errors_) return;
  ucp_request_param_t params = {};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  if (wired_) params.flags = UCP_EP_CLOSE_FLAG_FORCE;
  void* const request = ucp_ep_close_nbx(endpoint_, &params);
  endpoint_ = nullptr;
  if (request == nullptr || UCS_PTR_IS_ERR(request)) return;
  for (int i = 0; i < kClosingTurnsMax && ucp_request_check_status(request) == UCS_INPROGRESS; ++i)
    ucp_worker_progress(handle_);
  ucp_request_free(request);
}

absl::StatusOr<std::string> Worker::Address() const {
  ucp_address_t* address = nullptr;
  size_t bytes = 0;
  const ucs_status_t status = ucp_worker_get_address(handle_, &address, &bytes);
  if (status != UCS_OK) return UcxError("UCX gives no worker address", status);
  std::string text(reinterpret_cast<const char*>(address), bytes);
  ucp_worker_release_address(handle_, address);
  return text;
}

void Worker::OnEndpointError(void* worker, ucp_ep_h, ucs_status_t status) {
  static_cast<Worker*>(worker)->endpoint_error_ = status;
}

absl::Status Worker::Connect(absl::string_view peer_address, bool peer_errors) {
  // UCX aborts the process where the version, in the lower half of the first byte, is not one that it knows.
  const absl::StatusOr<std::string> own = Address();
  if (!own.ok()) return own.status();
  if (peer_address.empty() || ((peer_address[0] ^ (*own)[0]) & 0xf) != 0)
    return absl::UnavailableError(
        "the peer's worker address has another version; run the same release of UCX on both ends");
  std::string padded(peer_address);
  padded.resize(padded.size() + kAddressPaddingBytes);
  ucp_ep_params_t params = {};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address = reinterpret_cast<const ucp_address_t*>(padded.data());
  params.err_mode = peer_errors ? UCP_ERR_HANDLING_MODE_PEER : UCP_ERR_HANDLING_MODE_NONE;
  params.err_handler.cb = &OnEndpointError;
  params.err_handler.arg = this;
  peer_errors_ = peer_errors;
  const ucs_status_t status = ucp_ep_create(handle_, &params, &endpoint_);
  if (status != UCS_OK) {
    endpoint_ = nullptr;
    return UcxError("UCX finds no lane to the peer", status);
  }
  const std::string lanes = Lanes();
  rdma_ = absl::StrContains(lanes, "rc_") || absl::StrContains(lanes, "dc_");
  if (rdma_) AwaitWiring();
  return absl::OkStatus();
}

// Adapters' queue pairs are joined by an exchange of datagrams. Until that is over, UCX 1.13 aborts the process where the
// endpoint is closed by force. A flush ends when it is over.
void Worker::AwaitWiring() {
  wired_ = false;
  ucp_request_param_t params = {};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  params.cb.send = [](void* request, ucs_status_t flushed, void* worker) {
    ucp_request_free(request);
    if (flushed == UCS_OK) static_cast<Worker*>(worker)->wired_ = true;
  };
  params.user_data = this;
  void* const request = ucp_ep_flush_nbx(endpoint_, &params);
  if (request == nullptr) wired_ = true;
}

std::string Worker::Lanes() const {
  std::vector<std::string> lanes;
  for (const std::string& line : Printed([&](FILE* out) { ucp_ep_print_info(endpoint_, out); })) {
    if (!absl::StrContains(line, "lane[")) continue;
    std::string lane = LaneOf(line);
    if (!lane.empty()) lanes.push_back(std::move(lane));
  }
  return absl::StrJoin(lanes, ", ");
}

void Worker::OnMessage(unsigned id, ucp_am_recv_callback_t callback, void* argument) {
  ucp_am_handler_param_t params = {};
  params.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB |
                      UCP_AM_HANDLER_PARAM_FIELD_ARG;
  params.id = id;
  params.cb = callback;
  params.arg = argument;
  ucp_worker_set_am_recv_handler(handle_, &params);
}

}  // namespace tideway::ucx
