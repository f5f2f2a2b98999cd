// PullLane: the pulls of one client from one server, from question to parameters in place.
//
// A part of a pull is waiting, asked, or arrived (being checked and decoded on the executor). A part without an answer
// goes back to waiting when the connection dies and is asked again over the next one, as is one whose answer was damaged.
//
// Where an answer lands: raw fp32 straight in the user's destination, anything else in a buffer, from which it is decoded
// into the destination. The transport asks for that on its own thread, so what it needs to know stands in a table under a lock.
//
// Where the server answers with differences, a part says which copy of its fragment is held here, and the answer takes that copy on
// (pulled_copies.h). Parts of one fragment then go one after the other.
//
// Where the server's memory can be read, a part is read instead of asked for (one_sided_puller.h), within the same bounds; what
// can't be had that way is asked for after all.
//
// A part that lands straight in the user's memory can't be withdrawn: the connection is closed then, and the part settles
// when the transport has let go.
//
// Threads: the state strand; Land on the transport's thread.

#ifndef TIDEWAY_CORE_CLIENT_PULL_LANE_H_
#define TIDEWAY_CORE_CLIENT_PULL_LANE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "core/client/client_shared.h"
#include "core/client/frame_sender.h"
#include "core/client/one_sided_puller.h"
#include "core/client/pull_job.h"
#include "core/client/pulled_copies.h"
#include "core/wire/chain_frames.h"
#include "core/wire/control.h"
#include "core/wire/frame.h"
#include "tideway/transport.h"

namespace tideway {

class PullLane {
 public:
  PullLane(ClientShared* shared, FrameSender* sender, uint32_t server);

  // For the hello.
  bool WantsOneSided(Connection& connection) { return puller_.Wanted(connection); }
  // Before OnReady: what was settled about the way of pulls.
  void OnWelcome(std::shared_ptr<Connection> connection, const wire::Welcome& welcome);
  // "one-sided", or "two-sided: " and how or why. From any thread.
  std::string mode() const { return puller_.mode(); }

  // Takes on the part of `job` that is `fragment`, and settles it with the job in the end.
  void Add(std::shared_ptr<PullJob> job, uint32_t fragment);
  // The job has failed: settles its parts as soon as nobody writes into its destination any more.
  void Withdraw(const PullJob* job);

  void OnReady(size_t credit_bytes, size_t pulls_max);
  void OnDisconnected();
  // The connection has ended for good.
  void FailAll(const absl::Status& status);

  // On the transport's thread: where the payload of this kPullReply shall land. Not OK: the peer broke the protocol.
  absl::StatusOr<Landing> Land(const wire::FrameHeader& reply);

 private:
  enum class Place { kWaiting, kAsked, kRead, kArrived };  // kRead: the puller has it
  struct Part {
    std::shared_ptr<PullJob> job;
    uint32_t fragment = 0;
    uint64_t version_min = 0;
    Place place = Place::kWaiting;
    std::optional<wire::ChainPosition> held = {};  // as was said with the question; none: none was
  };
  // What Land needs of a part that was asked for.
  struct Target {
    uint32_t fragment = 0;
    absl::Span<float> destination;
    wire::ChainPosition held;
    bool claimed = false;   // an answer is landing
    bool in_place = false;  // ... in the user's memory
  };
  struct Arrived {
    uint64_t id = 0;
    wire::FrameHeader header;
    std::shared_ptr<Buffer> buffer = nullptr;  // null: landed in place
    std::optional<absl::Status> checked = {};  // against its hash, if that was done
    bool keep = false;                         // the copy, for differences from it
  };

  size_t BytesOf(const Part& part) const;
  absl::Span<float> DestinationOf(const Part& part) const;
  void Pump();
  // The first that waits and may start, or waiting_.end().
  std::deque<uint64_t>::iterator NextToStart();
  void Start(uint64_t id, Part& part);
  // REQUIRES: the part does not wait.
  void LeavesFlight(const Part& part);
  void Ask(uint64_t id, Part& part);
  void OnPulled(uint64_t id, OneSidedPuller::Outcome outcome, uint64_t version);
  absl::Status CheckDifferences(const wire::FrameHeader& reply, const Target& target) const;
  absl::StatusOr<Landing> LandInPlace(const wire::FrameHeader& reply, Target& target);
  absl::StatusOr<Landing> LandInBuffer(const wire::FrameHeader& reply, size_t bytes_max);

  void OnLanded(Arrived arrived, const absl::Status& status);
  absl::Status Decode(const Arrived& arrived, absl::Span<float> destination);
  void OnDecoded(uint64_t id, const wire::FrameHeader& reply, const absl::Status& status);
  void TellOfMismatch(const absl::Status& status);
  void Count(const Part& part, uint64_t version, uint64_t bytes);
  void BackToWaiting(uint64_t id, Part& part);
  void Settle(uint64_t id);

  ClientShared* const shared_;
  FrameSender* const sender_;
  const uint32_t server_;
  OneSidedPuller puller_;

  // The copy of a fragment under way is whoever's decodes it; any other one the state strand's.
  PulledCopies copies_;
  bool differences_agreed_ = false;  // over this connection
  std::string no_differences_because_;
  bool told_of_mismatch_ = false;
  absl::flat_hash_set<uint32_t> fragments_under_way_;  // only if differences are wanted

  std::map<uint64_t, Part> parts_;  // by request id: in the order of the calls
  std::deque<uint64_t> waiting_;    // ids
  size_t bytes_under_way_ = 0;      // of asked and arrived parts, as large as their answers may be
  size_t parts_under_way_ = 0;
  size_t bytes_max_ = 0;  // 0: never ready yet
  size_t parts_max_ = 0;
  absl::Status final_;

  absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, Target> targets_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_PULL_LANE_H_
