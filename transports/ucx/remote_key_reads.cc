#include "transports/ucx/remote_key_reads.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::ucx {
namespace {

constexpr size_t kReadsOutMax = 16;
// Keys that are kept unpacked. An owner of memory exposes few areas.
constexpr size_t kKeysMax = 64;
// UCX reads a packed key without knowing its length: one that lies about it then ends in zeros, not in others' memory.
constexpr size_t kKeyPaddingBytes = size_t{64} << 10;

}  // namespace

RemoteKeyReads::RemoteKeyReads(std::shared_ptr<Shared> shared, Hello peer,
                               std::function<void()> wake, Worker* worker)
    : UcxOneSided(std::move(shared), std::move(peer), std::move(wake)),
      context_(worker->shared_context()),
      worker_(worker) {}

RemoteKeyReads::~RemoteKeyReads() = default;

absl::StatusOr<std::shared_ptr<ExposedMemory>> RemoteKeyReads::DoExpose(
    absl::Span<const std::byte> memory, MemoryDescriptor descriptor) {
  absl::StatusOr<std::shared_ptr<Registration>> registration =
      context_->registrations().Get(context_, memory);
  if (!registration.ok()) return registration.status();
  descriptor.remote_key = (*registration)->key();
  auto exposed = std::make_shared<UcxExposedMemory>(descriptor, *std::move(registration));
  if (exposed->descriptor().size() > kMemoryDescriptorBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("UCX's remote key has ", descriptor.remote_key.size(),
                     " bytes, more than fit into a memory descriptor; name fewer devices "
                     "(net_devices=)"));
  }
  return exposed;
}

absl::StatusOr<ucp_rkey_h> RemoteKeyReads::KeyOf(const std::string& packed) {
  const auto found = keys_.find(packed);
  if (found != keys_.end()) return found->second;
  if (keys_.size() >= kKeysMax && in_flight_ == 0) DropKeys();
  if (packed.empty()) return absl::InvalidArgumentError("the memory descriptor has no key");
  std::string padded = packed;
  padded.resize(packed.size() + kKeyPaddingBytes);
  ucp_rkey_h key = nullptr;
  const ucs_status_t status = ucp_ep_rkey_unpack(worker_->endpoint(), padded.data(), &key);
  if (status != UCS_OK) {
    return absl::InvalidArgumentError(
        absl::StrCat("the memory descriptor's key can't be used: ", ucs_status_string(status)));
  }
  keys_.emplace(packed, key);
  return key;
}

void RemoteKeyReads::DropKeys() {
  for (const auto& [packed, key] : keys_) ucp_rkey_destroy(key);
  keys_.clear();
}

bool RemoteKeyReads::Progress(const std::function<bool()>& peer_is_gone) {
  TakeArrived();
  bool worked = StartReads();
  while (status().ok() && started_ > 0 && operations_.front()->finished) {
    Operation& front = *operations_.front();
    absl::Status status = front.status;
    if (status.ok() && peer_is_gone())
      status = absl::UnavailableError("the peer closed the connection");
    if (absl::IsUnavailable(status)) {
      Break(std::move(status));  // and Close fails it with the others
      return true;
    }
    --started_;
    CompleteFront(std::move(status));
    worked = true;
  }
  return worked;
}

bool RemoteKeyReads::StartReads() {
  bool worked = false;
  while (status().ok() && started_ < operations_.size() && in_flight_ < kReadsOutMax) {
    Start(*operations_[started_++]);
    worked = true;
  }
  can_start_ = started_ < operations_.size() && in_flight_ < kReadsOutMax && status().ok();
  return worked;
}

void RemoteKeyReads::Start(Operation& operation) {
  const bool refused = !operation.status.ok();
  operation.started = !refused;
  operation.finished = true;
  if (refused || operation.local.empty()) return;
  absl::StatusOr<ucp_rkey_h> key = KeyOf(operation.remote_key);
  if (!key.ok()) {
    operation.status = key.status();
    return;
  }
  ucp_request_param_t params = {};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  params.cb.send = [](void* request, ucs_status_t status, void* user_data) {
    ucp_request_free(request);
    auto* read = static_cast<Operation*>(user_data);
    static_cast<RemoteKeyReads*>(read->owner)->OnRead(*read, status);
  };
  params.user_data = &operation;
  operation.finished = false;
  ++in_flight_;
  void* const request = ucp_get_nbx(worker_->endpoint(), operation.local.data(),
                                    operation.local.size(), operation.address, *key, &params);
  if (!UCS_PTR_IS_PTR(request)) OnRead(operation, UCS_PTR_STATUS(request));
}

void RemoteKeyReads::OnRead(Operation& operation, ucs_status_t status) {
  --in_flight_;
  operation.finished = true;
  if (status != UCS_OK) operation.status = UcxError("a read of the peer's memory failed", status);
}

}  // namespace tideway::ucx
