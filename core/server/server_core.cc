#include "core/server/server_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tideway/version.h"

namespace tideway {
namespace {

// Payloads under way, decode scratch and control messages of all sessions together.
size_t PoolBytesMax(const ServerOptions& options) {
  return options.sessions_max * (2 * options.credit_bytes + (size_t{4} << 20));
}

wire::FrameHeader ReplyTo(const wire::FrameHeader& pull, uint8_t codec) {
  wire::FrameHeader reply;
  reply.type = static_cast<uint8_t>(wire::FrameType::kPullReply);
  reply.sequence = pull.sequence;
  reply.fragment = pull.fragment;
  reply.elements = pull.elements;
  reply.window = pull.window;
  reply.codec = codec;
  return reply;
}

}  // namespace

ServerCore::ServerCore(Runtime* runtime, ServerOptions options, const Layout& layout)
    : runtime_(runtime),
      options_(std::move(options)),
      layout_(layout),
      started_(runtime->executor().Now()),
      pool_(PoolBytesMax(options_)),
      difference_codecs_(&runtime->codecs(), options_.difference_codecs_max) {}

absl::StatusOr<std::shared_ptr<ServerCore>> ServerCore::Create(Runtime* runtime,
                                                               ServerOptions options,
                                                               const Layout& layout,
                                                               absl::Span<const float> initial,
                                                               const SnapshotContent* snapshot) {
  auto core = std::make_shared<ServerCore>(runtime, std::move(options), layout);
  absl::Status status = core->Configure();
  if (status.ok()) status = core->MakeFragments(initial, snapshot);
  if (!status.ok()) return status;
  return core;
}

absl::Status ServerCore::Configure() {
  if (options_.server_index >= layout_.servers()) {
    return absl::InvalidArgumentError(absl::StrCat("server_index ", options_.server_index,
                                                   " is not below the layout's ", layout_.servers(),
                                                   " servers"));
  }
  if (options_.lease <= absl::ZeroDuration() || options_.sessions_max == 0 ||
      options_.sessions_max > kSessionsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("lease must be positive and sessions_max between 1 and ", kSessionsMax));
  }
  if (options_.difference_codecs_max > kDifferenceCodecsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("difference_codecs_max must be at most ", kDifferenceCodecsMax));
  }
  if (options_.credit_bytes < EncodedBytesMax(layout_.fragment_bytes_max() / sizeof(float))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "credit_bytes must be at least ",
        EncodedBytesMax(layout_.fragment_bytes_max() / sizeof(float)), " for one fragment"));
  }
  auto optimizer = runtime_->outer_optimizers().Create(options_.outer_optimizer);
  if (!optimizer.ok()) return optimizer.status();
  optimizer_ = *std::move(optimizer);
  auto staleness = optim::StalenessPolicy::Create(options_.staleness);
  if (!staleness.ok()) return staleness.status();
  staleness_ = std::make_unique<optim::StalenessPolicy>(*std::move(staleness));
  if (!options_.snapshot_dir.empty()) {
    snapshots_ = std::make_unique<SnapshotFolder>(options_.snapshot_dir, options_.server_index);
  }
  if (options_.server_index != 0) return absl::OkStatus();
  auto leader = Leader::Create(
      &runtime_->executor(), options_.scheduling,
      [weak = weak_from_this()](ServerEvent::Kind kind, uint64_t worker, uint64_t window) {
        if (auto self = weak.lock()) {
          self->Emit({.kind = kind, .worker = worker, .window = window});
        }
      });
  if (!leader.ok()) return leader.status();
  leader_ = *std::move(leader);
  return absl::OkStatus();
}

