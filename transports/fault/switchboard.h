// Switchboard: what all handles of one FaultControl and all transports under it share: the live connections, the switches that a
// test has set, and the count of what struck.
//
// Threads: any. Lock order: a connection's lock may be held while the board's is taken, never the other way round.

#ifndef TIDEWAY_TRANSPORTS_FAULT_SWITCHBOARD_H_
#define TIDEWAY_TRANSPORTS_FAULT_SWITCHBOARD_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "tideway/fault_transport.h"

namespace tideway::fault {

class Outbound;

inline constexpr size_t kFaultKinds = static_cast<size_t>(FaultKind::kRefuse) + 1;

// Which connection this is, for its dice and for events.
struct Identity {
  bool accepted = false;
  uint64_t number = 0;  // from 1, among the accepted or the connecting ones

  std::string name() const;
  uint64_t for_dice() const { return number * 2 + (accepted ? 1 : 0); }
};

class Switchboard {
 public:
  Identity Number(bool accepted);

  // A connection begins; it learns whether it begins stalled.
  bool Add(const Identity& identity, const std::weak_ptr<Outbound>& connection);
  void Remove(const Identity& identity);
  // In the order in which they began.
  std::vector<std::shared_ptr<Outbound>> Live() const;

  void SetRefuse(bool refuse);
  bool refuse() const;
  void SetStalled(bool stalled);
  bool stalled() const;

  void Arm(FaultKind kind);
  // True once for each Arm.
  bool TakeArmed(FaultKind kind);

  void Tell(const FaultEvent& event);
  uint64_t count(FaultKind kind) const;
  void SetObserver(std::function<void(const FaultEvent&)> observer);

 private:
  mutable absl::Mutex mutex_;
  std::array<uint64_t, 2> numbers_ ABSL_GUARDED_BY(mutex_) = {};
  uint64_t begun_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, std::weak_ptr<Outbound>> live_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, uint64_t> places_ ABSL_GUARDED_BY(mutex_);  // for_dice -> key of live_
  bool refuse_ ABSL_GUARDED_BY(mutex_) = false;
  bool stalled_ ABSL_GUARDED_BY(mutex_) = false;
  std::array<uint64_t, kFaultKinds> armed_ ABSL_GUARDED_BY(mutex_) = {};
  std::array<uint64_t, kFaultKinds> counts_ ABSL_GUARDED_BY(mutex_) = {};
  absl::Mutex observing_ ABSL_ACQUIRED_AFTER(mutex_);
  std::function<void(const FaultEvent&)> observer_ ABSL_GUARDED_BY(observing_);
};

}  // namespace tideway::fault

#endif  // TIDEWAY_TRANSPORTS_FAULT_SWITCHBOARD_H_
