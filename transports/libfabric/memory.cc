#include "transports/libfabric/memory.h"

#include <sys/uio.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "rdma/fi_errno.h"

namespace tideway::libfabric {

absl::StatusOr<std::shared_ptr<Device>> Device::Open(const Provider& provider,
                                                     const std::string& local_ip) {
  absl::StatusOr<InfoPtr> info = GetInfo(provider, local_ip);
  if (!info.ok()) return info.status();
  std::shared_ptr<Device> device(new Device(provider, *std::move(info)));
  fid_fabric* fabric = nullptr;
  int error = fi_fabric(device->info()->fabric_attr, &fabric, nullptr);
  if (error != 0) return FabricError(absl::StrCat(provider.scheme, ": opening the fabric"), error);
  device->fabric_.reset(fabric);
  fid_domain* domain = nullptr;
  error = fi_domain(fabric, device->info(), &domain, nullptr);
  if (error != 0) return FabricError(absl::StrCat(provider.scheme, ": opening the domain"), error);
  device->domain_.reset(domain);
  if (device->info()->domain_attr->mr_key_size > sizeof(uint64_t)) {
    return absl::UnavailableError(
        absl::StrCat(provider.scheme, ": its keys of memory are longer than 8 bytes"));
  }
  return device;
}

std::shared_ptr<ExposedMemory> Device::FindExposed(absl::Span<const std::byte> memory) {
  absl::MutexLock lock(&mutex_);
  const auto found = exposed_.find({memory.data(), memory.size()});
  return found == exposed_.end() ? nullptr : found->second.lock();
}

void Device::KeepExposed(absl::Span<const std::byte> memory, std::weak_ptr<ExposedMemory> exposed) {
  absl::MutexLock lock(&mutex_);
  absl::erase_if(exposed_, [](const auto& each) { return each.second.expired(); });
  exposed_[{memory.data(), memory.size()}] = std::move(exposed);
}

absl::StatusOr<Registration> Registration::Create(Device& device, const void* memory, size_t bytes,
                                                  uint64_t access, MemoryKind kind) {
  const iovec part = {const_cast<void*>(memory), bytes};
  fi_mr_attr attributes = {};
  attributes.mr_iov = &part;
  attributes.iov_count = 1;
  attributes.access = access;
  attributes.requested_key = device.NextKey();
  attributes.iface = kind.iface;
  attributes.device.reserved = kind.device;
  fid_mr* region = nullptr;
  const int error = fi_mr_regattr(device.domain(), &attributes, 0, &region);
  if (error != 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "can't register ", bytes, " bytes with ", device.provider().scheme, ": ",
        fi_strerror(-error), "; raise the limit of locked memory (ulimit -l unlimited)"));
  }
  Registration registration;
  registration.region_.reset(region);
  const bool virtual_addresses = (device.info()->domain_attr->mr_mode & FI_MR_VIRT_ADDR) != 0;
  registration.base_ = virtual_addresses ? reinterpret_cast<uintptr_t>(memory) : 0;
  return registration;
}

}  // namespace tideway::libfabric
