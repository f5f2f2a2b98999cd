// Tells ThreadSanitizer about Abseil's locks.
//
// The distribution's Abseil is built without ThreadSanitizer, so the tool cannot see that
// absl::Mutex orders memory, and would report every correctly guarded field as a race. The
// functions below take precedence over those in Abseil's shared library: each announces the
// operation to ThreadSanitizer and calls the real function. Only test programs of the tsan preset
// link this file.
//
// While a thread is between "pre" and "post", its accesses are not recorded. That is needed: Abseil
// evaluates one thread's absl::Condition on another thread that is about to unlock.

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/base/options.h"
#include "absl/status/status.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace {

#define TIDEWAY_TEXT_OF(x) #x
#define TIDEWAY_TEXT(x) TIDEWAY_TEXT_OF(x)

// The next definition of the absl symbol whose mangled name ends in `rest` (what follows the
// inline namespace), for a function of the type F (a member function has `this` first).
template <typename F>
F* Real(const char* rest) {  // never null: this file is built against that library's headers
  const std::string space = TIDEWAY_TEXT(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  const std::string name = "4absl" + std::to_string(space.size()) + space + rest;
  void* symbol = dlsym(RTLD_NEXT, ("_ZN" + name).c_str());
  if (symbol == nullptr) symbol = dlsym(RTLD_NEXT, ("_ZNK" + name).c_str());
  return reinterpret_cast<F*>(symbol);
}

using absl::Condition;
using absl::CondVar;
using absl::Mutex;

// Abseil's functions call one another; only the outermost one speaks to ThreadSanitizer.
thread_local bool announcing = false;

class Outermost {
 public:
  Outermost() : outer_(!announcing) { announcing = true; }
  ~Outermost() {
    if (outer_) announcing = false;
  }
  explicit operator bool() const { return outer_; }

 private:
  const bool outer_;
};

template <typename Operation>
auto Locking(Mutex* mu, unsigned flags, Operation lock) {
  const Outermost outermost;
  if (!outermost) return lock();
  __tsan_mutex_pre_lock(mu, flags);
  const bool result = lock();
  const bool failed = (flags & __tsan_mutex_try_lock) != 0 && !result;
  __tsan_mutex_post_lock(mu, flags | (failed ? __tsan_mutex_try_lock_failed : 0), 0);
  return result;
}

template <typename Operation>
void Unlocking(Mutex* mu, unsigned flags, Operation unlock) {
  const Outermost outermost;
  if (!outermost) return unlock();
  __tsan_mutex_pre_unlock(mu, flags);
  unlock();
  __tsan_mutex_post_unlock(mu, flags);
}

// `wait` releases the mutex while it waits and holds it again when it returns.
template <typename Operation>
auto Waiting(Mutex* mu, Operation wait) {
  const Outermost outermost;
  if (!outermost) return wait();
  __tsan_mutex_pre_unlock(mu, 0);
  const bool result = wait();
  __tsan_mutex_post_unlock(mu, 0);
  __tsan_mutex_pre_lock(mu, 0);
  __tsan_mutex_post_lock(mu, 0, 0);
  return result;
}

// One of a few locks that ThreadSanitizer does not see, so that it orders nothing in its eyes.
class UnseenLock {
 public:
  __attribute__((no_sanitize("thread"))) explicit UnseenLock(uintptr_t key)
      : taken_(&locks[(key >> 6) % kLocks]) {
    while (__atomic_test_and_set(taken_, __ATOMIC_ACQUIRE)) {
    }
  }
  __attribute__((no_sanitize("thread"))) ~UnseenLock() { __atomic_clear(taken_, __ATOMIC_RELEASE); }

 private:
  static constexpr size_t kLocks = 64;
  static inline char locks[kLocks] = {};
  char* const taken_;
};

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

Mutex::~Mutex() {
  static auto* real = Real<void(Mutex*)>("5MutexD1Ev");
  real(this);
  __tsan_mutex_destroy(this, 0);
}

void Mutex::Lock() {
  static auto* real = Real<void(Mutex*)>("5Mutex4LockEv");
  Locking(this, 0, [&] { return real(this), true; });
}

void Mutex::Unlock() {
  static auto* real = Real<void(Mutex*)>("5Mutex6UnlockEv");
  Unlocking(this, 0, [&] { real(this); });
}

bool Mutex::TryLock() {
  static auto* real = Real<bool(Mutex*)>("5Mutex7TryLockEv");
  return Locking(this, __tsan_mutex_try_lock, [&] { return real(this); });
}

void Mutex::ReaderLock() {
  static auto* real = Real<void(Mutex*)>("5Mutex10ReaderLockEv");
  Locking(this, __tsan_mutex_read_lock, [&] { return real(this), true; });
}

void Mutex::ReaderUnlock() {
  static auto* real = Real<void(Mutex*)>("5Mutex12ReaderUnlockEv");
  Unlocking(this, __tsan_mutex_read_lock, [&] { real(this); });
}

void Mutex::LockWhen(const Condition& cond) {
  static auto* real = Real<void(Mutex*, const Condition&)>("5Mutex8LockWhenERKNS0_9ConditionE");
  Locking(this, 0, [&] { return real(this, cond), true; });
}

bool Mutex::LockWhenWithTimeout(const Condition& cond, Duration timeout) {
  static auto* real = Real<bool(Mutex*, const Condition&, Duration)>(
      "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  return Locking(this, 0, [&] { return real(this, cond, timeout); });
}

bool Mutex::LockWhenWithDeadline(const Condition& cond, Time deadline) {
  static auto* real = Real<bool(Mutex*, const Condition&, Time)>(
      "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  return Locking(this, 0, [&] { return real(this, cond, deadline); });
}

void Mutex::Await(const Condition& cond) {
  static auto* real = Real<void(Mutex*, const Condition&)>("5Mutex5AwaitERKNS0_9ConditionE");
  Waiting(this, [&] { return real(this, cond), true; });
}

bool Mutex::AwaitWithTimeout(const Condition& cond, Duration timeout) {
  static auto* real = Real<bool(Mutex*, const Condition&, Duration)>(
      "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  return Waiting(this, [&] { return real(this, cond, timeout); });
}

bool Mutex::AwaitWithDeadline(const Condition& cond, Time deadline) {
  static auto* real = Real<bool(Mutex*, const Condition&, Time)>(
      "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  return Waiting(this, [&] { return real(this, cond, deadline); });
}

void CondVar::Wait(Mutex* mu) {
  static auto* real = Real<void(CondVar*, Mutex*)>("7CondVar4WaitEPNS0_5MutexE");
  Waiting(mu, [&] { return real(this, mu), true; });
}

bool CondVar::WaitWithTimeout(Mutex* mu, Duration timeout) {
  static auto* real = Real<bool(CondVar*, Mutex*, Duration)>(
      "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  return Waiting(mu, [&] { return real(this, mu, timeout); });
}

bool CondVar::WaitWithDeadline(Mutex* mu, Time deadline) {
  static auto* real =
      Real<bool(CondVar*, Mutex*, Time)>("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  return Waiting(mu, [&] { return real(this, mu, deadline); });
}

// A Notification's flag is read inline where it is only looked at, and by the library where a
// thread waits.
void Notification::Notify() {
  static auto* real = Real<void(Notification*)>("12Notification6NotifyEv");
  __tsan_release(&notified_yet_);
  real(this);
}

void Notification::WaitForNotification() const {
  static auto* real = Real<void(const Notification*)>("12Notification19WaitForNotificationEv");
  real(this);
  __tsan_acquire(const_cast<std::atomic<bool>*>(&notified_yet_));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  static auto* real = Real<bool(const Notification*, Duration)>(
      "12Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
  const bool notified = real(this, timeout);
  if (notified) __tsan_acquire(const_cast<std::atomic<bool>*>(&notified_yet_));
  return notified;
}

bool BlockingCounter::DecrementCount() {
  static auto* real = Real<bool(BlockingCounter*)>("15BlockingCounter14DecrementCountEv");
  __tsan_release(this);
  return real(this);
}

void BlockingCounter::Wait() {
  static auto* real = Real<void(BlockingCounter*)>("15BlockingCounter4WaitEv");
  real(this);
  __tsan_acquire(this);
}

// A status' shared representation is counted inline but freed by the library. Whoever frees it must have seen what all others have
// released, so nobody may come between the two.
void Status::UnrefNonInlined(uintptr_t rep) {
  static auto* real = Real<void(uintptr_t)>("6Status15UnrefNonInlinedEm");
  if ((rep & 3) != 1) {  // no pointer with the tag "allocated"
    real(rep);
    return;
  }
  const UnseenLock lock(rep);
  void* address = reinterpret_cast<void*>(rep - 1);
  __tsan_release(address);
  __tsan_acquire(address);
  real(rep);
}

ABSL_NAMESPACE_END
}  // namespace absl
