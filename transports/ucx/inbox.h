// Inbox: takes UCX's active messages in, in the order of sending, asks the Receiver where each payload shall land, and lets
// UCX put it there.
//
// UCX may bring messages out of order, since the pieces of a large one travel over several lanes. What comes too early is
// kept, as many as a sender may have in flight; more is a broken peer.
//
// Threads: the progress thread; callbacks of the Receiver run inside the worker's progress. What goes wrong is remembered in
// status(), and whoever made the worker progress closes the connection afterwards.

#ifndef TIDEWAY_TRANSPORTS_UCX_INBOX_H_
#define TIDEWAY_TRANSPORTS_UCX_INBOX_H_

#include <ucp/api/ucp.h>

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "tideway/transport.h"
#include "transports/ucx/context.h"
#include "transports/ucx/side_channel.h"
#include "transports/ucx/wire.h"

namespace tideway::ucx {

class Inbox {
 public:
  // All outlive the inbox's use. `reads_peer`: large payloads are read from the peer's memory by this process, so that they
  // may only be believed while the peer keeps them; asked of `side` after each.
  void Start(Worker& worker, SideChannel& side, bool reads_peer, Receiver* receiver,
             const std::atomic<bool>* closing);

  const absl::Status& status() const { return status_; }
  uint64_t messages_taken() const { return expected_; }
  // No landing is under way.
  bool idle() const { return landings_ == 0; }

  // The peer is dead: what it left in our queues may still be taken, what lies in its memory may not.
  void PeerIsDead() { peer_is_dead_ = true; }
  // Drops all that comes from now on.
  void Mute() { receiver_ = nullptr; }
  // Before the worker goes: what is being fetched may end, but its landings wait for Fail.
  void Abandon();
  bool fetching() const { return fetching_ > 0; }  // REQUIRES: abandoned
  // Gives back what is kept for UCX. REQUIRES: the worker is still there.
  void ReleaseKept();
  // Fails the landings. REQUIRES: the worker is gone.
  void Fail(const absl::Status& reason);

 private:
  struct Arrival {
    MessagePrefix prefix;
    absl::Span<const std::byte> header;
    void* data;
    bool rendezvous;
  };
  struct Kept {
    MessagePrefix prefix;
    std::vector<std::byte> header;
    std::vector<std::byte> copy;  // of a payload that UCX doesn't keep for us
    void* data;
    bool rendezvous;
    bool ucx_keeps;
  };
  struct LandingSlot {
    Inbox* inbox;
    Done done;
    bool used = false;
  };

  static ucs_status_t OnArrival(void* inbox, const void* header, size_t header_bytes, void* data,
                                size_t bytes, const ucp_am_recv_param_t* params);
  static void OnLanded(void* request, ucs_status_t status, size_t bytes, void* slot);
  ucs_status_t Arrived(absl::Span<const std::byte> header, void* data, size_t bytes,
                       uint64_t attributes);
  ucs_status_t Keep(const Arrival& arrival, size_t bytes, uint64_t attributes);
  // True if UCX's data descriptor now belongs to a receive operation.
  bool Take(const Arrival& arrival);
  bool Fetch(const Arrival& arrival, Landing landing);
  void TakeKept();
  void Landed(LandingSlot& slot, absl::Status status);
  LandingSlot* FreeSlot();
  bool Deaf() const;

  Worker* worker_ = nullptr;
  SideChannel* side_ = nullptr;
  Receiver* receiver_ = nullptr;
  const std::atomic<bool>* closing_ = nullptr;
  bool reads_peer_ = false;
  bool peer_is_dead_ = false;
  uint64_t expected_ = 0;
  size_t landings_ = 0;
  bool abandoned_ = false;
  size_t fetching_ = 0;  // once abandoned: the landings that UCX still has in hand
  std::map<uint64_t, Kept> kept_;
  std::vector<std::unique_ptr<LandingSlot>> slots_;
  absl::Status status_;
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_INBOX_H_
