#include "core/client/one_sided_puller.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/wire/frame.h"
#include "tideway/buffer.h"

namespace tideway {
namespace {

constexpr size_t kEntriesPerRead = kDirectoryReadBytesMax / wire::kDirectoryEntryBytes;

absl::Span<std::byte> BytesOf(absl::Span<float> values) {
  return {reinterpret_cast<std::byte*>(values.data()), values.size() * sizeof(float)};
}

absl::Span<const std::byte> BytesOf(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// The end of the connection, which is no news to its owner.
bool Closing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsCancelled(status) ||
         absl::IsDeadlineExceeded(status);
}

wire::AreaPlan PlanOf(const Layout& layout, uint32_t server) {
  std::vector<size_t> elements;
  for (const uint32_t id : layout.fragments_of(server)) {
    elements.push_back(layout.fragments()[id].elements);
  }
  return wire::AreaPlan(elements);
}

}  // namespace

OneSidedPuller::OneSidedPuller(ClientShared* shared, uint32_t server, Done done)
    : shared_(shared),
      server_(server),
      plan_(PlanOf(shared->config.layout, server)),
      done_(std::move(done)) {}

std::string OneSidedPuller::mode() const {
  absl::MutexLock lock(&mutex_);
  return mode_;
}

void OneSidedPuller::SetMode(std::string mode) {
  absl::MutexLock lock(&mutex_);
  mode_ = std::move(mode);
}

// --- the offer -------------------------------------------------------------------------------------

bool OneSidedPuller::Wanted(Connection& connection) {
  const ClientConfig& config = shared_->config;
  if (!config.options.one_sided_pull) {
    SetMode("two-sided: turned off by ClientOptions::one_sided_pull");
  } else if (config.codec_down->info().wire_id != kIdentityWireId) {
    SetMode(absl::StrCat("two-sided: codec_down is ", config.codec_down->info().spec,
                         ", and only identity can be read as it is"));
  } else if (connection.one_sided() == nullptr) {
    const auto details = connection.info().details;
    const auto why = details.find("one_sided");
    SetMode(absl::StrCat("two-sided: the transport can't read a peer's memory",
                         why == details.end() ? "" : absl::StrCat(": ", why->second)));
  } else {
    SetMode("two-sided: the server has not answered yet");
    return true;
  }
  return false;
}

void OneSidedPuller::OnWelcome(std::shared_ptr<Connection> connection,
                               const wire::Welcome& welcome) {
  if (!Wanted(*connection)) return;
  if (!welcome.has_one_sided()) {
    SetMode("two-sided: the server made no offer; its log says why");
    return;
  }
  if (absl::Status status = CheckOffer(welcome.one_sided()); !status.ok()) {
    return TurnOff(status);
  }
  descriptor_ = welcome.one_sided().memory();
  connection_ = std::move(connection);
  in_memory_ = connection_->info().in_memory;
  SetMode("one-sided");
}

absl::Status OneSidedPuller::CheckOffer(const wire::OneSidedOffer& offer) const {
  if (offer.directory_version() != wire::kDirectoryVersion) {
    return absl::InvalidArgumentError(absl::StrCat(
        "its directory has version ", offer.directory_version(), ", this client reads ",
        wire::kDirectoryVersion, "; run the same release on both ends"));
  }
  if (offer.memory().empty() || offer.memory().size() > kMemoryDescriptorBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("its memory descriptor has ",
                                                   offer.memory().size(), " bytes instead of 1 to ",
                                                   kMemoryDescriptorBytesMax));
  }
  if (offer.area_bytes() != plan_.bytes()) {
    return absl::InvalidArgumentError(absl::StrCat("its area has ", offer.area_bytes(),
                                                   " bytes, the layout asks for ", plan_.bytes()));
  }
  return absl::OkStatus();
}

void OneSidedPuller::TurnOff(const absl::Status& why) {
  connection_.reset();
  SetMode(absl::StrCat("two-sided: ", why.message()));
  shared_->config.runtime->Log(
      LogLevel::kWarning,
      absl::StrCat("server ", server_,
                   " is asked for parameters, they are not read: ", why.message()));
}