absl::Status ServerCore::MakeFragments(absl::Span<const float> initial,
                                       const SnapshotContent* snapshot) {
  if (snapshot == nullptr && initial.size() != layout_.elements()) {
    return absl::InvalidArgumentError(
        absl::StrCat("initial has ", initial.size(), " values, the layout ", layout_.elements()));
  }
  if (snapshot != nullptr && snapshot->outer_optimizer != optimizer_->spec()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot was made with ", snapshot->outer_optimizer,
                     ", this server is to use ", optimizer_->spec()));
  }
  for (uint32_t id : layout_.fragments_of(options_.server_index)) {
    const FragmentSpec& spec = layout_.fragments()[id];
    Fragment::State state;
    if (snapshot != nullptr) {
      state = snapshot->fragments.at(id);
    } else {
      auto values = initial.subspan(spec.offset, spec.elements);
      state.theta.assign(values.begin(), values.end());
      state.optimizer = optimizer_->NewState(spec.elements);
    }
    slot_of_[id] = slots_.size();
    slots_.push_back(std::make_unique<Slot>(
        &runtime_->executor(),
        std::make_unique<Fragment>(spec, std::move(state), optimizer_.get(), staleness_.get())));
    if (snapshot != nullptr)
      slots_.back()->fragment->set_durable_version(slots_.back()->fragment->version());
  }
  if (snapshot == nullptr) return absl::OkStatus();
  workers_.Restore(snapshot->workers);
  if (leader_ == nullptr || !snapshot->schedule.has_value()) return absl::OkStatus();
  return leader_->Restore(*snapshot->schedule);
}

// --- time ------------------------------------------------------------------------------------------

void ServerCore::StartTimers() {
  Arm(options_.lease / 4, &ServerCore::CheckLeases);
  if (snapshots_ != nullptr && options_.snapshot_interval > absl::ZeroDuration()) {
    Arm(options_.snapshot_interval, &ServerCore::SnapshotOnTime);
  }
}

void ServerCore::Arm(absl::Duration period, void (ServerCore::*task)()) {
  executor().PostAt(executor().Now() + period, [weak = weak_from_this(), period, task] {
    auto self = weak.lock();
    if (self == nullptr || self->stopped_) return;
    ((*self).*task)();
    self->Arm(period, task);
  });
}

void ServerCore::CheckLeases() {
  for (const auto& worker : workers_.SilentSince(executor().Now() - options_.lease)) {
    const std::string why = absl::StrCat("it was silent for longer than its lease of ",
                                         absl::FormatDuration(options_.lease));
    if (!EndLife(*worker, worker->incarnation(), why)) continue;
    for (const auto& session : SessionsOf(*worker)) {
      session->Refuse(absl::FailedPreconditionError(absl::StrCat(worker->name(), ": ", why)));
    }
  }
}

bool ServerCore::EndLife(Worker& worker, uint64_t incarnation, absl::string_view why) {
  if (!workers_.Retire(worker, incarnation)) return false;
  Log(LogLevel::kInfo, absl::StrCat(worker.name(), " is gone: ", why));
  Emit({.kind = ServerEvent::Kind::kLeave, .worker = worker.id()});
  if (leader_ != nullptr) leader_->Leave(worker.id());
  return true;
}

void ServerCore::Stop() {
  if (stopped_.exchange(true)) return;
  if (leader_ != nullptr) leader_->Stop();
  for (const auto& session : Sessions()) session->Close(absl::CancelledError("the server stopped"));
  // Whoever is emitting has finished when the lock is ours; nobody begins any more.
  absl::MutexLock lock(&event_mutex_);
}

void ServerCore::Emit(ServerEvent event) {
  if (!options_.on_event) return;
  absl::MutexLock lock(&event_mutex_);
  if (stopped_) return;
  event.time = executor().Now();
  options_.on_event(event);
}

// --- sessions --------------------------------------------------------------------------------------

std::shared_ptr<Receiver> ServerCore::Accept(std::shared_ptr<Connection> connection) {
  std::shared_ptr<Session> session;
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_ || sessions_.size() >= options_.sessions_max) {
      sessions_refused_.fetch_add(1);
      return nullptr;
    }
    // Session ids are random, so that a frame of another server or life is recognised.
    uint64_t id = 0;
    while (id == 0 || sessions_.contains(id)) id = executor().Random();
    session = std::make_shared<Session>(shared_from_this(), id, std::move(connection));
    sessions_.emplace(id, session);
  }
  session->StartGreetingTimer();
  return session;
}

void ServerCore::SetOffer(const wire::Offer& offer) {
  absl::MutexLock lock(&mutex_);
  offer_ = offer;
}

