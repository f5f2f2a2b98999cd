#include "transports/libfabric/loop.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/synchronization/notification.h"
#include "core/runtime/thread_name.h"

namespace tideway::libfabric {
namespace {

// While the providers are busy, the sockets are looked at once in so many turns.
constexpr uint64_t kTurnsPerSocketPoll = 64;
// How long connections may take to close in order when the transport stops.
constexpr absl::Duration kStopPatience = absl::Seconds(2);
// A provider without a descriptor is asked again after this long; the more so the longer nothing has happened.
constexpr absl::Duration kShortestSleep = absl::Microseconds(50);
constexpr absl::Duration kLongestSleep = absl::Milliseconds(4);
constexpr int kSleepPartOfIdle = 8;
// The longest wait while a provider has something under way.
constexpr absl::Duration kBusyWait = absl::Milliseconds(10);
constexpr absl::Duration kIdleWait = absl::Seconds(1);
constexpr int kFalseAlarmsMax = 16;
constexpr uint64_t kQueueWatch = UINT64_MAX;  // an event of a provider's queue: no socket of ours

}  // namespace

Loop::Loop(Executor* executor, LogSink log)
    : executor_(executor),
      after_end_(executor),
      log_(std::move(log)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
  absl::MutexLock lock(&join_mutex_);
  thread_ = std::thread([this] { RunLoop(); });
}

Loop::~Loop() { Stop(); }

void Loop::Log(LogLevel level, absl::string_view text) const {
  if (log_) log_(level, text);
}

bool Loop::TryPost(Task& task) {
  bool wake = false;
  {
    absl::MutexLock lock(&mutex_);
    if (!accepts_tasks_) return false;
    tasks_.push_back(std::move(task));
    has_tasks_.store(true, std::memory_order_release);
    wake = std::exchange(asleep_, false);
  }
  if (wake) (void)eventfd_write(wake_.get(), 1);
  return true;
}

void Loop::Post(Task task) {
  if (!TryPost(task)) after_end_.Post(std::move(task));
}

bool Loop::Run(absl::AnyInvocable<void()> task) {
  if (InLoopThread()) {
    task();
    return true;
  }
  absl::Notification ran;
  Task posted = [&task, &ran] {
    task();
    ran.Notify();
  };
  if (!TryPost(posted)) return false;
  ran.WaitForNotification();
  return true;
}

bool Loop::Register(std::shared_ptr<Closable> thing) {
  if (closed_all_) return false;
  Closable* key = thing.get();
  registered_.emplace(key, std::move(thing));
  return true;
}

void Loop::Unregister(Closable* thing) { registered_.erase(thing); }

uint64_t Loop::Watch(int descriptor, uint32_t events, Watcher* watcher) {
  const uint64_t watch = next_watch_++;
  watches_.emplace(watch, watcher);
  epoll_event event = {};
  event.events = events;
  event.data.u64 = watch;
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event);
  return watch;
}

void Loop::Rewatch(uint64_t watch, int descriptor, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = watch;
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event);
}

void Loop::Unwatch(uint64_t watch, int descriptor) {
  if (watches_.erase(watch) == 0) return;
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
}

void Loop::AddPollable(std::shared_ptr<Pollable> pollable) {
  ListenToQueues(true);
  if (pollable->wait_descriptor() >= 0) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = kQueueWatch;
    (void)epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pollable->wait_descriptor(), &event);
  }
  pollables_.push_back(std::move(pollable));
}

void Loop::RemovePollable(Pollable* pollable) {
  if (pollable->wait_descriptor() >= 0)
    (void)epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, pollable->wait_descriptor(), nullptr);
  std::erase_if(pollables_, [pollable](const auto& kept) { return kept.get() == pollable; });
}

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
  std::vector<std::shared_ptr<Closable>> things;
  for (const auto& [key, thing] : registered_) things.push_back(thing);
  for (const auto& thing : things)
    thing->CloseOnLoop(absl::CancelledError("the transport was stopped"));
  abandon_at_ = Now() + kStopPatience;
  WakeAt(abandon_at_);
}

void Loop::AbandonAll() {
  for (const auto& pollable : pollables_) pollable->Shut();
  while (!registered_.empty()) {
    const std::shared_ptr<Closable> thing = registered_.begin()->second;
    registered_.erase(registered_.begin());
    thing->Abandon();
  }
}

