// OfiOneSided: reading a peer's memory with fi_read, where the provider does that without the peer's processor: the kernel
// copies between two processes (ofi+shm), or the adapter reads (ofi+verbs).
//
// Threads: any. A descriptor is good for connections over the same device of the process that exposed the memory.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_ONE_SIDED_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_ONE_SIDED_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "tideway/one_sided.h"
#include "transports/libfabric/frame.h"
#include "transports/libfabric/memory.h"

namespace tideway::libfabric {

class OfiConnection;

inline constexpr size_t kDescriptorBytes = 48;

// What a descriptor says.
struct ExposedRange {
  uint64_t device = 0;
  RemotePart part;
};

std::array<std::byte, kDescriptorBytes> EncodeDescriptor(const ExposedRange& range);
// INVALID_ARGUMENT: it is damaged, or of another transport.
absl::StatusOr<ExposedRange> DecodeDescriptor(absl::Span<const std::byte> in);

class OfiOneSided final : public OneSided {
 public:
  OfiOneSided(OfiConnection* connection, std::shared_ptr<Device> device, uint64_t device_id,
              uint64_t peer_device_id)
      : connection_(connection),
        device_(std::move(device)),
        device_id_(device_id),
        peer_device_id_(peer_device_id) {}

  absl::StatusOr<std::shared_ptr<ExposedMemory>> Expose(
      absl::Span<const std::byte> memory) override;
  void Read(absl::Span<const std::byte> descriptor, size_t offset, absl::Span<std::byte> local,
            absl::Time deadline, Done done) override;

 private:
  OfiConnection* const connection_;
  const std::shared_ptr<Device> device_;
  const uint64_t device_id_;
  const uint64_t peer_device_id_;
};

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_ONE_SIDED_H_