wire::Offer ServerCore::offer() const {
  absl::MutexLock lock(&mutex_);
  return offer_;
}

// A copy: sessions close, and so leave the table, while one goes over them.
std::vector<std::shared_ptr<Session>> ServerCore::Sessions() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<Session>> sessions;
  sessions.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) sessions.push_back(session);
  return sessions;
}

std::vector<std::shared_ptr<Session>> ServerCore::SessionsOf(const Worker& worker) const {
  std::vector<std::shared_ptr<Session>> sessions = Sessions();
  std::erase_if(sessions, [&](const auto& session) { return !session->IsOpenFor(worker.id()); });
  return sessions;
}

void ServerCore::SessionClosed(uint64_t id, bool exposed) {
  if (exposed) one_sided_sessions_.fetch_sub(1);
  absl::MutexLock lock(&mutex_);
  sessions_.erase(id);
}

// --- pushes and pulls ------------------------------------------------------------------------------

absl::Status ServerCore::CheckFragment(const wire::FrameHeader& header) const {
  auto it = slot_of_.find(header.fragment);
  if (it == slot_of_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("fragment ", header.fragment, " is not of this server"));
  }
  const FragmentSpec& spec = slots_[it->second]->fragment->spec();
  if (header.elements == spec.elements) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "fragment ", header.fragment, " has ", spec.elements, " elements, not ", header.elements));
}

void ServerCore::HandlePull(const std::shared_ptr<Session>& session,
                            const wire::FrameHeader& header) {
  Slot& slot = this->slot(header.fragment);
  slot.publishes_left.store(kPublishesPerAsk);
  if (session->identity().differences != nullptr) {
    slot.strand.PostUrgent([self = shared_from_this(), &slot, session, header] {
      if (!self->stopped_) self->AnswerByDifferences(slot, session, header);
    });
    return;
  }
  auto published = slot.fragment->TryPublished(header.window);
  if (published != nullptr && published->Find(*session->identity().codec_down) != nullptr) {
    return AnswerPull(session, header, std::move(published));
  }
  // In front of the pushes that wait: a pull waits for the one that is running at most.
  slot.strand.PostUrgent([self = shared_from_this(), &slot, session, header] {
    if (self->stopped_) return;
    self->AnswerPull(session, header, slot.fragment->Publish(header.window));
  });
}

void ServerCore::AnswerPull(const std::shared_ptr<Session>& session,
                            const wire::FrameHeader& header, std::shared_ptr<Published> published) {
  const Codec& codec = *session->identity().codec_down;
  wire::FrameHeader reply = ReplyTo(header, codec.info().wire_id);
  auto encoded = published->Encode(codec);
  if (!encoded.ok()) return session->FailPull(reply, encoded.status());
  reply.fragment_version = published->version();
  EmitPublish(*session, header, published->version());
  session->AnswerPull(reply, (*encoded)->bytes, (*encoded)->hash, std::move(published));
}

void ServerCore::AnswerByDifferences(Slot& slot, const std::shared_ptr<Session>& session,
                                     const wire::FrameHeader& header) {
  const auto& codec = session->identity().differences;
  PublishedChain::Answer answer =
      slot.fragment->AnswerByDifferences(header.window, codec, wire::HeldOf(header),
                                         executor().Random(), options_.difference_codecs_max);
  wire::FrameHeader reply = ReplyTo(header, kIdentityWireId);
  wire::SetReached(answer.reached, reply);
  if (answer.start.has_value()) {
    reply.flags = wire::kFlagDifferences;
    reply.codec = codec->info().wire_id;
    wire::SetStart(answer.start->version, reply);
  }
  EmitPublish(*session, header, answer.reached.version);
  session->AnswerPull(reply, answer.bytes, answer.hash, std::move(answer.memory));
}

void ServerCore::EmitPublish(const Session& session, const wire::FrameHeader& header,
                             uint64_t version) {
  Emit({.kind = ServerEvent::Kind::kPublish,
        .worker = session.worker() == nullptr ? 0 : session.worker()->id(),
        .sequence = header.sequence,
        .fragment = header.fragment,
        .version = version,
        .window = header.window});
}

}  // namespace tideway
