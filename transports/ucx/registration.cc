#include "transports/ucx/registration.h"

#include "absl/strings/str_cat.h"
#include "transports/ucx/context.h"

namespace tideway::ucx {

absl::StatusOr<std::shared_ptr<Registration>> Registration::Create(
    std::shared_ptr<Context> context, absl::Span<const std::byte> memory) {
  ucp_mem_map_params_t params = {};
  params.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH |
                      UCP_MEM_MAP_PARAM_FIELD_PROT;
  params.address = const_cast<std::byte*>(memory.data());
  params.length = memory.size();
  params.prot = UCP_MEM_MAP_PROT_LOCAL_READ | UCP_MEM_MAP_PROT_REMOTE_READ;
  ucp_mem_h handle = nullptr;
  ucs_status_t status = ucp_mem_map(context->handle(), &params, &handle);
  if (status != UCS_OK) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "UCX can't register ", memory.size(), " bytes for RDMA: ", ucs_status_string(status),
        "; raise the limit of locked memory (ulimit -l)"));
  }
  void* packed = nullptr;
  size_t bytes = 0;
  status = ucp_rkey_pack(context->handle(), handle, &packed, &bytes);
  if (status != UCS_OK) {
    ucp_mem_unmap(context->handle(), handle);
    return UcxError("UCX gives no remote key", status);
  }
  std::string key(static_cast<const char*>(packed), bytes);
  ucp_rkey_buffer_release(packed);
  return std::shared_ptr<Registration>(
      new Registration(std::move(context), handle, std::move(key)));
}

Registration::~Registration() { ucp_mem_unmap(context_->handle(), handle_); }

absl::StatusOr<std::shared_ptr<Registration>> Registrations::Get(
    const std::shared_ptr<Context>& context, absl::Span<const std::byte> memory) {
  absl::MutexLock lock(&mutex_);
  std::erase_if(present_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<Registration>& place = present_[{memory.data(), memory.size()}];
  if (std::shared_ptr<Registration> present = place.lock()) return present;
  absl::StatusOr<std::shared_ptr<Registration>> made = Registration::Create(context, memory);
  if (made.ok()) place = *made;
  return made;
}

}  // namespace tideway::ucx
