// OneSidedPuller: fetches fragments straight from one server's memory, without the server's CPU (core/wire/one_sided.h).
//
// A fragment is read in two steps: its entry in the directory, which says in which slot the wanted version lies, and then the
// slot, straight into the user's destination. The values are believed once their hash is the one that the entry gave; or, where
// reads are copies within one host's memory, once the entry is read again and has not changed: the server empties it before it
// writes to the slot (core/server/exposed_area.h).
//
//   from       event                                    action                             to
//   (new)      Begin                                    read the directory, with others    directory
//   directory  whole entry, has the version             read the slot                      values
//   directory  whole entry, does not have it            kAsk                               (gone)
//   directory  torn                                     read the directory again           directory
//   values     arrived, in_memory                       read the directory again           confirming
//   values     arrived                                  hash on the executor               checking
//   confirming entry says the same of the slot          kPulled                            (gone)
//   confirming entry torn                               read the directory again           confirming
//   confirming entry changed                            read the directory again           directory
//   checking   hash fits                                kPulled                            (gone)
//   checking   hash differs                             read the directory again           directory
//   any        kOneSidedTriesMax times torn; an error   kAsk                               (gone)
//   directory, values, confirming  connection lost      OnDisconnected hands it back       (gone)
//   checking   connection lost                          kPulled or kLost                   (gone)
//
// kAsk is never wrong: the server publishes what the directory did not have. An error of a read, or an entry that is whole but
// wrong, ends one-sided pulls for this connection.
//
// Threads: the state strand, but `mode` from any. Buffers: a destination is the transport's in the state `values`, and is being
// read in `checking`; Withdraw says so. The connection reports every read before its own end.

#ifndef TIDEWAY_CORE_CLIENT_ONE_SIDED_PULLER_H_
#define TIDEWAY_CORE_CLIENT_ONE_SIDED_PULLER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "core/client/client_shared.h"
#include "core/wire/control.h"
#include "core/wire/one_sided.h"
#include "tideway/transport.h"

namespace tideway {

class OneSidedPuller {
 public:
  enum class Outcome { kPulled, kAsk, kLost };
  // `version` is what was pulled.
  using Done = absl::AnyInvocable<void(uint64_t id, Outcome outcome, uint64_t version)>;

  struct Want {
    uint64_t id = 0;
    uint32_t fragment = 0;
    uint64_t window = 0;
    uint64_t version_min = 0;
    absl::Span<float> destination;
  };

  OneSidedPuller(ClientShared* shared, uint32_t server, Done done);

  // For the hello: this client can, and would like to. Says why not in mode().
  bool Wanted(Connection& connection);
  // The server's answer. What is wrong with an offer is logged, and pulls are two-sided then.
  void OnWelcome(std::shared_ptr<Connection> connection, const wire::Welcome& welcome);
  // In place of OnWelcome: pulls are asked for, in the way that `how` says.
  void LeaveToAsking(const std::string& how) { SetMode("two-sided: " + how); }
  // After OnWelcome: what else there is to say of the way.
  void AddToMode(const std::string& what) { SetMode(mode() + what); }
  // Returns the ids that were under way, whose destinations are free now.
  std::vector<uint64_t> OnDisconnected();

  bool active() const { return connection_ != nullptr; }
  // REQUIRES: active(), and a fragment of this server.
  void Begin(const Want& want);

  enum class Hold { kFree, kReading, kChecking };
  // Gives the part up if nobody touches its destination (kFree); else it goes on.
  Hold Withdraw(uint64_t id);
  bool checking(uint64_t id) const;

  // "one-sided", or "two-sided: " and why.
  std::string mode() const;

 private:
  enum class Phase { kDirectory, kValues, kConfirming, kChecking };
  struct Part {
    Want want;
    size_t index = 0;  // in the directory
    Phase phase = Phase::kDirectory;
    uint64_t read = 0;  // numbers the reads; 0: not begun
    int tries = 0;
    uint64_t version = 0;
    uint64_t hash = 0;
    uint32_t slot = 0;
  };
  // Neighbours in the directory, which one read brings.
  struct Run {
    size_t first = 0;
    size_t count = 0;
    std::vector<uint64_t> ids;
  };

  absl::Status CheckOffer(const wire::OneSidedOffer& offer) const;
  size_t IndexOf(uint32_t fragment) const;
  static bool AwaitsDirectory(const Part& part);
  void WantDirectory();
  void ReadDirectory();
  std::vector<Run> Runs();
  void ReadRun(Run run);
  void OnDirectory(uint64_t read, const Run& run, absl::Span<const std::byte> entries,
                   const absl::Status& status);
  void OnEntry(Part& part, absl::Span<const std::byte> bytes);
  void ReadValues(Part& part);
  void Confirm(Part& part);
  void OnConfirmation(Part& part, absl::Span<const std::byte> bytes);
  void OnValues(uint64_t id, uint64_t read, const absl::Status& status);
  void OnChecked(uint64_t id, bool whole);
  void TryAgain(Part& part);
  void Finish(uint64_t id, Outcome outcome);
  // No one-sided pulls over this connection any more.
  void TurnOff(const absl::Status& why);
  void SetMode(std::string mode);

  ClientShared* const shared_;
  const uint32_t server_;
  const wire::AreaPlan plan_;
  Done done_;

  std::shared_ptr<Connection> connection_;  // null: not active
  bool in_memory_ = false;                  // connection_
  std::string descriptor_;
  std::map<uint64_t, Part> parts_;
  uint64_t last_read_ = 0;
  bool directory_wanted_ = false;  // a task that reads it is posted

  mutable absl::Mutex mutex_;
  std::string mode_ ABSL_GUARDED_BY(mutex_) = "two-sided: not connected yet";
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_ONE_SIDED_PULLER_H_
