#include "core/server/worker_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tideway/limits.h"

namespace tideway {

void Worker::SetStatus(const WorkerStatus& status, std::string transport,
                       uint64_t transport_switches) {
  absl::MutexLock lock(&mutex_);
  stats_.status = status;
  stats_.transport = std::move(transport);
  stats_.transport_switches = transport_switches;
}

void Worker::CountPush(wire::Verdict verdict, bool duplicate, uint64_t staleness, uint64_t bytes,
                       uint64_t bytes_fp32) {
  absl::MutexLock lock(&mutex_);
  if (duplicate) {
    ++stats_.duplicates;
    return;
  }
  ++stats_.pushes;
  if (verdict == wire::Verdict::kRejected) ++stats_.rejected;
  staleness_sum_ += static_cast<double>(staleness);
  stats_.staleness_max = std::max(stats_.staleness_max, staleness);
  stats_.bytes_up += bytes;
  stats_.bytes_up_fp32 += bytes_fp32;
}

void Worker::CountPull(uint64_t bytes, uint64_t bytes_fp32) {
  absl::MutexLock lock(&mutex_);
  stats_.bytes_down += bytes;
  stats_.bytes_down_fp32 += bytes_fp32;
}

WorkerStats Worker::stats() const {
  absl::MutexLock lock(&mutex_);
  WorkerStats stats = stats_;
  stats.id = id_;
  stats.name = name_;
  stats.active = active();
  stats.incarnation = incarnation();
  if (stats.pushes > 0) stats.staleness_mean = staleness_sum_ / static_cast<double>(stats.pushes);
  return stats;
}

absl::StatusOr<WorkerTable::Admission> WorkerTable::Admit(const std::string& name,
                                                          uint64_t incarnation, absl::Time now,
                                                          uint64_t* forgotten) {
  absl::MutexLock lock(&mutex_);
  *forgotten = 0;
  auto it = by_name_.find(name);
  std::shared_ptr<Worker> worker =
      it != by_name_.end() ? it->second : MakeRoomAndCreate(name, forgotten);
  if (worker == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this server already has ", kWorkersMax, " active workers"));
  }
  if (std::find(worker->retired_.begin(), worker->retired_.end(), incarnation) !=
      worker->retired_.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat("this incarnation of ", name,
                     " lost its lease, left, or was replaced by a newer one; join anew"));
  }
  Admission admission;
  admission.worker = worker;
  admission.resumed = worker->incarnation() == incarnation;
  admission.replaced = worker->active() && !admission.resumed;
  if (!admission.resumed && worker->incarnation() != 0) RetireLocked(*worker);
  worker->incarnation_.store(incarnation, std::memory_order_release);
  worker->Touch(now);
  if (!worker->active_.exchange(true)) active_count_.fetch_add(1);
  return admission;
}

std::shared_ptr<Worker> WorkerTable::MakeRoomAndCreate(const std::string& name,
                                                       uint64_t* forgotten) {
  if (by_name_.size() >= kWorkersMax) {
    auto oldest = by_name_.end();
    for (auto it = by_name_.begin(); it != by_name_.end(); ++it) {
      if (it->second->active()) continue;
      if (oldest == by_name_.end() || it->second->last_seen() < oldest->second->last_seen()) {
        oldest = it;
      }
    }
    if (oldest == by_name_.end()) return nullptr;
    *forgotten = oldest->second->id();
    by_name_.erase(oldest);
  }
  auto worker = std::make_shared<Worker>(next_id_++, name);
  by_name_.emplace(name, worker);
  return worker;
}

bool WorkerTable::Retire(Worker& worker, uint64_t incarnation) {
  absl::MutexLock lock(&mutex_);
  if (worker.incarnation() != incarnation || !worker.active()) return false;
  RetireLocked(worker);
  return true;
}

void WorkerTable::RetireLocked(Worker& worker) {
  worker.retired_.push_back(worker.incarnation());
  if (worker.retired_.size() > kRetiredIncarnationsKept) worker.retired_.pop_front();
  if (worker.active_.exchange(false)) active_count_.fetch_sub(1);
}

std::vector<std::shared_ptr<Worker>> WorkerTable::SilentSince(absl::Time deadline) const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<Worker>> silent;
  for (const auto& [name, worker] : by_name_) {
    if (worker->active() && worker->last_seen() < deadline) silent.push_back(worker);
  }
  return silent;
}

std::vector<WorkerStats> WorkerTable::stats() const {
  absl::MutexLock lock(&mutex_);
  std::vector<WorkerStats> stats;
  stats.reserve(by_name_.size());
  for (const auto& [name, worker] : by_name_) stats.push_back(worker->stats());
  std::sort(stats.begin(), stats.end(),
            [](const WorkerStats& a, const WorkerStats& b) { return a.id < b.id; });
  return stats;
}

std::vector<WorkerTable::Record> WorkerTable::Export() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Record> records;
  for (const auto& [name, worker] : by_name_) {
    records.push_back({worker->id(),
                       name,
                       worker->incarnation(),
                       {worker->retired_.begin(), worker->retired_.end()}});
  }
  return records;
}

void WorkerTable::Restore(const std::vector<Record>& records) {
  absl::MutexLock lock(&mutex_);
  for (const Record& record : records) {
    auto worker = std::make_shared<Worker>(record.id, record.name);
    worker->incarnation_.store(record.incarnation);
    worker->retired_.assign(record.retired.begin(), record.retired.end());
    by_name_.emplace(record.name, std::move(worker));
    next_id_ = std::max(next_id_, record.id + 1);
  }
}

}  // namespace tideway
