#include "bindings/python/gil.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>

namespace tideway::python {
namespace {

std::atomic<bool> forbidden{false};
pthread_t ending_thread;      // written before `forbidden`
std::atomic<int> entered{0};  // threads that are on their way in, or call Python code
// Of them, this one: more than once, where Python code calls the library again.
thread_local int inside = 0;

// Counted before it is asked, so that ForbidEntry misses nobody.
bool Enter() {
  entered.fetch_add(1);
  ++inside;
  return !forbidden || inside > 1;
}

void Leave() {
  --inside;
  if (entered.fetch_sub(1) == 1) entered.notify_all();
}

}  // namespace

// A child has none of its parent's other threads.
void WatchForks() {
  pthread_atfork(nullptr, nullptr, [] { entered = inside; });
}

void ForbidEntry() {
  ending_thread = pthread_self();
  forbidden = true;
  PyThreadState* const state = PyEval_SaveThread();
  for (int count = entered; count != 0; count = entered) entered.wait(count);
  PyEval_RestoreThread(state);
}

PythonEntry::PythonEntry() : allowed_(Enter()) {
  if (!allowed_) Leave();
}

PythonEntry::~PythonEntry() {
  if (allowed_) Leave();
}

void ReturnToPython(PyThreadState* state) {
  const PythonEntry entry;
  if (!entry && pthread_equal(pthread_self(), ending_thread) == 0) {
    for (;;) pause();
  }
  PyEval_RestoreThread(state);
}

}  // namespace tideway::python
