#include "transports/libfabric/domain.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rdma/fi_cm.h"
#include "rdma/fi_errno.h"
#include "rdma/fi_rma.h"
#include "transports/common/signal_handlers.h"
#include "transports/libfabric/frame.h"
#include "transports/libfabric/own_endpoints.h"

namespace tideway::libfabric {
namespace {

constexpr size_t kReceivesMax = 128;  // per endpoint
constexpr size_t kSendsMax = 128;
constexpr size_t kReadsMax = 64;
constexpr size_t kBatch = 32;
constexpr int kBatchesPerTurn = 4;
// Peers without a connection whose addresses are kept, since they often come again.
constexpr size_t kIdlePeersMax = 64;
constexpr size_t kAddressBytesMax = 255;
// The queue counts as drained after so many looks that found nothing; and so many looks are enough.
constexpr int kQuietTurns = 256;
constexpr int kDrainTurnsMax = 20'000;

size_t AtMost(size_t wanted, size_t offered) {
  return offered == 0 ? wanted : std::min(wanted, offered);
}

}  // namespace

absl::StatusOr<std::shared_ptr<Domain>> Domain::Open(Loop* loop, const Provider& provider,
                                                     const std::string& local_ip) {
  const SignalHandlersKept kept;  // the shm provider installs some with its first endpoint
  absl::StatusOr<std::shared_ptr<Device>> device = Device::Open(provider, local_ip);
  if (!device.ok()) return device.status();
  std::shared_ptr<Domain> domain(new Domain(loop, *std::move(device)));
  absl::Status status = domain->OpenQueues();
  if (status.ok()) status = domain->MakeSlots();
  for (const Role role : {Role::kActive, Role::kPassive}) {
    if (status.ok()) status = domain->OpenEnd(role);
  }
  if (!status.ok()) return status;
  return domain;
}

Domain::Domain(Loop* loop, std::shared_ptr<Device> device)
    : loop_(loop),
      device_(std::move(device)),
      id_(loop->executor().Random()),
      cookie_(loop->executor().Random()) {}

Domain::~Domain() { Shut(); }

absl::Status Domain::OpenQueues() {
  fi_cq_attr attributes = {};
  attributes.size = 2 * (kReceivesMax + kSendsMax + kReadsMax);
  if (provider().queue_size != 0) attributes.size = 0;
  attributes.format = FI_CQ_FORMAT_MSG;
  attributes.wait_obj = FI_WAIT_FD;
  fid_cq* queue = nullptr;
  int error = fi_cq_open(device_->domain(), &attributes, &queue, nullptr);
  if (error == 0) {
    (void)fi_control(&queue->fid, FI_GETWAIT, &wait_descriptor_);
  } else {
    attributes.wait_obj = FI_WAIT_NONE;
    error = fi_cq_open(device_->domain(), &attributes, &queue, nullptr);
  }
  if (error != 0) return FabricError(absl::StrCat(provider().scheme, ": opening a queue"), error);
  queue_.reset(queue);
  fi_av_attr table = {};
  table.type = FI_AV_TABLE;
  fid_av* peers = nullptr;
  error = fi_av_open(device_->domain(), &table, &peers, nullptr);
  if (error != 0) return FabricError(absl::StrCat(provider().scheme, ": opening a table"), error);
  peers_.reset(peers);
  return absl::OkStatus();
}

absl::Status Domain::MakeSlots() {
  const fi_info* info = device_->info();
  const size_t receives = AtMost(kReceivesMax, info->rx_attr->size);
  const size_t sends = AtMost(kSendsMax, info->tx_attr->size / 2);
  receives_.resize(2 * receives);
  sends_.resize(sends);
  reads_.resize(AtMost(kReadsMax, info->tx_attr->size / 2));
  memory_.resize((receives_.size() + sends_.size()) * frame_bytes());
  if (device_->registers_local()) {
    absl::StatusOr<Registration> registration =
        Registration::Create(*device_, memory_.data(), memory_.size(), FI_SEND | FI_RECV);
    if (!registration.ok()) return registration.status();
    registration_ = *std::move(registration);
    descriptor_ = registration_.descriptor();
  }
  for (size_t i = 0; i < receives_.size(); ++i) {
    receives_[i].kind = Operation::Kind::kReceive;
    receives_[i].slot = i;
    receives_[i].role = i < receives ? Role::kActive : Role::kPassive;
    unposted_.push_back(&receives_[i]);
  }
  for (size_t i = 0; i < sends_.size(); ++i) {
    sends_[i].kind = Operation::Kind::kSend;
    sends_[i].slot = receives_.size() + i;
    free_sends_.push_back(&sends_[i]);
  }
  for (Operation& read : reads_) {
    read.kind = Operation::Kind::kRead;
    free_reads_.push_back(&read);
  }
  return absl::OkStatus();
}

absl::Status Domain::OpenEnd(Role role) {
  const auto failed = [&](int error) {
    return FabricError(absl::StrCat(provider().scheme, ": opening an endpoint"), error);
  };
  End& end = ends_[Index(role)];
  fid_ep* endpoint = nullptr;
  int error = fi_endpoint(device_->domain(), device_->info(), &endpoint, nullptr);
  if (error != 0) return failed(error);
  end.endpoint.reset(endpoint);
  error = fi_ep_bind(endpoint, &queue_->fid, FI_SEND | FI_RECV);
  if (error == 0) error = fi_ep_bind(endpoint, &peers_->fid, 0);
  if (error == 0) error = fi_enable(endpoint);
  if (error != 0) return failed(error);
  std::array<char, kAddressBytesMax> name;
  size_t bytes = name.size();
  error = fi_getname(&endpoint->fid, name.data(), &bytes);
  if (error != 0) return failed(error);
  end.address.assign(name.data(), bytes);
  NoteOpened(end.address);
  if (role == Role::kPassive) RepostReceives();  // both endpoints are there
  return absl::OkStatus();
}

absl::Span<std::byte> Domain::Slot(size_t index) {
  return absl::MakeSpan(memory_).subspan(index * frame_bytes(), frame_bytes());
}

void Domain::PostReceive(Operation& operation) {
  const absl::Span<std::byte> slot = Slot(operation.slot);
  const int64_t error = fi_recv(ends_[Index(operation.role)].endpoint.get(), slot.data(),
                                slot.size(), descriptor_, FI_ADDR_UNSPEC, &operation.context);
  if (error != 0) unposted_.push_back(&operation);
}

void Domain::RepostReceives() {
  std::vector<Operation*> again;
  again.swap(unposted_);
  for (Operation* operation : again) PostReceive(*operation);
}

absl::Status Domain::CheckPeerAddress(const std::string& address) const {
  const std::string& own = ends_[0].address;
  const bool text = device_->info()->addr_format == FI_ADDR_STR;
  const bool fits = text ? !address.empty() && address.find('\0') == address.size() - 1
                         : address.size() == own.size();
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a fabric address of ", address.size(),
                                                 " bytes is none of ", provider().scheme));
}

