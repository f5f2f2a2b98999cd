#include "bench/peer/stage_log.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace bench {
namespace {

// Between two looks at the one clock lies one at the other: the closest of some is as close as it gets.
absl::Duration MonotonicMinus(const tideway::Executor& clock) {
  constexpr int kLooks = 20;
  absl::Duration closest = absl::InfiniteDuration();
  absl::Duration difference;
  for (int i = 0; i < kLooks; ++i) {
    const auto before = std::chrono::steady_clock::now().time_since_epoch();
    const absl::Time now = clock.Now();
    const auto after = std::chrono::steady_clock::now().time_since_epoch();
    const absl::Duration between = absl::FromChrono(after - before);
    if (between >= closest) continue;
    closest = between;
    difference = absl::FromChrono(before) + between / 2 - (now - absl::UnixEpoch());
  }
  return difference;
}

}  // namespace

StageLog::StageLog(const tideway::Executor& clock) : monotonic_minus_clock_(MonotonicMinus(clock)) {
  rows_.reserve(kFragmentsKept);
}

int64_t StageLog::Monotonic(absl::Time time) const {
  return absl::ToInt64Nanoseconds(time - absl::UnixEpoch() + monotonic_minus_clock_);
}

void StageLog::Keep(const Row& row) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (rows_.size() < kFragmentsKept) {
    rows_.push_back(row);
  } else {
    rows_[added_ % kFragmentsKept] = row;
  }
  ++added_;
}

void StageLog::Add(const tideway::ClientPushTimes& times) {
  Keep({static_cast<int64_t>(times.sequence), times.fragment, static_cast<int64_t>(times.bytes),
        Monotonic(times.begun), Monotonic(times.encode_begun), Monotonic(times.encoded),
        Monotonic(times.acknowledged)});
}

void StageLog::Add(const tideway::ServerPushTimes& times) {
  Keep({static_cast<int64_t>(times.sequence), times.fragment, Monotonic(times.arrived),
        Monotonic(times.landed), Monotonic(times.apply_begun), Monotonic(times.decoded),
        Monotonic(times.stepped)});
}

std::string StageLog::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (rows_.size() == kFragmentsKept) {
    std::rotate(rows_.begin(), rows_.begin() + static_cast<ptrdiff_t>(added_ % kFragmentsKept),
                rows_.end());
  }
  std::string text;
  for (const Row& row : rows_) {
    text += text.empty() ? "[[" : ",[";
    for (size_t i = 0; i < row.size(); ++i) text += (i == 0 ? "" : ",") + std::to_string(row[i]);
    text += "]";
  }
  rows_.clear();
  added_ = 0;
  return text.empty() ? "[]" : text + "]";
}

}  // namespace bench