void Loop::RunLoop() {
  NameThisThread("tideway-ofi");
  loop_thread_ = std::this_thread::get_id();
  while (!closed_all_ || (!registered_.empty() && Now() < abandon_at_)) Turn();
  AbandonAll();
  pollables_.clear();
  // What was posted until now: completions among it.
  while (RunTasks()) {
  }
  std::vector<Task> rest;
  {
    absl::MutexLock lock(&mutex_);
    accepts_tasks_ = false;
    rest.swap(tasks_);
  }
  for (Task& task : rest) std::move(task)();
}

void Loop::Turn() {
  bool worked = RunTasks();
  worked |= Progress();
  if (++turns_ % kTurnsPerSocketPoll == 0) worked |= PollSockets();
  const absl::Time now = Now();
  if (now >= next_time_) RunTimes(now);
  if (worked) {
    last_work_ = now;
    false_alarms_ = 0;
    ListenToQueues(true);
  } else if (now - last_work_ < absl::Microseconds(spin_us())) {
    std::this_thread::yield();
  } else {
    Block(now);
  }
}

bool Loop::RunTasks() {
  if (!has_tasks_.load(std::memory_order_acquire)) return false;
  {
    absl::MutexLock lock(&mutex_);
    running_tasks_.swap(tasks_);
    has_tasks_.store(false, std::memory_order_relaxed);
  }
  for (Task& task : running_tasks_) std::move(task)();
  running_tasks_.clear();
  return true;
}

bool Loop::Progress() {
  bool worked = false;
  // A callback may add one.
  for (size_t i = 0; i < pollables_.size(); ++i) worked |= pollables_[i]->Progress();
  return worked;
}

bool Loop::PollSockets() {
  std::array<epoll_event, 32> events;
  const int count = epoll_wait(epoll_.get(), events.data(), events.size(), 0);
  bool worked = false;
  for (int i = 0; i < count; ++i) {
    const uint64_t watch = events[static_cast<size_t>(i)].data.u64;
    if (watch == 0) {
      eventfd_t ignored;
      (void)eventfd_read(wake_.get(), &ignored);
      continue;
    }
    const auto found = watches_.find(watch);  // a callback before may have taken it away
    if (found == watches_.end()) continue;
    found->second->OnReady(events[static_cast<size_t>(i)].events);
    worked = true;
  }
  return worked;
}

void Loop::RunTimes(absl::Time now) {
  next_time_ = abandon_at_;
  std::vector<std::shared_ptr<Closable>> things;
  for (const auto& [key, thing] : registered_) things.push_back(thing);
  for (const auto& thing : things) WakeAt(thing->OnTime(now));
}

absl::Duration Loop::LongestWait(absl::Time now) const {
  absl::Duration wait = std::min(next_time_ - now, kIdleWait);
  for (const auto& pollable : pollables_) {
    if (pollable->wait_descriptor() < 0 || !listens_to_queues_) {
      wait = std::min(
          wait, std::clamp((now - last_work_) / kSleepPartOfIdle, kShortestSleep, kLongestSleep));
    } else if (pollable->busy()) {
      wait = std::min(wait, kBusyWait);
    }
  }
  return std::max(wait, absl::ZeroDuration());
}

void Loop::CountFalseAlarm() {
  if (++false_alarms_ > kFalseAlarmsMax) ListenToQueues(false);
}

void Loop::ListenToQueues(bool listen) {
  if (std::exchange(listens_to_queues_, listen) == listen) return;
  for (const auto& pollable : pollables_) {
    if (pollable->wait_descriptor() < 0) continue;
    epoll_event event = {};
    event.events = listen ? uint32_t{EPOLLIN} : 0;
    event.data.u64 = kQueueWatch;
    (void)epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, pollable->wait_descriptor(), &event);
  }
}

void Loop::Block(absl::Time now) {
  {
    absl::MutexLock lock(&mutex_);
    if (!tasks_.empty()) return;
    asleep_ = true;
  }
  bool may_wait = true;
  for (const auto& pollable : pollables_) may_wait &= pollable->MayWait();
  if (may_wait) {
    const timespec wait = absl::ToTimespec(LongestWait(now));
    pollfd descriptor = {epoll_.get(), POLLIN, 0};
    if (ppoll(&descriptor, 1, &wait, nullptr) > 0)
      CountFalseAlarm();  // until work shows that it was none
  }
  {
    absl::MutexLock lock(&mutex_);
    asleep_ = false;
  }
  if (PollSockets()) {
    last_work_ = Now();
    false_alarms_ = 0;
  }
}

}  // namespace tideway::libfabric
