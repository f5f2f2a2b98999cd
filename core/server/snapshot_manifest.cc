#include "core/server/snapshot_manifest.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/server/snapshot.pb.h"
#include "core/wire/frame.h"

namespace tideway {
namespace {

constexpr uint32_t kFormat = 1;
constexpr size_t kSlotsMax = 8;

void FillDedup(const Fragment::State& state, snapshot::Fragment& proto) {
  for (const auto& [worker, window] : state.dedup) {
    snapshot::DedupWindow& out = *proto.add_dedup();
    out.set_worker(worker);
    out.set_incarnation(window.incarnation());
    out.set_floor(window.floor());
    for (const DedupWindow::Entry& entry : window.entries()) {
      snapshot::DedupEntry& to = *out.add_entries();
      to.set_sequence(entry.sequence);
      to.set_version(entry.version);
      to.set_verdict(static_cast<uint32_t>(entry.verdict));
    }
  }
}

void FillSchedule(const optim::SchedulerState& state, snapshot::Schedule& proto) {
  proto.set_window(state.window);
  proto.set_draws(state.draws);
  if (state.spread.has_value()) proto.set_spread_seconds(absl::ToDoubleSeconds(*state.spread));
  for (uint64_t steps : state.learned) proto.add_learned(steps);
  for (const auto& pace : state.paces) {
    snapshot::Pace& out = *proto.add_paces();
    out.set_worker(pace.worker);
    out.set_steps_per_second(pace.pace.steps_per_second);
    out.set_overhead_seconds(pace.pace.overhead_seconds);
    out.set_cycle_seconds(pace.pace.cycle_seconds);
  }
}

optim::SchedulerState ReadSchedule(const snapshot::Schedule& proto) {
  optim::SchedulerState state;
  state.window = proto.window();
  state.draws = proto.draws();
  if (proto.has_spread_seconds() && std::isfinite(proto.spread_seconds())) {
    state.spread = absl::Seconds(proto.spread_seconds());
  }
  state.learned.assign(proto.learned().begin(), proto.learned().end());
  for (const auto& pace : proto.paces()) {
    state.paces.push_back({pace.worker(),
                           {.steps_per_second = pace.steps_per_second(),
                            .overhead_seconds = pace.overhead_seconds(),
                            .cycle_seconds = pace.cycle_seconds()}});
  }
  return state;
}

// Over theta and the optimizer's slots, in that order.
uint64_t ValuesHash(const Fragment::State& state) {
  const auto hash = [](const std::vector<float>& values) {
    return wire::HashPayload(
        {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float)});
  };
  uint64_t all = hash(state.theta);
  for (const auto& slot : state.optimizer.slots) all = all * 31 + hash(slot);
  return all;
}

// Protobuf alone does not notice a file that ends between two fields: the manifest ends with its own hash.
uint64_t HashOf(absl::string_view bytes) {
  return wire::HashPayload({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

bool StripHash(absl::string_view& bytes) {
  uint64_t hash = 0;
  if (bytes.size() < sizeof(hash)) return false;
  std::memcpy(&hash, bytes.data() + bytes.size() - sizeof(hash), sizeof(hash));
  bytes.remove_suffix(sizeof(hash));
  return hash == HashOf(bytes);
}

absl::Status Damaged(const std::string& what) { return absl::DataLossError(what); }

absl::StatusOr<DedupWindow> ReadDedup(const snapshot::DedupWindow& proto) {
  DedupWindow window(proto.incarnation());
  window.RaiseFloor(proto.floor());
  uint64_t last = 0;
  for (const auto& entry : proto.entries()) {
    if (entry.sequence() <= last || entry.verdict() > 3) return Damaged("damaged dedup window");
    last = entry.sequence();
    window.Insert({entry.sequence(), entry.version(), static_cast<wire::Verdict>(entry.verdict())});
  }
  return window;
}

absl::StatusOr<std::vector<float>> Values(const Safetensors& parameters, const std::string& name,
                                          size_t elements) {
  const absl::Span<const float> values = parameters.Find(name);
  if (values.size() != elements) return Damaged(absl::StrCat(name, " is missing or too short"));
  return std::vector<float>(values.begin(), values.end());
}

absl::StatusOr<Fragment::State> ReadFragment(const snapshot::Fragment& proto, uint32_t slots,
                                             const Safetensors& parameters, size_t elements) {
  Fragment::State state;
  state.version = proto.version();
  state.optimizer.pushes = proto.optimizer_pushes();
  state.optimizer.window = proto.optimizer_window();
  auto theta = Values(parameters, ThetaName(proto.id()), elements);
  if (!theta.ok()) return theta.status();
  state.theta = *std::move(theta);
  for (uint32_t k = 0; k < slots; ++k) {
    auto slot = Values(parameters, SlotName(k, proto.id()), elements);
    if (!slot.ok()) return slot.status();
    state.optimizer.slots.push_back(*std::move(slot));
  }
  for (const auto& dedup : proto.dedup()) {
    auto window = ReadDedup(dedup);
    if (!window.ok()) return window.status();
    state.dedup.emplace(dedup.worker(), *std::move(window));
  }
  return state;
}

absl::Status CheckOrigin(const snapshot::Manifest& manifest, const Layout& layout,
                         uint32_t server_index) {
  if (manifest.format() != kFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("manifest format ", manifest.format(), "; this release reads ", kFormat));
  }
  if (manifest.layout_fingerprint() != layout.fingerprint()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot is of another model: ", manifest.layout_summary(),
                     "; this one has ", layout.ToString()));
  }
  if (manifest.server_index() != server_index) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot is of server ", manifest.server_index()));
  }
  return absl::OkStatus();
}

}  // namespace

