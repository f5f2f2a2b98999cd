// RequestLane: control requests to one server (assignments, heartbeats, statistics, ...), matched with their replies.
//
// A request without a reply is sent again over the next connection; every request that the client makes may be repeated.
// Heartbeats are the exception: the next one tells the same and more. So are offers of shared memory, which are of one connection.
//
// Threads: the state strand; so do the callbacks.

#ifndef TIDEWAY_CORE_CLIENT_REQUEST_LANE_H_
#define TIDEWAY_CORE_CLIENT_REQUEST_LANE_H_

#include <cstdint>
#include <map>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/client/client_shared.h"
#include "core/client/frame_sender.h"
#include "core/wire/control.h"

namespace tideway {

class RequestLane {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<wire::ControlReply>)>;

  RequestLane(ClientShared* shared, FrameSender* sender) : shared_(shared), sender_(sender) {}

  // The reply, or the server's refusal, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED (too many unanswered), or the connection's
  // final status.
  void Add(wire::ControlRequest request, absl::Time deadline, Done done);

  // The next frames of the connection's life.
  void OnReady();
  void OnDisconnected();
  // Not OK: the peer broke the protocol.
  absl::Status OnReply(uint64_t id, wire::ControlReply reply);
  // The connection has ended for good.
  void FailAll(const absl::Status& status);

 private:
  struct Entry {
    wire::ControlRequest request;
    Done done;
    TimerId timer = 0;
  };

  void Send(uint64_t id, const wire::ControlRequest& request);
  void Finish(uint64_t id, absl::StatusOr<wire::ControlReply> result);

  ClientShared* const shared_;
  FrameSender* const sender_;
  std::map<uint64_t, Entry> entries_;  // by id: in the order of the calls
  uint64_t last_id_ = 0;
  absl::Status final_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_REQUEST_LANE_H_
