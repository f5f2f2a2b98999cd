// Names the calling thread, so that an embedder can account for each thread that Tideway starts.

#ifndef TIDEWAY_CORE_RUNTIME_THREAD_NAME_H_
#define TIDEWAY_CORE_RUNTIME_THREAD_NAME_H_

#include <pthread.h>

namespace tideway {

// REQUIRES: at most 15 characters.
inline void NameThisThread(const char* name) { (void)pthread_setname_np(pthread_self(), name); }

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_THREAD_NAME_H_
