// OfiConnection: messages over a fabric's endpoints, which know no connections, and a side channel, which does.
//
// Send and Close may come from any thread: Send puts the message into a bounded queue under a mutex and wakes the progress
// thread if it has not been woken; all else happens there. No callback is made while the mutex is held.
//
// Closing takes care that nobody touches memory that was given back: first the reads of this end are waited for, then the
// peer is told, which ends its reads and tells back; only then do the completions fire. A peer that is there but does not tell is
// waited for kQuiescePatience. Then its reads end with the registration of what it reads, where an adapter or the peer's kernel
// carries them out; where this process answers them, it may be in the middle of an answer, which ends only with the endpoint: the
// domain is retired. So it is where reads of this end do not end within that time after the peer did.
//
// The handle stays valid after its transport was destroyed, but must not be called any more, only dropped.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_CONNECTION_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_CONNECTION_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "core/runtime/ring_queue.h"
#include "core/runtime/send_queue.h"
#include "tideway/transport.h"
#include "transports/libfabric/domain.h"
#include "transports/libfabric/frame.h"
#include "transports/libfabric/greeting.h"
#include "transports/libfabric/loop.h"
#include "transports/libfabric/one_sided.h"
#include "transports/libfabric/outbox.h"
#include "transports/libfabric/side_channel.h"
#include "transports/libfabric/transfers.h"

namespace tideway::libfabric {

class OfiConnection final : public Connection,
                            public Closable,
                            public Watcher,
                            public FabricUser,
                            public std::enable_shared_from_this<OfiConnection> {
 public:
  struct Setup {
    std::shared_ptr<Loop> loop;
    std::shared_ptr<Domain> domain;
    Role role = Role::kActive;
    Descriptor side;
    uint64_t id = 0;    // from Domain::NewId
    Greeting peer;      // what the other end said
    std::string local;  // address of this end
    fi_addr_t peer_number = FI_ADDR_UNSPEC;
    std::string one_sided;  // why not; empty: reads work
  };

  // Loop's thread. CANCELLED: the loop is stopping.
  static absl::StatusOr<std::shared_ptr<OfiConnection>> Create(Setup setup);
  explicit OfiConnection(Setup setup);  // use Create
  ~OfiConnection() override;

  void Send(Message message, absl::Time deadline, Done done) override;
  void Close(absl::Status reason) override;
  ConnectionInfo info() const override { return info_; }
  OneSided* one_sided() override { return one_sided_.has_value() ? &*one_sided_ : nullptr; }

  // A read for OneSided. Any thread.
  void ReadRemote(RemotePart part, absl::Span<std::byte> local, absl::Time deadline, Done done);
  // Has `done` fire with `status`. Any thread.
  void Answer(Done done, absl::Status status);
  bool closing() const { return closing_; }

  // The rest: loop's thread.
  // Begins to receive. `ready`: the peer can receive already.
  void Start(std::shared_ptr<Receiver> receiver, bool ready);
  void WriteNote(NoteKind kind) { side_.Write(kind, 0); }
  // Writes a greeting, where nothing else was written yet.
  absl::Status WriteGreeting(const std::string& bytes);

  void CloseOnLoop(const absl::Status& reason) override;
  void Abandon() override;
  absl::Time OnTime(absl::Time now) override;
  void OnReady(uint32_t events) override;
  void OnFrame(absl::Span<const std::byte> bytes) override;
  void OnFrameFailed(const absl::Status& status) override;
  void OnRead(void* transfer, size_t bytes, const absl::Status& status) override;
  void OnRoom() override { Flush(); }
  void OnRetired(const absl::Status& reason) override;

 private:
  void TakeSends();
  void Flush();
  bool SendNotes();
  bool SendMessages();
  // False: later, or the connection closes.
  bool SendFrame(Frame& frame, absl::Span<const absl::Span<const std::byte>> payload);
  bool Went(Outcome outcome);
  void CompleteSends();

  absl::Status HandleFrame(const Frame& frame);
  absl::Status HandleMessage(const Frame& frame);
  void OnNote(const Note& note);
  void OnPeerGone(const absl::Status& status);
  void BeginRead(Transfer* transfer);
  void FinishRead(Transfer* transfer);
  void CloseForPeersError(const absl::Status& status);
  void TryFinish();
  // Begins to be patient, and says whether that was long enough.
  bool OutOfPatience();
  void Finish();

  const std::shared_ptr<Loop> loop_;
  const std::shared_ptr<Domain> domain_;
  const Role role_;
  const uint64_t id_;
  const fi_addr_t peer_number_;
  const std::string peer_address_;
  const uint64_t peer_id_;
  const size_t frame_bytes_;
  ConnectionInfo info_;
  std::atomic<bool> closing_{false};  // Close was called, or it closes
  std::optional<OfiOneSided> one_sided_;
  SendQueue queue_;

  // The rest belongs to the loop's thread.
  SideChannel side_;
  std::shared_ptr<Receiver> receiver_;
  Outbox outbox_;
  Transfers transfers_;
  RingQueue<SendOp> arriving_;      // reused by TakeSends
  RingQueue<uint32_t> read_notes_;  // payloads that were read, not yet told
  uint32_t received_ = 0;
  uint32_t finished_ = 0;
  uint32_t finished_told_ = 0;
  bool peer_ready_ = false;
  bool peer_gone_ = false;
  std::optional<uint32_t> peer_sent_;  // the peer has said bye, after so many messages
  absl::Time bye_deadline_ = absl::InfiniteFuture();
  absl::Time armed_deadline_ = absl::InfiniteFuture();
  absl::Time heard_at_ = absl::InfinitePast();
  bool ending_ = false;  // CloseOnLoop was called
  bool said_bye_ = false;
  bool abandoned_ = false;
  bool finished_closing_ = false;
  absl::Status reason_;
  absl::Time quiesce_deadline_ = absl::InfiniteFuture();
};

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_CONNECTION_H_