std::string ThetaName(uint32_t fragment) { return absl::StrCat("theta/", fragment); }

std::string SlotName(size_t slot, uint32_t fragment) {
  return absl::StrCat("slot", slot, "/", fragment);
}

std::string SerializeManifest(const SnapshotContent& content, const Layout& layout) {
  snapshot::Manifest manifest;
  manifest.set_format(kFormat);
  manifest.set_server_index(content.server_index);
  manifest.set_layout_fingerprint(layout.fingerprint());
  manifest.set_layout_summary(layout.ToString());
  manifest.set_outer_optimizer(content.outer_optimizer);
  for (const auto& [id, state] : content.fragments) {
    snapshot::Fragment& proto = *manifest.add_fragments();
    proto.set_id(id);
    proto.set_version(state.version);
    proto.set_optimizer_pushes(state.optimizer.pushes);
    proto.set_optimizer_window(state.optimizer.window);
    proto.set_values_hash(ValuesHash(state));
    FillDedup(state, proto);
    manifest.set_slots(static_cast<uint32_t>(state.optimizer.slots.size()));
  }
  for (const auto& worker : content.workers) {
    snapshot::Worker& proto = *manifest.add_workers();
    proto.set_id(worker.id);
    proto.set_name(worker.name);
    proto.set_incarnation(worker.incarnation);
    for (uint64_t retired : worker.retired) proto.add_retired(retired);
  }
  if (content.schedule.has_value()) FillSchedule(*content.schedule, *manifest.mutable_schedule());
  std::string bytes = manifest.SerializeAsString();
  const uint64_t hash = HashOf(bytes);
  bytes.append(reinterpret_cast<const char*>(&hash), sizeof(hash));
  return bytes;
}

absl::StatusOr<SnapshotContent> ParseManifest(absl::string_view bytes,
                                              const Safetensors& parameters, const Layout& layout,
                                              uint32_t server_index) {
  snapshot::Manifest manifest;
  if (!StripHash(bytes)) return Damaged("the manifest is damaged: hash mismatch");
  if (!manifest.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Damaged("the manifest is damaged");
  }
  absl::Status status = CheckOrigin(manifest, layout, server_index);
  if (!status.ok()) return status;
  if (manifest.slots() > kSlotsMax) return Damaged("the manifest is damaged: too many slots");
  SnapshotContent content;
  content.server_index = server_index;
  content.outer_optimizer = manifest.outer_optimizer();
  for (const auto& proto : manifest.fragments()) {
    if (proto.id() >= layout.fragments().size()) return Damaged("unknown fragment");
    const FragmentSpec& spec = layout.fragments()[proto.id()];
    auto state = ReadFragment(proto, manifest.slots(), parameters, spec.elements);
    if (!state.ok()) return state.status();
    if (ValuesHash(*state) != proto.values_hash()) {
      return Damaged(absl::StrCat("fragment ", proto.id(), " is damaged: hash mismatch"));
    }
    content.fragments.insert_or_assign(proto.id(), *std::move(state));
  }
  for (uint32_t id : layout.fragments_of(server_index)) {
    if (!content.fragments.contains(id))
      return Damaged(absl::StrCat("fragment ", id, " is missing"));
  }
  for (const auto& worker : manifest.workers()) {
    content.workers.push_back({worker.id(),
                               worker.name(),
                               worker.incarnation(),
                               {worker.retired().begin(), worker.retired().end()}});
  }
  if (manifest.has_schedule()) content.schedule = ReadSchedule(manifest.schedule());
  return content;
}

}  // namespace tideway