absl::StatusOr<fi_addr_t> Domain::AddPeer(const std::string& address) {
  if (shut_)
    return absl::UnavailableError(absl::StrCat(provider().scheme, " was just opened anew here"));
  const auto [found, fresh] = known_peers_.try_emplace(address);
  KnownPeer& peer = found->second;
  if (fresh) {
    const int count = InsertOpen(address, [&] {
      return fi_av_insert(peers_.get(), address.data(), 1, &peer.number, 0, nullptr);
    });
    if (count != 1) {
      known_peers_.erase(found);
      return absl::UnavailableError(
          absl::StrCat(provider().scheme, ": the peer's address can't be used"));
    }
  }
  ++peer.users;
  return peer.number;
}

void Domain::DropPeer(const std::string& address) {
  const auto found = known_peers_.find(address);
  if (found == known_peers_.end() || --found->second.users > 0) return;
  if (std::exchange(found->second.listed, true)) return;
  idle_peers_.push_back(address);
  ForgetIdlePeers();
}

void Domain::ForgetIdlePeers() {
  while (!shut_ && idle_peers_.size() > kIdlePeersMax) {
    const auto found = known_peers_.find(idle_peers_.pop_front());
    if (found == known_peers_.end()) continue;
    found->second.listed = false;
    if (found->second.users > 0) continue;
    (void)fi_av_remove(peers_.get(), &found->second.number, 1, 0);
    known_peers_.erase(found);
  }
}

uint64_t Domain::NewId() { return (loop_->executor().Random() << 32) | next_user_++; }

