// Domain: a device with what a transport instance needs to use it: one completion queue, one table of addresses, and two
// endpoints, one for the connections that this side began and one for those that it accepted (so that a process may connect
// to itself). All connections over one provider and one local address share it.
//
// Frames are sent from, and received into, slots made once. A read brings bytes straight to where they belong. Nothing waits
// in here: what can't go now is refused with kLater, and OnRoom tells when to try again.
//
// libfabric can't take back what it does for one peer. Where memory must come back from a peer that stands still, the domain is
// therefore retired: its endpoints are closed and all its connections with them; whoever connects next gets a fresh one.
//
// Used by the loop's thread only.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_DOMAIN_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_DOMAIN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/runtime/ring_queue.h"
#include "rdma/fi_endpoint.h"
#include "transports/libfabric/loop.h"
#include "transports/libfabric/memory.h"

namespace tideway::libfabric {

enum class Role { kActive = 0, kPassive = 1 };

enum class Outcome { kOut, kLater, kBroken };

// A connection, seen from its domain.
class FabricUser {
 public:
  virtual ~FabricUser() = default;
  virtual void OnFrame(absl::Span<const std::byte> frame) = 0;
  virtual void OnFrameFailed(const absl::Status& status) = 0;
  virtual void OnRead(void* transfer, size_t bytes, const absl::Status& status) = 0;
  virtual void OnRoom() = 0;
  // The domain is retired: its endpoints are closed, nothing is under way any more. Calls RemoveUser.
  virtual void OnRetired(const absl::Status& reason) = 0;
};

class Domain final : public Pollable, public std::enable_shared_from_this<Domain> {
 public:
  // UNAVAILABLE, with libfabric's reason.
  static absl::StatusOr<std::shared_ptr<Domain>> Open(Loop* loop, const Provider& provider,
                                                      const std::string& local_ip);
  ~Domain() override;

  const Provider& provider() const { return device_->provider(); }
  const std::shared_ptr<Device>& device() const { return device_; }
  size_t frame_bytes() const { return provider().frame_bytes; }
  const std::string& address(Role role) const { return ends_[Index(role)].address; }
  uint64_t id() const { return id_; }
  // 8 bytes at a fixed place, for the peer to try to read.
  const uint64_t& cookie() const { return cookie_; }

  // Whether libfabric can be given this as a peer's address: it is not told how long that is. INVALID_ARGUMENT.
  absl::Status CheckPeerAddress(const std::string& address) const;
  // The number of the endpoint with this address. Each is dropped as often as it was added. REQUIRES: it was checked.
  // UNAVAILABLE: libfabric can't use it, or the domain is retired.
  absl::StatusOr<fi_addr_t> AddPeer(const std::string& address);
  void DropPeer(const std::string& address);

  // A fresh name for a connection, which a stranger can't guess.
  uint64_t NewId();
  void AddUser(uint64_t id, FabricUser* user) { users_.emplace(id, user); }
  void RemoveUser(uint64_t id, FabricUser* user);

  // Where to build the next frame; empty if there is no room now.
  absl::Span<std::byte> FrameBuffer();
  // Sends what was built there. A failure that comes later is told to the user `id`.
  Outcome SendFrame(Role role, fi_addr_t peer, size_t bytes, uint64_t id);
  // Reads into `local`; `user` gets OnRead with `transfer`, and lives until then.
  Outcome Read(Role role, fi_addr_t peer, absl::Span<std::byte> local, void* descriptor,
               uint64_t address, uint64_t key, FabricUser* user, void* transfer);
  // OnRoom is called once, after something has moved.
  void AwaitRoom(FabricUser* user);

  // Soon, but not within this call: closes the endpoints, and every user with `reason`.
  void RetireSoon(const absl::Status& reason);
  bool retired() const { return shut_; }

  bool Progress() override;
  int wait_descriptor() const override { return wait_descriptor_; }
  bool MayWait() override;
  bool busy() const override { return under_way_ > 0 || !waiting_for_room_.empty(); }
  void Shut() override;

 private:
  // What a completion is about. The provider may use `context`, which therefore stands first.
  struct Operation {
    enum class Kind : uint8_t { kReceive, kSend, kRead };
    fi_context2 context = {};
    Kind kind = Kind::kReceive;
    size_t slot = 0;
    Role role = Role::kActive;   // kReceive
    uint64_t user_id = 0;        // kSend
    FabricUser* user = nullptr;  // kRead
    void* transfer = nullptr;
    size_t bytes = 0;
    bool under_way = false;  // kRead
  };
  struct End {
    Fid<fid_ep> endpoint;
    std::string address;
  };
  struct KnownPeer {
    fi_addr_t number = FI_ADDR_UNSPEC;
    size_t users = 0;
    bool listed = false;  // in idle_peers_
  };

  static constexpr size_t Index(Role role) { return static_cast<size_t>(role); }

  Domain(Loop* loop, std::shared_ptr<Device> device);
  absl::Status OpenQueues();
  absl::Status OpenEnd(Role role);
  absl::Status MakeSlots();
  absl::Span<std::byte> Slot(size_t index);
  void PostReceive(Operation& operation);
  void RepostReceives();
  void OnCompletion(Operation& operation, size_t bytes);
  void OnErrors();
  void FailNamelessReads();
  void OnFailure(Operation& operation, const absl::Status& status);
  void Free(Operation& operation);
  void Drain();
  void ForgetIdlePeers();
  void Retire(const absl::Status& reason);

  Loop* const loop_;
  const std::shared_ptr<Device> device_;
  const uint64_t id_;
  const uint64_t cookie_;
  Fid<fid_cq> queue_;
  Fid<fid_av> peers_;
  std::array<End, 2> ends_;
  int wait_descriptor_ = -1;
  bool shut_ = false;

  std::vector<std::byte> memory_;  // all slots
  Registration registration_;
  void* descriptor_ = nullptr;
  std::vector<Operation> receives_;
  std::vector<Operation*> unposted_;
  std::vector<Operation> sends_;
  std::vector<Operation*> free_sends_;
  std::vector<Operation> reads_;
  std::vector<Operation*> free_reads_;
  size_t nameless_errors_ = 0;
  absl::Status nameless_error_;
  size_t under_way_ = 0;

  absl::flat_hash_map<std::string, KnownPeer> known_peers_;
  RingQueue<std::string> idle_peers_;
  absl::flat_hash_map<uint64_t, FabricUser*> users_;
  uint32_t next_user_ = 1;
  std::vector<FabricUser*> waiting_for_room_;
  std::vector<FabricUser*> getting_room_;
  uint64_t strange_frames_ = 0;
};

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_DOMAIN_H_
