#include "transports/fault/switchboard.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::fault {
namespace {

size_t IndexOf(FaultKind kind) { return static_cast<size_t>(kind); }

}  // namespace

std::string Identity::name() const {
  return absl::StrCat(accepted ? "accept " : "connect ", number);
}

Identity Switchboard::Number(bool accepted) {
  absl::MutexLock lock(&mutex_);
  return {accepted, ++numbers_[accepted ? 1 : 0]};
}

bool Switchboard::Add(const Identity& identity, const std::weak_ptr<Outbound>& connection) {
  absl::MutexLock lock(&mutex_);
  places_[identity.for_dice()] = ++begun_;
  live_[begun_] = connection;
  return stalled_;
}

void Switchboard::Remove(const Identity& identity) {
  absl::MutexLock lock(&mutex_);
  const auto place = places_.find(identity.for_dice());
  if (place == places_.end()) return;
  live_.erase(place->second);
  places_.erase(place);
}

std::vector<std::shared_ptr<Outbound>> Switchboard::Live() const {
  std::vector<std::shared_ptr<Outbound>> live;
  absl::MutexLock lock(&mutex_);
  for (const auto& [place, connection] : live_) {
    if (auto held = connection.lock()) live.push_back(std::move(held));
  }
  return live;
}

void Switchboard::SetRefuse(bool refuse) {
  absl::MutexLock lock(&mutex_);
  refuse_ = refuse;
}

bool Switchboard::refuse() const {
  absl::MutexLock lock(&mutex_);
  return refuse_;
}

void Switchboard::SetStalled(bool stalled) {
  absl::MutexLock lock(&mutex_);
  stalled_ = stalled;
}

bool Switchboard::stalled() const {
  absl::MutexLock lock(&mutex_);
  return stalled_;
}

void Switchboard::Arm(FaultKind kind) {
  absl::MutexLock lock(&mutex_);
  ++armed_[IndexOf(kind)];
}

bool Switchboard::TakeArmed(FaultKind kind) {
  absl::MutexLock lock(&mutex_);
  if (armed_[IndexOf(kind)] == 0) return false;
  --armed_[IndexOf(kind)];
  return true;
}

void Switchboard::Tell(const FaultEvent& event) {
  {
    absl::MutexLock lock(&mutex_);
    ++counts_[IndexOf(event.kind)];
  }
  absl::MutexLock lock(&observing_);
  if (observer_) observer_(event);
}

uint64_t Switchboard::count(FaultKind kind) const {
  absl::MutexLock lock(&mutex_);
  return counts_[IndexOf(kind)];
}

void Switchboard::SetObserver(std::function<void(const FaultEvent&)> observer) {
  absl::MutexLock lock(&observing_);
  observer_ = std::move(observer);
}

}  // namespace tideway::fault
