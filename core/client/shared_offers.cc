#include "core/client/shared_offers.h"

#include <utility>

#include "core/runtime/shared_block.h"

namespace tideway {
namespace {

constexpr absl::Duration kAnswerTimeout = absl::Seconds(30);

}  // namespace

std::optional<wire::SharedPlace> SharedOffers::PlaceOf(const SharedDelta& delta,
                                                       absl::Span<const std::byte> payload) {
  if (!maps_ || delta.block == nullptr) return std::nullopt;
  const uint64_t nonce = delta.block->descriptor().nonce;
  if (mapped_[delta.number] != nonce) {
    if (asked_[delta.number] != nonce) Ask(delta);
    return std::nullopt;
  }
  return wire::SharedPlace{
      .memory = delta.number,
      .offset = static_cast<uint64_t>(payload.data() - delta.block->span().data())};
}

void SharedOffers::Ask(const SharedDelta& delta) {
  const SharedDescriptor descriptor = delta.block->descriptor();
  wire::ControlRequest request;
  wire::ShareRequest& share = *request.mutable_share();
  share.set_number(delta.number);
  share.set_pid(descriptor.pid);
  share.set_file(descriptor.file);
  share.set_bytes(descriptor.bytes);
  share.set_nonce(descriptor.nonce);
  asked_[delta.number] = descriptor.nonce;
  mapped_[delta.number] = 0;
  requests_->Add(std::move(request), tasks_->Now() + kAnswerTimeout,
                 [this, number = delta.number,
                  nonce = descriptor.nonce](const absl::StatusOr<wire::ControlReply>& reply) {
                   // What the server could not map once it won't be asked to map again over this connection.
                   if (reply.ok() && asked_[number] == nonce) mapped_[number] = nonce;
                 });
}

}  // namespace tideway
