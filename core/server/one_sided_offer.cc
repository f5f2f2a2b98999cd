// The part of ServerCore that lets clients pull without asking.

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/server/server_core.h"
#include "core/wire/one_sided.h"

namespace tideway {

void ServerCore::OfferOneSided(Session& session, wire::Welcome& welcome) {
  if (options_.one_sided_bytes_max == 0 || stopped_) return;
  auto area = Area();
  if (!area.ok()) return;
  auto descriptor = session.Expose((*area)->memory());
  if (!descriptor.ok()) {
    Log(LogLevel::kWarning,
        absl::StrCat("no one-sided pulls for a client: ", descriptor.status().message()));
    return;
  }
  wire::OneSidedOffer& offer = *welcome.mutable_one_sided();
  offer.set_directory_version(wire::kDirectoryVersion);
  offer.set_memory(*std::move(descriptor));
  offer.set_area_bytes((*area)->memory().size());
  if (one_sided_sessions_.fetch_add(1) > 0) return;
  // Nothing was published of itself while nobody was there to read it.
  for (auto& slot : slots_) PublishSoon(*slot);
}

absl::StatusOr<std::shared_ptr<ExposedArea>> ServerCore::Area() {
  absl::MutexLock lock(&area_mutex_);
  if (area_.has_value()) return *area_;
  area_ = ExposedArea::Create(layout_, options_.server_index, options_.one_sided_bytes_max);
  if (!area_->ok()) {
    Log(LogLevel::kWarning, absl::StrCat("pulls stay two-sided: ", area_->status().message()));
    return *area_;
  }
  Log(LogLevel::kInfo, absl::StrCat("clients may pull one-sided, from ", (**area_)->memory().size(),
                                    " bytes of memory"));
  for (size_t index = 0; index < slots_.size(); ++index) {
    Slot* slot = slots_[index].get();
    slot->strand.Post([self = shared_from_this(), slot, area = **area_, index] {
      slot->fragment->Expose(area, index);
    });
  }
  return *area_;
}

void ServerCore::PublishSoon(Slot& slot) {
  if (one_sided_sessions_.load() <= 0 || slot.publishes_left.load() <= 0) return;
  if (slot.publish_posted.exchange(true)) return;
  // Behind the pushes that wait, which would make it old at once.
  slot.strand.Post([self = shared_from_this(), &slot] {
    slot.publish_posted.store(false);
    slot.publishes_left.fetch_sub(1);
    if (!self->stopped_) slot.fragment->Publish(0);
  });
}

}  // namespace tideway
