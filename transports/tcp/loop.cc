#include "transports/tcp/loop.h"

#include <utility>

#include "absl/time/time.h"
#include "asio/post.hpp"
#include "core/runtime/thread_name.h"

namespace tideway::tcp {
namespace {

// Bounds the spin where the executor's clock should stand still.
constexpr int kSpinRoundsMax = 1 << 16;

}  // namespace

Loop::Loop(Executor* executor, LogSink log)
    : executor_(executor),
      after_end_(executor),
      log_(std::move(log)),
      io_(std::make_unique<asio::io_context>(1)),
      work_(asio::make_work_guard(*io_)),
      reads_(io_.get()),
      writes_(io_.get()),
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
  NameThisThread("tideway-tcp");
  loop_thread_ = std::this_thread::get_id();
  while (!closed_all_) {
    if (!Spin()) io_->run_one();
  }
  {
    absl::MutexLock lock(&mutex_);
    accepts_tasks_ = false;
  }
  // What was posted until now: completions among it.
  while (io_->poll() > 0) {
  }
}

bool Loop::Spin() {
  if (io_->poll() > 0) return true;
  const int spin_us = spin_us_.load(std::memory_order_relaxed);
  if (spin_us == 0) return false;
  const absl::Time end = executor_->Now() + absl::Microseconds(spin_us);
  for (int round = 0; round < kSpinRoundsMax && executor_->Now() < end; ++round) {
    std::this_thread::yield();
    if (io_->poll() > 0) return true;
  }
  return false;
}

void Loop::Destroy() {
  work_.reset();
  io_.reset();
}

}  // namespace tideway::tcp
