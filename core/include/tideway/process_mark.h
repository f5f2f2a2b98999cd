// ProcessMark: notes in which process something was made, so that a forked child can be told that it is not its own.
//
// A child has copies of all of its parent's memory and none of its threads but the one that forked: what its parent made waits there for
// threads that don't exist, for locks that nobody gives back, and talks over connections that are the parent's. A Runtime and all that
// is made from it ask their mark before they touch any of that; so may your own transport or codec.
//
// Threads: any. Asking costs a load, no system call. It is fork() that is noticed; children of vfork() and _Fork() may only exec.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_PROCESS_MARK_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_PROCESS_MARK_H_

#include <cstdint>

#include "absl/status/status.h"

namespace tideway {

class ProcessMark {
 public:
  // Of the process that it is made in.
  ProcessMark();

  // Whether this is that process, and no child that was forked since.
  bool IsHere() const;

  // FAILED_PRECONDITION where it is not.
  absl::Status Check() const;

 private:
  uint64_t generation_;
  int64_t process_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_PROCESS_MARK_H_
