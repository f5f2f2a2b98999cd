// Device: an opened domain of a provider (an adapter, in RDMA's words). Registration: memory that the provider may touch,
// locally or on behalf of a peer.
//
// There is no cache of registrations here. Those of net, tcp and shm are entries in a table of this process (0.06 us each,
// measured), so each message makes its own. Those of verbs and efa pin pages; libfabric keeps a cache for them inside, and
// watches the process's memory to forget what was given back to the kernel (FI_MR_CACHE_MONITOR), which a cache out here could
// not see.
//
// Threads: any. A Registration keeps its Device open.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_MEMORY_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_MEMORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "rdma/fabric.h"
#include "rdma/fi_domain.h"
#include "tideway/one_sided.h"
#include "transports/libfabric/provider.h"

namespace tideway::libfabric {

// Closes one of libfabric's objects.
struct FidCloser {
  template <typename Object>
  void operator()(Object* object) const {
    fi_close(&object->fid);
  }
};
template <typename Object>
using Fid = std::unique_ptr<Object, FidCloser>;

class Device {
 public:
  // `local_ip`: which of the host's adapters. UNAVAILABLE, with libfabric's reason.
  static absl::StatusOr<std::shared_ptr<Device>> Open(const Provider& provider,
                                                      const std::string& local_ip);

  const Provider& provider() const { return provider_; }
  fi_info* info() const { return info_.get(); }
  fid_fabric* fabric() const { return fabric_.get(); }
  fid_domain* domain() const { return domain_.get(); }
  // Whether buffers must be registered even where only this end touches them.
  bool registers_local() const { return (info_->domain_attr->mr_mode & FI_MR_LOCAL) != 0; }
  // What is exposed on this device, so that the same memory is registered once.
  std::shared_ptr<ExposedMemory> FindExposed(absl::Span<const std::byte> memory);
  void KeepExposed(absl::Span<const std::byte> memory, std::weak_ptr<ExposedMemory> exposed);
  uint64_t NextKey() { return next_key_.fetch_add(1, std::memory_order_relaxed); }

 private:
  Device(const Provider& provider, InfoPtr info) : provider_(provider), info_(std::move(info)) {}

  const Provider& provider_;
  const InfoPtr info_;
  Fid<fid_fabric> fabric_;
  Fid<fid_domain> domain_;
  std::atomic<uint64_t> next_key_{1};
  absl::Mutex mutex_;
  absl::flat_hash_map<std::pair<const std::byte*, size_t>, std::weak_ptr<ExposedMemory>> exposed_
      ABSL_GUARDED_BY(mutex_);
};

// Where memory lies. Memory of accelerators (FI_HMEM) will be another kind.
struct MemoryKind {
  fi_hmem_iface iface = FI_HMEM_SYSTEM;
  uint64_t device = 0;
};

class Registration {
 public:
  Registration() = default;

  // `access`: FI_REMOTE_READ for what a peer reads, FI_READ for where a read's bytes land, FI_SEND, FI_RECV.
  // RESOURCE_EXHAUSTED: the limit of locked memory, most likely.
  static absl::StatusOr<Registration> Create(Device& device, const void* memory, size_t bytes,
                                             uint64_t access, MemoryKind kind = {});

  void* descriptor() const { return region_ == nullptr ? nullptr : fi_mr_desc(region_.get()); }
  uint64_t key() const { return fi_mr_key(region_.get()); }
  // What a peer calls the first byte.
  uint64_t base() const { return base_; }

 private:
  Fid<fid_mr> region_;
  uint64_t base_ = 0;
};

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_MEMORY_H_
