#include "transports/fault/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tideway/limits.h"

namespace tideway::fault {
namespace {

constexpr uint64_t kMessagesIn = 3;

}  // namespace

FaultyConnection::FaultyConnection(Executor* executor, const FaultPlan& plan,
                                   std::shared_ptr<Switchboard> board, const Identity& identity)
    : executor_(executor),
      plan_(plan),
      board_(std::move(board)),
      identity_(identity),
      arrivals_(plan.seed, identity.for_dice(), kMessagesIn) {}

void FaultyConnection::Begin(std::shared_ptr<Connection> inner) {
  outbound_ = std::make_shared<Outbound>(std::move(inner), executor_, plan_, board_, identity_);
  outbound_->Begin();
}

void FaultyConnection::Send(Message message, absl::Time deadline, Done done) {
  Op op;
  op.message = std::move(message);
  op.deadline = deadline;
  op.done = std::move(done);
  outbound_->Submit(std::move(op));
}

void FaultyConnection::Close(absl::Status reason) { outbound_->Close(reason); }

ConnectionInfo FaultyConnection::info() const {
  ConnectionInfo info = outbound_->inner().info();
  info.in_memory = false;  // now there is something in between
  info.details["faults"] = absl::StrCat("injected, seed ", plan_.seed, ", ", identity_.name());
  return info;
}

OneSided* FaultyConnection::one_sided() {
  return outbound_->inner().one_sided() == nullptr ? nullptr : this;
}

absl::StatusOr<std::shared_ptr<ExposedMemory>> FaultyConnection::Expose(
    absl::Span<const std::byte> memory) {
  return outbound_->inner().one_sided()->Expose(memory);
}

void FaultyConnection::Read(absl::Span<const std::byte> descriptor, size_t offset,
                            absl::Span<std::byte> local, absl::Time deadline, Done done) {
  Op op;
  op.is_read = true;
  // One byte more than is allowed shows that it was too long.
  descriptor = descriptor.first(std::min(descriptor.size(), kMemoryDescriptorBytesMax + 1));
  op.descriptor.assign(descriptor.begin(), descriptor.end());
  op.offset = offset;
  op.local = local;
  op.deadline = deadline;
  op.done = std::move(done);
  outbound_->Submit(std::move(op));
}

// --- what arrives -----------------------------------------------------------------------------------------------

absl::StatusOr<Landing> FaultyConnection::OnMessage(absl::Span<const std::byte> header,
                                                    size_t payload_bytes) {
  const uint64_t number = ++arrived_;
  const InboundFate fate(arrivals_, plan_);
  if (receiver_ == nullptr)
    return absl::UnavailableError("the fault decorator refuses connections");
  absl::StatusOr<Landing> landing = Ask(header, payload_bytes, fate, number);
  // A wrong destination is the wrapped connection's business.
  if (!landing.ok() || payload_bytes == 0 || landing->destination.size() != payload_bytes) {
    return landing;
  }
  if (Strikes(FaultKind::kReset, fate.reset)) {
    return Reset(*std::move(landing), fate.where, number);
  }
  if (Strikes(FaultKind::kCorruptPayload, fate.corrupt_payload)) {
    return Damaged(*std::move(landing), fate.where, number);
  }
  return landing;
}

absl::StatusOr<Landing> FaultyConnection::Ask(absl::Span<const std::byte> header,
                                              size_t payload_bytes, const InboundFate& fate,
                                              uint64_t number) {
  if (header.empty() || !Strikes(FaultKind::kCorruptHeader, fate.corrupt_header)) {
    return receiver_->OnMessage(header, payload_bytes);
  }
  std::vector<std::byte> damaged(header.begin(), header.end());
  const size_t byte = (fate.where >> 3) % damaged.size();
  damaged[byte] ^= std::byte{1} << (fate.where & 7);
  Tell(FaultKind::kCorruptHeader, number, byte);
  return receiver_->OnMessage(damaged, payload_bytes);
}

// The error closes the wrapped connection. What has arrived by then is not what was sent, so that nobody gets away with using it.
absl::Status FaultyConnection::Reset(Landing landing, uint64_t where, uint64_t number) {
  const size_t part = where % landing.destination.size();
  std::memset(landing.destination.data(), 0xa5, part);
  Tell(FaultKind::kReset, number, part);
  absl::Status broken =
      absl::UnavailableError("the connection was reset in mid-message by the fault decorator");
  std::move(landing.done)(broken);
  return broken;
}

Landing FaultyConnection::Damaged(Landing landing, uint64_t where, uint64_t number) {
  const absl::Span<std::byte> destination = landing.destination;
  const size_t byte = (where >> 3) % destination.size();
  const std::byte bit = std::byte{1} << (where & 7);
  Tell(FaultKind::kCorruptPayload, number, byte);
  landing.progress = nullptr;  // it is damaged on the way: nobody sees it as it was
  landing.done = [destination, byte, bit,
                  done = std::move(landing.done)](const absl::Status& status) mutable {
    if (status.ok()) destination[byte] ^= bit;
    std::move(done)(status);
  };
  return landing;
}

void FaultyConnection::OnClosed(const absl::Status& reason) {
  outbound_->Fail(reason);
  const std::shared_ptr<Receiver> receiver = std::move(receiver_);
  if (receiver != nullptr) receiver->OnClosed(reason);
}

void FaultyConnection::Tell(FaultKind kind, uint64_t number, size_t byte) {
  board_->Tell({kind, identity_.name(), number, absl::ZeroDuration(), byte});
}

}  // namespace tideway::fault
