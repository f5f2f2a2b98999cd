// Forget: what a destructor does in a forked child with what it must not destroy there.

#ifndef TIDEWAY_CORE_RUNTIME_FORGET_H_
#define TIDEWAY_CORE_RUNTIME_FORGET_H_

#include <memory>
#include <utility>

namespace tideway {

// Leaves what the pointer or container `owner` owns where it is, for ever: its threads did not come along, its connections are the
// parent's, and its locks may be held, or be looked after by a library whose own lock is: even ~Mutex may wait then.
template <typename Owner>
void Forget(Owner& owner) {
  static_cast<void>(std::make_unique<Owner>(std::move(owner)).release());
}

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_FORGET_H_