void Domain::RemoveUser(uint64_t id, FabricUser* user) {
  users_.erase(id);
  std::erase(waiting_for_room_, user);
  std::replace(getting_room_.begin(), getting_room_.end(), user, static_cast<FabricUser*>(nullptr));
}

absl::Span<std::byte> Domain::FrameBuffer() {
  if (free_sends_.empty() || shut_) return {};
  return Slot(free_sends_.back()->slot);
}

Outcome Domain::SendFrame(Role role, fi_addr_t peer, size_t bytes, uint64_t id) {
  Operation& operation = *free_sends_.back();
  const absl::Span<std::byte> slot = Slot(operation.slot);
  fid_ep* endpoint = ends_[Index(role)].endpoint.get();
  if (bytes <= device_->info()->tx_attr->inject_size) {
    const int64_t error = fi_inject(endpoint, slot.data(), bytes, peer);
    return error == 0 ? Outcome::kOut : error == -FI_EAGAIN ? Outcome::kLater : Outcome::kBroken;
  }
  operation.user_id = id;
  const int64_t error =
      fi_send(endpoint, slot.data(), bytes, descriptor_, peer, &operation.context);
  if (error == -FI_EAGAIN) return Outcome::kLater;
  if (error != 0) return Outcome::kBroken;
  free_sends_.pop_back();
  ++under_way_;
  return Outcome::kOut;
}

Outcome Domain::Read(Role role, fi_addr_t peer, absl::Span<std::byte> local, void* descriptor,
                     uint64_t address, uint64_t key, FabricUser* user, void* transfer) {
  if (free_reads_.empty()) return Outcome::kLater;
  Operation& operation = *free_reads_.back();
  operation.user = user;
  operation.transfer = transfer;
  operation.bytes = local.size();
  const int64_t error = fi_read(ends_[Index(role)].endpoint.get(), local.data(), local.size(),
                                descriptor, peer, address, key, &operation.context);
  if (error == -FI_EAGAIN) return Outcome::kLater;
  if (error != 0) return Outcome::kBroken;
  free_reads_.pop_back();
  operation.under_way = true;
  ++under_way_;
  return Outcome::kOut;
}

void Domain::AwaitRoom(FabricUser* user) {
  if (std::find(waiting_for_room_.begin(), waiting_for_room_.end(), user) ==
      waiting_for_room_.end())
    waiting_for_room_.push_back(user);
}

bool Domain::Progress() {
  if (shut_) return false;
  bool worked = false;
  for (int batch = 0; batch < kBatchesPerTurn; ++batch) {
    std::array<fi_cq_msg_entry, kBatch> entries;
    const int64_t count = fi_cq_read(queue_.get(), entries.data(), entries.size());
    if (count == -FI_EAVAIL) OnErrors();
    if (count == -FI_EAVAIL) worked = true;
    if (count <= 0) break;
    worked = true;
    for (int64_t i = 0; i < count; ++i) {
      const fi_cq_msg_entry& entry = entries[static_cast<size_t>(i)];
      if (entry.op_context != nullptr)
        OnCompletion(*static_cast<Operation*>(entry.op_context), entry.len);
    }
  }
  if (nameless_errors_ > 0) FailNamelessReads();
  if (!unposted_.empty()) RepostReceives();
  if (!waiting_for_room_.empty()) {
    getting_room_.swap(waiting_for_room_);
    for (size_t i = 0; i < getting_room_.size(); ++i) {
      if (getting_room_[i] != nullptr) getting_room_[i]->OnRoom();
    }
    getting_room_.clear();
  }
  return worked;
}

void Domain::OnCompletion(Operation& operation, size_t bytes) {
  if (operation.kind != Operation::Kind::kReceive) {
    FabricUser* user = operation.user;
    void* transfer = operation.transfer;
    const size_t read_bytes = operation.bytes;
    const bool read = operation.kind == Operation::Kind::kRead;
    Free(operation);
    if (read) user->OnRead(transfer, read_bytes, absl::OkStatus());
    return;
  }
  const absl::Span<const std::byte> frame =
      Slot(operation.slot).first(std::min(bytes, frame_bytes()));
  const absl::StatusOr<uint64_t> id = FrameConnection(frame);
  const auto user = users_.find(id.ok() ? *id : 0);
  if (user != users_.end()) {
    user->second->OnFrame(frame);
  } else if (!id.ok() && strange_frames_++ == 0) {
    // A frame for a connection that is closed by now is no news, but this is; once is enough.
    loop_->Log(LogLevel::kWarning,
               absl::StrCat("libfabric: ", provider().scheme, ": ", id.status().message()));
  }
  PostReceive(operation);
}

