#include "bindings/python/gil.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>

namespace tideway::python {
namespace {

std::atomic<bool> forbidden{false};
pthread_t ending_thread;  // written before `forbidden`

}  // namespace

void ForbidEntry() {
  ending_thread = pthread_self();
  forbidden = true;
}

bool EntryForbidden() { return forbidden; }

void ReturnToPython(PyThreadState* state) {
  if (forbidden && pthread_equal(pthread_self(), ending_thread) == 0) {
    for (;;) pause();
  }
  PyEval_RestoreThread(state);
}

}  // namespace tideway::python
