// PathProbe: one look at one path: connects, asks the server what it offers (if wanted), measures (if wanted), and closes.
//
//   connecting  -> connected                  -> discovering, if wanted
//   discovering -> offer                      -> pinging, if wanted
//   pinging     -> all acknowledged           -> streaming: 64 KiB first, again where slow; then 2 MiB some times
//   streaming   -> acknowledged               -> done
//   any         -> closed, refused, too late  -> done, with the reason
//
// Some ten milliseconds on a good path; bounded by the deadline on any other.
//
// Threads: Start and `done` on the client's state strand; frames are placed on the transport's thread.

#ifndef TIDEWAY_CORE_CLIENT_PATH_PROBE_H_
#define TIDEWAY_CORE_CLIENT_PATH_PROBE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/client/client_shared.h"
#include "core/wire/control.h"
#include "core/wire/frame.h"
#include "tideway/transport.h"

namespace tideway {

class PathProbe final : public Receiver, public std::enable_shared_from_this<PathProbe> {
 public:
  struct Result {
    absl::Status status;  // OK: everything that was wanted is there
    std::optional<wire::Offer> offer;
    // The shortest round trip of an empty message: on a busy host the others tell of the processor, not of the path.
    absl::Duration latency;
    double bandwidth_bytes_per_s = 0;  // 0: not measured
  };
  using Done = absl::AnyInvocable<void(Result)>;
  struct Wish {
    bool discover = false;
    bool measure = false;
  };

  // `shared` outlives the probe's connection: the probe keeps its owner alive from connecting on.
  PathProbe(ClientShared* shared, Uri uri, Wish wish, Done done);

  void Start(absl::Duration timeout);
  // Ends it early; `done` is told.
  void Cancel(const absl::Status& why) { Finish(why); }

  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override;
  void OnClosed(const absl::Status& reason) override;

 private:
  enum class Phase { kConnecting, kDiscovering, kPinging, kTrying, kStreaming, kDone };

  void OnConnected(absl::StatusOr<std::shared_ptr<Connection>> connection);
  void Discover();
  void OnOffer(absl::Span<const std::byte> payload);
  void BeginMeasuring();
  absl::Status MakePayload();
  void SendProbe(size_t payload_bytes);
  void OnProbeAck(absl::Time arrived);
  void OnPing(absl::Duration round_trip);
  void OnTrial(absl::Duration span);
  void OnStream(absl::Duration span);
  void SendStream();
  absl::StatusOr<Landing> LandControl(const wire::FrameHeader& header);
  void Finish(absl::Status status);

  ClientShared* const shared_;
  const Uri uri_;
  const Wish wish_;
  Done done_;  // null: finished
  Result result_;
  Phase phase_ = Phase::kConnecting;
  std::shared_ptr<void>
      owner_;  // of shared_, while the connection lives; the transport's thread, or before it begins
  std::shared_ptr<Connection> connection_;
  TimerId timer_ = 0;
  std::shared_ptr<Buffer> payload_;  // of all probes; null: none has had one
  uint64_t sequence_ = 0;
  size_t unacknowledged_ = 0;
  int trials_ = 0;  // that were slow
  int streams_ = 0;
  absl::Time began_;
  std::vector<absl::Duration> round_trips_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_PATH_PROBE_H_
