// The client's name for core/runtime/backoff.h, which both ends of weight sync use as well.

#ifndef TIDEWAY_CORE_CLIENT_BACKOFF_H_
#define TIDEWAY_CORE_CLIENT_BACKOFF_H_

#include "core/runtime/backoff.h"

#endif  // TIDEWAY_CORE_CLIENT_BACKOFF_H_
