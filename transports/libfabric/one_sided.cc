#include "transports/libfabric/one_sided.h"

#include <array>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "absl/strings/str_cat.h"
#include "transports/libfabric/bytes.h"
#include "transports/libfabric/connection.h"

namespace tideway::libfabric {
namespace {

constexpr uint32_t kMagic = 0x31584454;  // "TDX1": the last byte is the version of this format
constexpr size_t kHashedBytes = kDescriptorBytes - sizeof(uint64_t);

class Exposed final : public ExposedMemory {
 public:
  Exposed(std::shared_ptr<Device> device, Registration registration,
          const std::array<std::byte, kDescriptorBytes>& descriptor)
      : device_(std::move(device)),
        registration_(std::move(registration)),
        descriptor_(descriptor) {}

  absl::Span<const std::byte> descriptor() const override { return descriptor_; }

 private:
  const std::shared_ptr<Device> device_;  // is closed after the registration
  const Registration registration_;
  const std::array<std::byte, kDescriptorBytes> descriptor_;
};

}  // namespace

std::array<std::byte, kDescriptorBytes> EncodeDescriptor(const ExposedRange& range) {
  std::array<std::byte, kDescriptorBytes> out = {};
  Put<uint32_t>(out.data(), kMagic);
  Put<uint32_t>(out.data() + 4, kDescriptorBytes);
  Put<uint64_t>(out.data() + 8, range.device);
  Put<uint64_t>(out.data() + 16, range.part.address);
  Put<uint64_t>(out.data() + 24, range.part.key);
  Put<uint64_t>(out.data() + 32, range.part.bytes);
  Put<uint64_t>(out.data() + kHashedBytes, XXH3_64bits(out.data(), kHashedBytes));
  return out;
}

absl::StatusOr<ExposedRange> DecodeDescriptor(absl::Span<const std::byte> in) {
  if (in.size() != kDescriptorBytes || Get<uint32_t>(in.data()) != kMagic ||
      Get<uint32_t>(in.data() + 4) != kDescriptorBytes ||
      Get<uint64_t>(in.data() + kHashedBytes) != XXH3_64bits(in.data(), kHashedBytes)) {
    return absl::InvalidArgumentError(absl::StrCat("a memory descriptor of ", in.size(),
                                                   " bytes is damaged, or not one of libfabric's"));
  }
  ExposedRange range;
  range.device = Get<uint64_t>(in.data() + 8);
  range.part.address = Get<uint64_t>(in.data() + 16);
  range.part.key = Get<uint64_t>(in.data() + 24);
  range.part.bytes = Get<uint64_t>(in.data() + 32);
  return range;
}

absl::StatusOr<std::shared_ptr<ExposedMemory>> OfiOneSided::Expose(
    absl::Span<const std::byte> memory) {
  if (connection_->closing()) return absl::CancelledError("the connection is closed");
  if (memory.empty()) return absl::InvalidArgumentError("there is no memory to expose");
  if (std::shared_ptr<ExposedMemory> present = device_->FindExposed(memory)) return present;
  absl::StatusOr<Registration> registration =
      Registration::Create(*device_, memory.data(), memory.size(), FI_REMOTE_READ);
  if (!registration.ok()) return registration.status();
  const ExposedRange range = {device_id_,
                              {registration->base(), registration->key(), memory.size()}};
  auto exposed =
      std::make_shared<Exposed>(device_, *std::move(registration), EncodeDescriptor(range));
  device_->KeepExposed(memory, exposed);
  return exposed;
}

void OfiOneSided::Read(absl::Span<const std::byte> descriptor, size_t offset,
                       absl::Span<std::byte> local, absl::Time deadline, Done done) {
  const absl::StatusOr<ExposedRange> range = DecodeDescriptor(descriptor);
  absl::Status status = range.status();
  if (status.ok() && range->device != peer_device_id_) {
    status = absl::InvalidArgumentError(
        "a memory descriptor is of another peer, or of another adapter of this one");
  }
  if (status.ok() && (offset > range->part.bytes || local.size() > range->part.bytes - offset)) {
    status = absl::InvalidArgumentError(absl::StrCat("a read of ", local.size(), " bytes at ",
                                                     offset, " goes beyond the memory of ",
                                                     range->part.bytes, " bytes"));
  }
  if (status.ok() && connection_->closing())
    status = absl::CancelledError("the connection is closed");
  if (!status.ok() || local.empty()) {
    connection_->Answer(std::move(done), std::move(status));
    return;
  }
  const RemotePart part = {range->part.address + offset, range->part.key, local.size()};
  connection_->ReadRemote(part, local, deadline, std::move(done));
}

}  // namespace tideway::libfabric
