#include "transports/libfabric/transfers.h"

#include <algorithm>
#include <utility>

namespace tideway::libfabric {
namespace {

// Large enough that its cost per byte is small, small enough that other connections get their turn.
constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr size_t kChunksOutMax = 4;

}  // namespace

Transfer* Transfers::New() {
  if (free_.empty()) {
    all_.push_back(std::make_unique<Transfer>());
    free_.push_back(all_.back().get());
  }
  Transfer* transfer = free_.back();
  free_.pop_back();
  return transfer;
}

absl::Status Transfers::Begin(Transfer* transfer) {
  active_.push_back(transfer);
  if (domain_->device()->registers_local()) {
    absl::StatusOr<Registration> local = Registration::Create(
        *domain_->device(), transfer->destination.data(), transfer->destination.size(), FI_READ);
    if (!local.ok()) return local.status();
    transfer->local = *std::move(local);
  }
  asking_.push_back(transfer);
  return absl::OkStatus();
}

Outcome Transfers::Ask() {
  while (!asking_.empty() && chunks_out_ < kChunksOutMax) {
    Transfer* transfer = asking_.front();
    const Outcome outcome = AskChunk(*transfer);
    if (outcome != Outcome::kOut) return outcome;
    ++chunks_out_;
    if (transfer->asked == transfer->destination.size()) asking_.pop_front();
  }
  return Outcome::kOut;
}

Outcome Transfers::AskChunk(Transfer& transfer) {
  const RemotePart& part = transfer.parts[transfer.part];
  const size_t bytes = std::min<size_t>(kChunkBytes, part.bytes - transfer.part_asked);
  const Outcome outcome = domain_->Read(
      role_, peer_, transfer.destination.subspan(transfer.asked, bytes),
      transfer.local.descriptor(), part.address + transfer.part_asked, part.key, user_, &transfer);
  if (outcome != Outcome::kOut) return outcome;
  transfer.asked += bytes;
  transfer.part_asked += bytes;
  if (transfer.part_asked == part.bytes) {
    ++transfer.part;
    transfer.part_asked = 0;
  }
  return outcome;
}

bool Transfers::OnChunk(Transfer* transfer, size_t bytes) {
  --chunks_out_;
  transfer->arrived += bytes;
  return transfer->arrived == transfer->destination.size();
}

void Transfers::Recycle(Transfer* transfer) {
  std::erase(active_, transfer);
  *transfer = Transfer();
  free_.push_back(transfer);
}

absl::Time Transfers::EarliestDeadline() const {
  absl::Time earliest = absl::InfiniteFuture();
  for (const Transfer* transfer : active_) {
    if (!transfer->message) earliest = std::min(earliest, transfer->deadline);
  }
  return earliest;
}

void Transfers::FailAll(const absl::Status& reason) {
  while (!asking_.empty()) asking_.pop_front();
  while (!active_.empty()) {
    Transfer* transfer = active_.front();
    Done done = std::move(transfer->done);
    Recycle(transfer);
    std::move(done)(reason);
  }
}

}  // namespace tideway::libfabric