std::vector<uint64_t> OneSidedPuller::OnDisconnected() {
  connection_.reset();
  SetMode("two-sided: not connected");
  std::vector<uint64_t> given_back;
  for (const auto& [id, part] : parts_) {
    if (part.phase != Phase::kChecking) given_back.push_back(id);
  }
  for (const uint64_t id : given_back) parts_.erase(id);
  return given_back;
}

// --- the directory ---------------------------------------------------------------------------------

size_t OneSidedPuller::IndexOf(uint32_t fragment) const {
  const auto& ids = shared_->config.layout.fragments_of(server_);
  return static_cast<size_t>(std::lower_bound(ids.begin(), ids.end(), fragment) - ids.begin());
}

bool OneSidedPuller::AwaitsDirectory(const Part& part) {
  const bool needs_it = part.phase == Phase::kDirectory || part.phase == Phase::kConfirming;
  return needs_it && part.read == 0;
}

void OneSidedPuller::Begin(const Want& want) {
  parts_[want.id] = Part{.want = want, .index = IndexOf(want.fragment)};
  WantDirectory();
}

// Posted: the other fragments of the same pull come before it, and share the read.
void OneSidedPuller::WantDirectory() {
  if (std::exchange(directory_wanted_, true)) return;
  shared_->tasks.OnState([this] { ReadDirectory(); });
}

void OneSidedPuller::ReadDirectory() {
  directory_wanted_ = false;
  if (!active()) {
    std::vector<uint64_t> stranded;
    for (const auto& [id, part] : parts_) {
      if (AwaitsDirectory(part)) stranded.push_back(id);
    }
    for (const uint64_t id : stranded) Finish(id, Outcome::kAsk);
    return;
  }
  for (Run& run : Runs()) ReadRun(std::move(run));
}

std::vector<OneSidedPuller::Run> OneSidedPuller::Runs() {
  std::vector<std::pair<size_t, uint64_t>> wanted;  // index, id
  for (const auto& [id, part] : parts_) {
    if (AwaitsDirectory(part)) wanted.emplace_back(part.index, id);
  }
  std::sort(wanted.begin(), wanted.end());
  std::vector<Run> runs;
  for (const auto& [index, id] : wanted) {
    if (runs.empty() || index > runs.back().first + runs.back().count ||
        index - runs.back().first >= kEntriesPerRead) {
      runs.push_back({.first = index, .count = 0, .ids = {}});
    }
    runs.back().count = index - runs.back().first + 1;
    runs.back().ids.push_back(id);
  }
  return runs;
}

void OneSidedPuller::ReadRun(Run run) {
  absl::StatusOr<Buffer> taken = shared_->pool.Take(run.count * wire::kDirectoryEntryBytes);
  if (!taken.ok()) {
    for (const uint64_t id : run.ids) Finish(id, Outcome::kAsk);
    return;
  }
  auto buffer = std::make_shared<Buffer>(*std::move(taken));
  const uint64_t read = ++last_read_;
  for (const uint64_t id : run.ids) parts_.at(id).read = read;
  const size_t offset = wire::AreaPlan::entry_offset(run.first);
  auto done =
      shared_->tasks.Holding([this, read, run = std::move(run), buffer](absl::Status status) {
        shared_->tasks.OnStateNow([this, read, run, buffer, status = std::move(status)] {
          OnDirectory(read, run, std::as_const(*buffer).span(), status);
        });
      });
  // No deadline of its own: whoever waits has one, and withdraws.
  connection_->one_sided()->Read(BytesOf(descriptor_), offset, buffer->span(),
                                 absl::InfiniteFuture(), std::move(done));
}

void OneSidedPuller::OnDirectory(uint64_t read, const Run& run, absl::Span<const std::byte> entries,
                                 const absl::Status& status) {
  if (!status.ok() && active() && !Closing(status)) TurnOff(status);
  for (const uint64_t id : run.ids) {
    auto it = parts_.find(id);
    if (it == parts_.end() || it->second.read != read) continue;  // given up
    Part& part = it->second;
    if (!status.ok() || !active()) {
      Finish(id, Outcome::kAsk);
      continue;
    }
    const auto entry = entries.subspan((part.index - run.first) * wire::kDirectoryEntryBytes,
                                       wire::kDirectoryEntryBytes);
    if (part.phase == Phase::kConfirming) {
      OnConfirmation(part, entry);
    } else {
      OnEntry(part, entry);
    }
  }
}

