// RemoteKeyReads: reads by the adapter (RDMA). Memory is registered with UCX and named by a packed remote key; a read is
// ucp_get_nbx.
//
// It is used only where all lanes that would carry a read are RDMA lanes: over others UCX emulates a read with messages.
//
// Threads: as in UcxOneSided; memory is registered by whoever calls Expose.

#ifndef TIDEWAY_TRANSPORTS_UCX_REMOTE_KEY_READS_H_
#define TIDEWAY_TRANSPORTS_UCX_REMOTE_KEY_READS_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "transports/ucx/context.h"
#include "transports/ucx/one_sided.h"

namespace tideway::ucx {

class RemoteKeyReads final : public UcxOneSided {
 public:
  // `worker` outlives this object's last call of DropKeys.
  RemoteKeyReads(std::shared_ptr<Shared> shared, Hello peer, std::function<void()> wake,
                 Worker* worker);
  ~RemoteKeyReads() override;

  bool Progress(const std::function<bool()>& peer_is_gone) override;
  bool idle() override { return !someone_waits() && !can_start_; }
  bool in_flight() const override { return in_flight_ > 0; }
  void DropKeys() override;

 private:
  MemoryKind kind() const override { return MemoryKind::kRemoteKey; }
  absl::StatusOr<std::shared_ptr<ExposedMemory>> DoExpose(absl::Span<const std::byte> memory,
                                                          MemoryDescriptor descriptor) override;
  absl::StatusOr<ucp_rkey_h> KeyOf(const std::string& packed);
  bool StartReads();
  void Start(Operation& operation);
  void OnRead(Operation& operation, ucs_status_t status);

  const std::shared_ptr<Context> context_;
  Worker* const worker_;
  absl::flat_hash_map<std::string, ucp_rkey_h> keys_;
  size_t started_ = 0;  // of operations_, from the front
  size_t in_flight_ = 0;
  bool can_start_ = false;
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_REMOTE_KEY_READS_H_
