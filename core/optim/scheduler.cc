#include "core/optim/scheduler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::optim {
namespace {

absl::Status Invalid(absl::string_view option, absl::string_view rule) {
  return absl::InvalidArgumentError(absl::StrCat("scheduling option ", option, " must be ", rule));
}

absl::Status Check(const SchedulingOptions& options) {
  const auto in_range = [](double value, double max) { return value >= 0 && value <= max; };
  if (options.inner_steps < 1 || options.inner_steps > kInnerStepsMax) {
    return Invalid("inner_steps", absl::StrCat("from 1 to ", kInnerStepsMax));
  }
  if (options.inner_steps_total > kInnerStepsTotalMax) {
    return Invalid("inner_steps_total", absl::StrCat("at most ", kInnerStepsTotalMax));
  }
  if (!in_range(options.grace_fraction_max, 10)) {
    return Invalid("grace_fraction_max", "a fraction of a cycle, from 0 to 10");
  }
  if (!in_range(options.grace_fraction_min, options.grace_fraction_max)) {
    return Invalid("grace_fraction_min", "from 0 to grace_fraction_max");
  }
  if (!in_range(options.grace_spread_factor, 1000)) {
    return Invalid("grace_spread_factor", "from 0 to 1000");
  }
  if (options.sync_timeout <= absl::ZeroDuration()) {
    return Invalid("sync_timeout", "more than zero");
  }
  if (options.shard_sizes.size() > kShardsMax) {
    return Invalid("shard_sizes", absl::StrCat("a list of at most ", kShardsMax));
  }
  return absl::OkStatus();
}

// SplitMix64: the nth number of a seed, so that a checkpoint needs to keep only n.
uint64_t NthRandom(uint64_t seed, uint64_t n) {
  uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

bool Plausible(const Pace& pace) {
  const auto fine = [](double value) { return std::isfinite(value) && value >= 0; };
  return fine(pace.steps_per_second) && fine(pace.overhead_seconds) && fine(pace.cycle_seconds);
}

}  // namespace

absl::StatusOr<Scheduler> Scheduler::Create(SchedulingOptions options) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  return Scheduler(std::move(options));
}

Scheduler::Scheduler(SchedulingOptions options)
    : options_(std::move(options)), ledger_(options_.shard_sizes, options_.inner_steps_total) {}

// --- events -----------------------------------------------------------------------------------------------

absl::Status Scheduler::Join(uint64_t worker, absl::Time now) {
  Leave(worker, now);
  if (absl::Status status = MakeRoom(); !status.ok()) return status;
  workers_[worker].phase = Phase::kReady;
  ready_.push_back(worker);
  return absl::OkStatus();
}

void Scheduler::Leave(uint64_t id, absl::Time) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  Worker& worker = found->second;
  if (worker.phase == Phase::kReady) std::erase(ready_, id);
  if (worker.phase == Phase::kWaiting) std::erase(waiting_, id);
  if (worker.phase == Phase::kTraining) {
    ledger_.Settle(worker.assignment, 0);
    --training_;
  }
  worker.phase = Phase::kAbsent;
  if (!worker.pace.known()) workers_.erase(found);
}

absl::Status Scheduler::Arrive(uint64_t id, const Arrival& arrival, absl::Time now) {
  const auto found = workers_.find(id);
  if (found == workers_.end() || found->second.phase == Phase::kAbsent) {
    return absl::NotFoundError(absl::StrCat("worker ", id, " has not joined; join first"));
  }
  Worker& worker = found->second;
  if (worker.phase != Phase::kTraining) {
    return absl::FailedPreconditionError(
        absl::StrCat("worker ", id, " arrived without an assignment; ask for one first"));
  }
  const uint32_t steps = std::min(arrival.inner_steps, worker.assignment.inner_steps);
  ledger_.Settle(worker.assignment, steps);
  worker.pace.Observe(arrival.inner_steps, arrival.busy_seconds, now - worker.released,
                      worker.whole && arrival.inner_steps == steps);
  if (worker.whole && worker.expected.has_value()) {
    const absl::Duration cap = options_.grace_fraction_max * Cycle(now - worker.released);
    spread_.Note(worker.assignment.window, now, cap / std::max(options_.grace_spread_factor, 1.0));
  }
  worker.phase = Phase::kWaiting;
  --training_;
  if (waiting_.empty()) OpenWindow(worker, now);
  waiting_.push_back(id);
  return absl::OkStatus();
}

