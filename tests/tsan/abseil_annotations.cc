// Tells ThreadSanitizer about Abseil's locks.
//
// The distribution's Abseil is built without ThreadSanitizer, so the tool cannot see that
// absl::Mutex orders memory, and would report every correctly guarded field as a race. The functions
// below take precedence over those in Abseil's shared library: each announces the operation to
// ThreadSanitizer and calls the real function. Only test programs of the tsan preset link this file.
//
// While a thread is between "pre" and "post", its accesses are not recorded. That is needed: Abseil
// evaluates one thread's absl::Condition on another thread that is about to unlock.

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

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
F* Real(const char* rest) {
  const std::string space = TIDEWAY_TEXT(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  const std::string name = "4absl" + std::to_string(space.size()) + space + rest;
  void* symbol = dlsym(RTLD_NEXT, ("_ZN" + name).c_str());
  if (symbol == nullptr) symbol = dlsym(RTLD_NEXT, ("_ZNK" + name).c_str());
  return reinterpret_cast<F*>(symbol);
}

using absl::Condition;
using absl::CondVar;
using absl::Mutex;

// Announces that `mu` is released while `wait` runs, and held again after it.
template <typename Wait>
auto WhileReleased(Mutex* mu, Wait wait) {
  __tsan_mutex_pre_unlock(mu, 0);
  auto result = wait();
  __tsan_mutex_post_unlock(mu, 0);
  __tsan_mutex_pre_lock(mu, 0);
  __tsan_mutex_post_lock(mu, 0, 0);
  return result;
}

void AnnouncedUnlock(Mutex* mu, void (*unlock)(Mutex*), unsigned flags) {
  __tsan_mutex_pre_unlock(mu, flags);
  unlock(mu);
  __tsan_mutex_post_unlock(mu, flags);
}

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
  __tsan_mutex_pre_lock(this, 0);
  real(this);
  __tsan_mutex_post_lock(this, 0, 0);
}

void Mutex::Unlock() {
  static auto* real = Real<void(Mutex*)>("5Mutex6UnlockEv");
  AnnouncedUnlock(this, real, 0);
}

bool Mutex::TryLock() {
  static auto* real = Real<bool(Mutex*)>("5Mutex7TryLockEv");
  __tsan_mutex_pre_lock(this, __tsan_mutex_try_lock);
  const bool locked = real(this);
  __tsan_mutex_post_lock(
      this, __tsan_mutex_try_lock | (locked ? 0 : __tsan_mutex_try_lock_failed), 0);
  return locked;
}

void Mutex::ReaderLock() {
  static auto* real = Real<void(Mutex*)>("5Mutex10ReaderLockEv");
  __tsan_mutex_pre_lock(this, __tsan_mutex_read_lock);
  real(this);
  __tsan_mutex_post_lock(this, __tsan_mutex_read_lock, 0);
}

void Mutex::ReaderUnlock() {
  static auto* real = Real<void(Mutex*)>("5Mutex12ReaderUnlockEv");
  AnnouncedUnlock(this, real, __tsan_mutex_read_lock);
}

void Mutex::LockWhen(const Condition& cond) {
  static auto* real = Real<void(Mutex*, const Condition&)>("5Mutex8LockWhenERKNS0_9ConditionE");
  __tsan_mutex_pre_lock(this, 0);
  real(this, cond);
  __tsan_mutex_post_lock(this, 0, 0);
}

bool Mutex::LockWhenWithTimeout(const Condition& cond, Duration timeout) {
  static auto* real = Real<bool(Mutex*, const Condition&, Duration)>(
      "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  __tsan_mutex_pre_lock(this, 0);
  const bool met = real(this, cond, timeout);
  __tsan_mutex_post_lock(this, 0, 0);
  return met;
}

bool Mutex::LockWhenWithDeadline(const Condition& cond, Time deadline) {
  static auto* real = Real<bool(Mutex*, const Condition&, Time)>(
      "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  __tsan_mutex_pre_lock(this, 0);
  const bool met = real(this, cond, deadline);
  __tsan_mutex_post_lock(this, 0, 0);
  return met;
}

void Mutex::Await(const Condition& cond) {
  static auto* real = Real<void(Mutex*, const Condition&)>("5Mutex5AwaitERKNS0_9ConditionE");
  WhileReleased(this, [&] {
    real(this, cond);
    return true;
  });
}

bool Mutex::AwaitWithTimeout(const Condition& cond, Duration timeout) {
  static auto* real = Real<bool(Mutex*, const Condition&, Duration)>(
      "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  return WhileReleased(this, [&] { return real(this, cond, timeout); });
}

bool Mutex::AwaitWithDeadline(const Condition& cond, Time deadline) {
  static auto* real = Real<bool(Mutex*, const Condition&, Time)>(
      "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  return WhileReleased(this, [&] { return real(this, cond, deadline); });
}

void CondVar::Wait(Mutex* mu) {
  static auto* real = Real<void(CondVar*, Mutex*)>("7CondVar4WaitEPNS0_5MutexE");
  WhileReleased(mu, [&] {
    real(this, mu);
    return true;
  });
}

bool CondVar::WaitWithTimeout(Mutex* mu, Duration timeout) {
  static auto* real = Real<bool(CondVar*, Mutex*, Duration)>(
      "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  return WhileReleased(mu, [&] { return real(this, mu, timeout); });
}

bool CondVar::WaitWithDeadline(Mutex* mu, Time deadline) {
  static auto* real = Real<bool(CondVar*, Mutex*, Time)>(
      "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  return WhileReleased(mu, [&] { return real(this, mu, deadline); });
}

// A Notification's flag lies behind its mutex; readers see it inline, only the writer needs help.
void Notification::Notify() {
  static auto* real = Real<void(Notification*)>("12Notification6NotifyEv");
  __tsan_release(&notified_yet_);
  real(this);
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

// A status' shared representation is counted inline but freed by the library.
void Status::UnrefNonInlined(uintptr_t rep) {
  static auto* real = Real<void(uintptr_t)>("6Status15UnrefNonInlinedEm");
  if ((rep & 3) == 1) {  // a pointer with the tag "allocated"
    void* address = reinterpret_cast<void*>(rep - 1);
    __tsan_release(address);
    __tsan_acquire(address);
  }
  real(rep);
}

ABSL_NAMESPACE_END
}  // namespace absl
