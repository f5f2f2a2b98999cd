// ProcessReads: reads between two processes of one host. The kernel copies (process_vm_readv), a piece in each turn of the
// loop. UCX 1.13 offers no such read by itself: its ucp_get over posix, sysv and cma lanes is emulated with messages to the
// peer, so it isn't used here.

#ifndef TIDEWAY_TRANSPORTS_UCX_PROCESS_READS_H_
#define TIDEWAY_TRANSPORTS_UCX_PROCESS_READS_H_

#include <functional>
#include <memory>

#include "transports/ucx/one_sided.h"

namespace tideway::ucx {

class ProcessReads final : public UcxOneSided {
 public:
  using UcxOneSided::UcxOneSided;

  bool Progress(const std::function<bool()>& peer_is_gone) override;
  bool idle() override { return operations_.empty() && !someone_waits(); }

 private:
  MemoryKind kind() const override { return MemoryKind::kProcess; }
  absl::StatusOr<std::shared_ptr<ExposedMemory>> DoExpose(absl::Span<const std::byte> memory,
                                                          MemoryDescriptor descriptor) override;
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_PROCESS_READS_H_