std::vector<Release> Scheduler::Poll(absl::Time now) {
  std::vector<Release> releases;
  begun_ = begun_ || Active() >= options_.workers_to_begin;
  if (!begun_) return releases;
  ReleaseAll(std::exchange(ready_, {}), now, releases);
  if (waiting_.empty() || (now < closes_ && !EverybodyNeededArrived())) return releases;
  ++window_;
  window_length_ = now - opened_;
  ReleaseAll(std::exchange(waiting_, {}), now, releases);
  spread_.WindowClosed(OldestWindowOnTheWay());
  return releases;
}

absl::Time Scheduler::NextDeadline() const {
  if (!begun_ && Active() < options_.workers_to_begin) return absl::InfiniteFuture();
  if (!ready_.empty()) return absl::InfinitePast();
  if (waiting_.empty()) return absl::InfiniteFuture();
  return EverybodyNeededArrived() ? absl::InfinitePast() : closes_;
}

// --- windows ----------------------------------------------------------------------------------------------

bool Scheduler::EverybodyNeededArrived() const {
  if (waiting_.size() == Active()) return true;
  return !async() && options_.sync_quorum != 0 && waiting_.size() >= options_.sync_quorum;
}

void Scheduler::OpenWindow(const Worker& opener, absl::Time now) {
  opened_ = now;
  if (!async()) {
    grace_ = options_.sync_timeout;
  } else if (!options_.grace) {
    grace_ = absl::ZeroDuration();
  } else {
    grace_ = GraceLength(options_, Cycle(now - opener.released), spread_.value());
  }
  closes_ = now + grace_;
}

// The shortest cycle of those present, so that nobody waits longer than a fraction of its own.
absl::Duration Scheduler::Cycle(absl::Duration fallback) const {
  absl::Duration shortest = absl::InfiniteDuration();
  for (const auto& [id, worker] : workers_) {
    if (worker.phase == Phase::kAbsent || worker.pace.cycle_seconds == 0) continue;
    shortest = std::min(shortest, absl::Seconds(worker.pace.cycle_seconds));
  }
  return shortest == absl::InfiniteDuration() ? fallback : shortest;
}

double Scheduler::SpeedMax() const {
  double speed = 0;
  for (const auto& [id, worker] : workers_) {
    if (worker.phase != Phase::kAbsent) speed = std::max(speed, worker.pace.steps_per_second);
  }
  return speed;
}

uint64_t Scheduler::OldestWindowOnTheWay() const {
  uint64_t oldest = window_;
  for (const auto& [id, worker] : workers_) {
    if (worker.phase == Phase::kTraining) oldest = std::min(oldest, worker.assignment.window);
  }
  return oldest;
}

// --- assignments ------------------------------------------------------------------------------------------

absl::Duration Scheduler::TimeToMeetOthers(size_t size, absl::Time now) const {
  if (!dylu() || !options_.grace) return absl::InfiniteDuration();
  size_t others = 0;
  absl::Time first = absl::InfiniteFuture();
  for (const auto& [id, worker] : workers_) {
    // Who is overdue may be lost: nobody aims at it.
    if (worker.phase != Phase::kTraining || worker.expected.value_or(now) <= now) continue;
    ++others;
    first = std::min(first, *worker.expected);
  }
  return others > 0 && size <= others ? first - now : absl::InfiniteDuration();
}

void Scheduler::ReleaseAll(std::vector<uint64_t> workers, absl::Time now,
                           std::vector<Release>& releases) {
  const absl::Duration time_max = TimeToMeetOthers(workers.size(), now);
  // Nobody is ahead in a synchronous run, so who arrived first does not decide who learns what: a seed reproduces the run.
  if (!async()) std::sort(workers.begin(), workers.end());
  for (uint64_t id : workers) releases.push_back({id, Assign(workers_[id], time_max, now)});
}

