// PushLane: the pushes of one client to one server, from delta to acknowledgement.
//
// A part of a push goes through four places, always in the order of the calls:
//
//   waiting   -> room in credit and in the number of pushes  -> encoding
//   encoding  -> the codec strand has encoded it             -> unsent, or at once sent
//   unsent    -> the connection is ready; it gets a sequence -> sent
//   sent      -> acknowledged                                -> gone
//
// A fragment whose encoding is its values (identity, nothing left over from before) is not copied: the transport reads the user's
// memory, and the part settles when it has let go of that.
//
// What was sent keeps its bytes and its sequence: after a reconnect it goes out again as it was, in order. A few parts are with the
// codec at once, and not much more than ConnectionInfo::send_ahead_bytes with the transport: the next one is encoded while this one leaves.
// Fragments take turns between two codec strands, so that two threads encode where there are two; the parts of one fragment stay in
// order.
//
// Residual: applied and buffered leave it as encoding left it; rejected adds back what was encoded; a part that is withdrawn
// before it was sent adds back its delta. A part that was already sent when its push gave up (deadline) can't be withdrawn:
// it stays here, goes on being sent again, and its verdict is still heeded.
//
// With codec_up "auto" each push is encoded by the codec that LaneCodecs names when its first part leaves the waiting ones.
//
// Threads: the state strand; encoding and the residual on the lane's own codec strands.

#ifndef TIDEWAY_CORE_CLIENT_PUSH_LANE_H_
#define TIDEWAY_CORE_CLIENT_PUSH_LANE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/client/client_shared.h"
#include "core/client/frame_sender.h"
#include "core/client/lane_codecs.h"
#include "core/client/push_frame.h"
#include "core/client/push_job.h"
#include "core/client/residual.h"
#include "core/runtime/stage_marks.h"
#include "core/runtime/strand.h"
#include "core/wire/frame.h"

namespace tideway {

class PushLane {
 public:
  PushLane(ClientShared* shared, FrameSender* sender, uint32_t server);

  // Takes on the part of `job` that is `fragment`, and settles it with the job in the end.
  void Add(std::shared_ptr<PushJob> job, uint32_t fragment);
  // The job has failed: settles its parts as soon as they don't use its delta any more.
  void Withdraw(const PushJob* job);

  // What the server granted; holds until the next grant.
  void OnReady(size_t credit_bytes, size_t pushes_max);
  // Not OK: the peer broke the protocol.
  absl::Status OnAck(const wire::FrameHeader& ack);
  // The connection has ended for good.
  void FailAll(const absl::Status& status);

  // The codec in use and why. From any thread.
  std::string codec_report() const { return codecs_.report(); }

  Residual& residual() { return residual_; }
  const Residual& residual() const { return residual_; }

 private:
  struct Part {
    std::shared_ptr<PushJob> job;  // null: the push gave up, the part goes on
    uint32_t fragment = 0;
    const Codec* codec = nullptr;  // once it is its turn
    size_t credit_bytes = 0;       // what it holds of the credit
    bool unhashed = false;         // until it leaves over a connection that wants a hash
    std::shared_ptr<PushFrame> frame;
    wire::FrameHeader header;
    StageMarks<ClientPushTimes> marks;  // on from Encode, where the user asks for times
  };

  // `at_once`: on a thread that may look through a fragment itself.
  void Pump(bool at_once = false);
  void PumpAll(bool at_once);
  bool HasRoomFor(size_t bytes) const;
  void Encode(Part part, bool at_once);
  // The encoding is what stands in the delta.
  bool AsItIs(const Part& part) const;
  // On the fragment's codec strand.
  absl::Status EncodeMarked(Part& part);
  absl::Status EncodeHere(Part& part);
  absl::Status Lend(Part& part);
  absl::Status EncodeInBuffer(Part& part);
  void OnEncoded(Part part, const absl::Status& status);
  void SendFirst(Part part);
  void SendAgain(Part& part);
  void SetHash(Part& part);
  // Has the server read the payload where it lies, if it can.
  bool SetShared(Part& part);
  // The server may be reading the part's payload where it lies: leaves that memory to it. False: it can't be left.
  bool LeaveShared(const Part& part);
  void Count(const Part& part, const wire::FrameHeader& ack);
  void TellTimes(const Part& part) const;
  void Release(Part& part);

  // Settle, once the residual has back what was not applied.
  void ReturnDelta(Part part);
  void ReturnEncoded(Part part);
  // With the job, once the transport has let go of what was lent.
  void Settle(Part part);
  // The transport has let go of a frame.
  void OnLetGo(PushFrame& frame);
  // The push gave up: the part goes on with bytes of its own, if there is memory for them. False if there is none.
  bool GoOnAlone(Part& part);

  absl::Span<const float> DeltaOf(const Part& part) const;
  Strand& CodecStrandOf(const Part& part) { return codec_strands_[strand_of_[part.fragment]]; }

  ClientShared* const shared_;
  FrameSender* const sender_;
  std::array<Strand, 2> codec_strands_;
  std::vector<uint8_t> strand_of_;  // by fragment
  Residual residual_;
  LaneCodecs codecs_;

  std::deque<Part> waiting_;
  bool pumping_ = false;
  size_t encoding_ = 0;
  std::deque<Part> unsent_;
  std::map<uint64_t, Part> sent_;  // by sequence
  uint64_t last_sequence_ = 0;
  std::vector<Part> leaving_;  // settled but for what the transport still reads

  size_t bytes_leaving_ = 0;     // with the transport
  size_t send_ahead_bytes_ = 0;  // what may be

  size_t credit_bytes_max_ = 0;  // 0: never ready yet
  size_t parts_max_ = 0;
  size_t credit_bytes_used_ = 0;  // by encoding_, unsent_ and sent_
  size_t parts_under_way_ = 0;
  absl::Status final_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_PUSH_LANE_H_