void OneSidedPuller::OnEntry(Part& part, absl::Span<const std::byte> bytes) {
  const uint64_t id = part.want.id;
  const auto entry = wire::ReadEntry(bytes, part.want.fragment, part.want.destination.size());
  if (absl::IsDataLoss(entry.status())) return TryAgain(part);
  if (!entry.ok()) {
    TurnOff(entry.status());
    return Finish(id, Outcome::kAsk);
  }
  const auto slot = wire::ChooseSlot(*entry, part.want.window, part.want.version_min);
  if (!slot.has_value()) return Finish(id, Outcome::kAsk);
  part.version = entry->slots[*slot].version;
  part.hash = entry->slots[*slot].hash;
  part.slot = *slot;
  ReadValues(part);
}

// --- the values ------------------------------------------------------------------------------------

void OneSidedPuller::ReadValues(Part& part) {
  part.phase = Phase::kValues;
  part.read = ++last_read_;
  auto done =
      shared_->tasks.Holding([this, id = part.want.id, read = part.read](absl::Status status) {
        shared_->tasks.OnStateNow(
            [this, id, read, status = std::move(status)] { OnValues(id, read, status); });
      });
  connection_->one_sided()->Read(BytesOf(descriptor_), plan_.slot_offset(part.index, part.slot),
                                 BytesOf(part.want.destination), absl::InfiniteFuture(),
                                 std::move(done));
}

void OneSidedPuller::OnValues(uint64_t id, uint64_t read, const absl::Status& status) {
  auto it = parts_.find(id);
  if (it == parts_.end() || it->second.read != read) return;
  if (!status.ok()) {
    if (active() && !Closing(status)) TurnOff(status);
    return Finish(id, Outcome::kAsk);
  }
  Part& part = it->second;
  if (in_memory_) return Confirm(part);
  part.phase = Phase::kChecking;
  shared_->tasks.Anywhere([this, id, hash = part.hash, values = part.want.destination] {
    const bool whole = wire::HashPayload(BytesOf(values)) == hash;
    shared_->tasks.OnState([this, id, whole] { OnChecked(id, whole); });
  });
}

void OneSidedPuller::Confirm(Part& part) {
  part.phase = Phase::kConfirming;
  part.read = 0;
  WantDirectory();
}

void OneSidedPuller::OnConfirmation(Part& part, absl::Span<const std::byte> bytes) {
  const auto entry = wire::ReadEntry(bytes, part.want.fragment, part.want.destination.size());
  if (absl::IsDataLoss(entry.status()) && ++part.tries < kOneSidedTriesMax) return Confirm(part);
  const bool same = entry.ok() && entry->slots[part.slot].whole != 0 &&
                    entry->slots[part.slot].version == part.version &&
                    entry->slots[part.slot].hash == part.hash;
  if (same) return Finish(part.want.id, Outcome::kPulled);
  TryAgain(part);
}

void OneSidedPuller::OnChecked(uint64_t id, bool whole) {
  Part& part = parts_.at(id);  // nobody gives up a part that is being checked
  if (whole) return Finish(id, Outcome::kPulled);
  TryAgain(part);
}

void OneSidedPuller::TryAgain(Part& part) {
  if (!active()) return Finish(part.want.id, Outcome::kLost);
  if (++part.tries >= kOneSidedTriesMax) return Finish(part.want.id, Outcome::kAsk);
  part.phase = Phase::kDirectory;
  part.read = 0;
  WantDirectory();
}

void OneSidedPuller::Finish(uint64_t id, Outcome outcome) {
  auto node = parts_.extract(id);
  done_(id, outcome, node.mapped().version);
}

// --- giving up -------------------------------------------------------------------------------------

OneSidedPuller::Hold OneSidedPuller::Withdraw(uint64_t id) {
  auto it = parts_.find(id);
  if (it == parts_.end()) return Hold::kFree;
  if (it->second.phase == Phase::kChecking) return Hold::kChecking;
  if (it->second.phase == Phase::kValues) return Hold::kReading;
  parts_.erase(it);
  return Hold::kFree;
}

bool OneSidedPuller::checking(uint64_t id) const {
  auto it = parts_.find(id);
  return it != parts_.end() && it->second.phase == Phase::kChecking;
}

}  // namespace tideway