Assignment Scheduler::Assign(Worker& worker, absl::Duration time_max, absl::Time now) {
  const double speed_max = SpeedMax();
  const double speed = worker.pace.known() ? worker.pace.steps_per_second : speed_max;
  uint32_t steps = options_.inner_steps;
  if (dylu()) steps = DyluSteps(speed, speed_max, steps);
  const uint32_t steps_full = steps;
  if (time_max < absl::InfiniteDuration()) {
    const double seconds = absl::ToDoubleSeconds(time_max) - worker.pace.overhead_seconds;
    steps = static_cast<uint32_t>(std::clamp(seconds * speed, 1.0, static_cast<double>(steps)));
  }
  std::optional<Assignment> assignment = ledger_.Take(steps, Random());
  if (!assignment.has_value()) {
    worker.phase = Phase::kFinished;
    Assignment finished;
    finished.window = window_;
    finished.finished = true;
    return finished;
  }
  assignment->window = window_;
  worker.phase = Phase::kTraining;
  ++training_;
  worker.assignment = *assignment;
  worker.released = now;
  worker.whole = assignment->inner_steps == steps_full;
  worker.expected.reset();
  if (worker.pace.known()) worker.expected = now + worker.pace.Expected(assignment->inner_steps);
  return *assignment;
}

uint64_t Scheduler::Random() { return NthRandom(options_.seed, draws_++); }

absl::Status Scheduler::MakeRoom() {
  if (workers_.size() < kSchedulerWorkersMax) return absl::OkStatus();
  const auto absent = std::find_if(workers_.begin(), workers_.end(), [](const auto& entry) {
    return entry.second.phase == Phase::kAbsent;
  });
  if (absent == workers_.end()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        kSchedulerWorkersMax, " workers take part already; let one leave before another joins"));
  }
  workers_.erase(absent);
  return absl::OkStatus();
}

// --- checkpoint and statistics ----------------------------------------------------------------------------

SchedulerState Scheduler::State() const {
  SchedulerState state;
  state.window = window_;
  state.draws = draws_;
  state.spread = spread_.value();
  state.learned = ledger_.learned();
  for (const auto& [id, worker] : workers_) {
    if (worker.pace.known()) state.paces.push_back({id, worker.pace});
  }
  return state;
}

absl::Status Scheduler::Restore(const SchedulerState& state) {
  if (state.learned.size() != ledger_.learned().size()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the checkpoint is of ", state.learned.size(), " data shards, the run of ",
                     ledger_.learned().size(), "; start with the same shards"));
  }
  bool plausible = state.paces.size() <= kSchedulerWorkersMax;
  for (uint64_t steps : state.learned) plausible = plausible && steps <= kInnerStepsTotalMax;
  for (const auto& entry : state.paces) plausible = plausible && Plausible(entry.pace);
  if (!plausible) {
    return absl::InvalidArgumentError("the checkpoint's schedule holds impossible numbers");
  }
  window_ = state.window;
  draws_ = state.draws;
  spread_.set_value(state.spread);
  ledger_.Restore(state.learned);
  for (const auto& entry : state.paces) workers_[entry.worker].pace = entry.pace;
  return absl::OkStatus();
}

SchedulerStats Scheduler::stats() const {
  SchedulerStats stats;
  stats.window = window_;
  stats.active = active_workers();
  stats.waiting = static_cast<uint32_t>(waiting_.size());
  stats.steps_learned = ledger_.steps_learned();
  stats.steps_on_the_way = ledger_.steps_on_the_way();
  stats.steps_total = ledger_.steps_total();
  stats.finished = stats.steps_total != 0 && stats.steps_learned >= stats.steps_total;
  stats.spread = spread_.value();
  stats.grace = grace_;
  stats.window_length = window_length_;
  return stats;
}

const Pace* Scheduler::pace(uint64_t worker) const {
  const auto found = workers_.find(worker);
  return found == workers_.end() ? nullptr : &found->second.pace;
}

const Assignment* Scheduler::assignment(uint64_t worker) const {
  const auto found = workers_.find(worker);
  const bool training = found != workers_.end() && found->second.phase == Phase::kTraining;
  return training ? &found->second.assignment : nullptr;
}

}  // namespace tideway::optim