void Domain::OnErrors() {
  fi_cq_err_entry entry = {};
  while (fi_cq_readerr(queue_.get(), &entry, 0) == 1) {
    std::array<char, 128> text = {};
    const char* said =
        fi_cq_strerror(queue_.get(), entry.prov_errno, entry.err_data, text.data(), text.size());
    const absl::Status status = absl::UnavailableError(absl::StrCat(
        provider().scheme, ": ", fi_strerror(entry.err), " (", said == nullptr ? "" : said, ")"));
    if (entry.op_context != nullptr) {
      OnFailure(*static_cast<Operation*>(entry.op_context), status);
    } else {
      ++nameless_errors_;
      nameless_error_ = status;
    }
    entry = {};
  }
}

// The shm provider of libfabric 1.17 does not say which read has failed where the kernel refuses to copy, as it does when a
// peer gave its memory back. Those reads end within the call, so once as many are under way as have failed, these are they.
void Domain::FailNamelessReads() {
  std::vector<Operation*> failed;
  for (Operation& read : reads_) {
    if (read.under_way) failed.push_back(&read);
  }
  if (failed.size() > nameless_errors_) return;
  nameless_errors_ = 0;
  for (Operation* read : failed) OnFailure(*read, nameless_error_);
}

void Domain::OnFailure(Operation& operation, const absl::Status& status) {
  FabricUser* user = operation.user;
  void* transfer = operation.transfer;
  const auto sender = users_.find(operation.user_id);
  switch (operation.kind) {
    case Operation::Kind::kReceive:
      unposted_.push_back(&operation);
      break;
    case Operation::Kind::kSend:
      Free(operation);
      if (sender != users_.end()) sender->second->OnFrameFailed(status);
      break;
    case Operation::Kind::kRead:
      Free(operation);
      user->OnRead(transfer, 0, status);
      break;
  }
}

void Domain::Free(Operation& operation) {
  --under_way_;
  operation.under_way = false;
  const bool send = operation.kind == Operation::Kind::kSend;
  (send ? free_sends_ : free_reads_).push_back(&operation);
}

bool Domain::MayWait() {
  if (wait_descriptor_ < 0 || shut_) return true;
  fid* descriptor = &queue_->fid;
  return fi_trywait(device_->fabric(), &descriptor, 1) == 0;
}

void Domain::RetireSoon(const absl::Status& reason) {
  loop_->Post([self = shared_from_this(), reason] { self->Retire(reason); });
}

void Domain::Retire(const absl::Status& reason) {
  if (shut_) return;
  loop_->Log(LogLevel::kWarning,
             absl::StrCat("libfabric: closing all ", users_.size(), " connections over ",
                          provider().scheme, ": ", reason.message()));
  loop_->RemovePollable(this);
  Shut();
  while (!users_.empty()) users_.begin()->second->OnRetired(reason);
}

// ofi_rxm 1.17 handles what has arrived on a connection once more after it has closed it, and crashes then. So nothing may
// wait when an endpoint is closed. One call handles one arrival, and does not say so if we are not concerned.
void Domain::Drain() {
  std::array<fi_cq_msg_entry, kBatch> entries;
  for (int quiet = 0, turn = 0; quiet < kQuietTurns && turn < kDrainTurnsMax; ++quiet, ++turn) {
    const int64_t count = fi_cq_read(queue_.get(), entries.data(), entries.size());
    fi_cq_err_entry error = {};
    if (count == -FI_EAVAIL) (void)fi_cq_readerr(queue_.get(), &error, 0);
    if (count != -FI_EAGAIN) quiet = 0;
  }
}

void Domain::Shut() {
  if (std::exchange(shut_, true)) return;
  const bool opened = !ends_.back().address.empty();
  for (End& end : ends_) {
    if (opened) Drain();
    CloseOwn(end.address, [&end] { end.endpoint.reset(); });
  }
  peers_.reset();
  queue_.reset();
  registration_ = {};
}

}  // namespace tideway::libfabric
