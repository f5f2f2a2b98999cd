#include "transports/ucx/loop.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/time/time.h"
#include "asio/post.hpp"
#include "core/runtime/thread_name.h"
#include "transports/ucx/log_scope.h"

namespace tideway::ucx {
namespace {

// A look at the sockets costs a system call; a look at shared memory costs next to nothing.
constexpr int kTurnsPerIo = 64;
constexpr int kTurnsPerClock = 8;
constexpr int kTurnsPerYield = 16;
// Bounds the spin where the executor's clock should stand still.
constexpr int kIdleTurnsMax = 1 << 20;
// A worker on which nothing happened for so many turns is armed, however busy the others are.
constexpr int kIdleTurnsUntilArmed = 4096;
constexpr std::chrono::microseconds kNap(100);
// Should something always claim to be busy and never come to anything, the loop naps after so many tries.
constexpr int kBusyInARowMax = 16;

}  // namespace

Loop::Loop(Executor* executor, LogSink log)
    : executor_(executor),
      after_end_(executor),
      log_(std::move(log)),
      io_(std::make_unique<asio::io_context>(1)),
      work_(asio::make_work_guard(*io_)),
      nap_(std::make_unique<asio::steady_timer>(*io_)),
      thread_([this] { Run(); }) {}

Loop::~Loop() { Stop(); }

void Loop::Log(LogLevel level, absl::string_view text) const {
  if (log_) log_(level, text);
}

bool Loop::TryPost(Task& task) {
  absl::MutexLock lock(&mutex_);
  if (!accepts_tasks_) return false;
  asio::post(*io_, [task = std::move(task)]() mutable { std::move(task)(); });
  return true;
}

void Loop::Post(Task task) {
  if (!TryPost(task)) after_end_.Post(std::move(task));
}

void Loop::Wake(std::shared_ptr<Wakeable> who) {
  absl::MutexLock lock(&mutex_);
  if (!accepts_tasks_) return;
  woken_.push_back(std::move(who));
  someone_woken_ = true;
  if (blocked_.exchange(false)) asio::post(*io_, [] {});
}

void Loop::Activate(Pollable* pollable) {
  pollable->idle_turns_ = 0;
  if (std::exchange(pollable->active_, true)) return;
  active_.push_back(pollable);
}

void Loop::Deactivate(Pollable* pollable) {
  if (!std::exchange(pollable->active_, false)) return;
  std::replace(active_.begin(), active_.end(), pollable, static_cast<Pollable*>(nullptr));
}

bool Loop::Register(std::shared_ptr<Closable> thing) {
  if (closed_all_) return false;
  Closable* key = thing.get();
  registered_.emplace(key, std::move(thing));
  return true;
}

void Loop::Unregister(Closable* thing) { registered_.erase(thing); }

void Loop::RaiseSpin(int spin_us) {
  int present = spin_us_.load();
  while (present < spin_us && !spin_us_.compare_exchange_weak(present, spin_us)) {
  }
}

void Loop::Stop() {
  absl::MutexLock lock(&join_mutex_);
  if (!thread_.joinable()) return;
  stopping_ = true;
  Post([this] { CloseAll(); });
  thread_.join();
}

void Loop::CloseAll() {
  closed_all_ = true;
  while (!registered_.empty()) {
    const std::shared_ptr<Closable> thing = registered_.begin()->second;
    registered_.erase(registered_.begin());
    thing->CloseOnLoop(absl::CancelledError("the transport was stopped"));
  }
}

void Loop::Run() {
  NameThisThread("tideway-ucx");
  const LogScope ucx_speaks_to(&log_);
  loop_thread_ = std::this_thread::get_id();
  while (!closed_all_ || lingering_ > 0) {
    if (Turn()) {
      idle_turns_ = 0;
      busy_in_a_row_ = 0;
    } else if (SpinIsOver() && Block()) {
      idle_turns_ = 0;
    }
  }
  {
    absl::MutexLock lock(&mutex_);
    accepts_tasks_ = false;
  }
  // What was posted until now: completions among it.
  while (RunWoken() || io_->poll() > 0) {
  }
}

bool Loop::Turn() {
  bool worked = RunWoken();
  if (ProgressActive()) worked = true;
  if (++turns_since_io_ >= kTurnsPerIo || active_.empty()) {
    turns_since_io_ = 0;
    if (io_->poll() > 0) worked = true;
  }
  return worked;
}

bool Loop::RunWoken() {
  if (!someone_woken_.load(std::memory_order_relaxed)) return false;
  {
    absl::MutexLock lock(&mutex_);
    someone_woken_ = false;
    waking_.swap(woken_);
  }
  for (const auto& who : waking_) who->OnWake();
  waking_.clear();
  return true;
}

bool Loop::ProgressActive() {
  bool worked = false;
  bool compact = false;
  for (size_t i = 0; i < active_.size(); ++i) {
    Pollable* const pollable = active_[i];
    if (pollable == nullptr) {
      compact = true;
    } else if (pollable->Progress()) {
      worked = true;
      // It may be gone by now.
      if (active_[i] != nullptr) pollable->idle_turns_ = 0;
    } else if (active_[i] != nullptr && ++pollable->idle_turns_ >= kIdleTurnsUntilArmed) {
      pollable->idle_turns_ = 0;
      if (pollable->Arm() == Armed::kYes) Deactivate(pollable);
    }
  }
  if (compact) std::erase(active_, nullptr);
  return worked;
}

bool Loop::SpinIsOver() {
  const int spin_us = spin_us_.load(std::memory_order_relaxed);
  if (spin_us == 0 || ++idle_turns_ >= kIdleTurnsMax) return true;
  if (idle_turns_ == 1) spin_end_ = executor_->Now() + absl::Microseconds(spin_us);
  if (idle_turns_ % kTurnsPerYield == 0) std::this_thread::yield();
  return idle_turns_ % kTurnsPerClock == 0 && executor_->Now() >= spin_end_;
}

bool Loop::Block() {
  const Armed armed = ArmAll();
  if (armed == Armed::kBusy && ++busy_in_a_row_ <= kBusyInARowMax) return false;
  busy_in_a_row_ = 0;
  blocked_ = true;
  if (!someone_woken_) {
    if (armed == Armed::kYes) {
      io_->run_one();
    } else {
      Nap();
    }
  }
  blocked_ = false;
  return true;
}

// By a timer: epoll's own time-out counts in milliseconds, and a tenth of one would become a whole one.
void Loop::Nap() {
  nap_->expires_after(kNap);
  nap_->async_wait([](const asio::error_code&) {});
  io_->run_one();
  nap_->cancel();
}

// The least sleepy answer of all.
Armed Loop::ArmAll() {
  bool busy = false;
  bool all = true;
  for (size_t i = 0; i < active_.size(); ++i) {
    Pollable* const pollable = active_[i];
    if (pollable == nullptr) continue;
    switch (pollable->Arm()) {
      case Armed::kYes:
        Deactivate(pollable);
        break;
      case Armed::kBusy:
        busy = true;
        break;
      case Armed::kNo:
        all = false;
        break;
    }
  }
  std::erase(active_, nullptr);
  if (busy) return Armed::kBusy;
  return all ? Armed::kYes : Armed::kNo;
}

void Loop::Destroy() {
  work_.reset();
  nap_.reset();
  io_.reset();
}

}  // namespace tideway::ucx
