#include "core/wire/control.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tideway::wire {

absl::StatusOr<Buffer> PackControl(FrameHeader header, const google::protobuf::MessageLite& message,
                                   BufferPool& pool) {
  const size_t bytes = message.ByteSizeLong();
  if (bytes > kControlBytesMax) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "control message of ", bytes, " bytes is over the limit of ", kControlBytesMax));
  }
  absl::StatusOr<Buffer> buffer = pool.Take(bytes);
  if (!buffer.ok()) return buffer.status();
  message.SerializeToArray(buffer->data(), static_cast<int>(bytes));
  header.payload_bytes = static_cast<uint32_t>(bytes);
  header.payload_hash = HashPayload(buffer->span());
  WriteHeader(header, buffer->headroom(kFrameHeaderBytes));
  return buffer;
}

std::string Printable(absl::string_view text, size_t bytes_max) {
  std::string printable(text.substr(0, bytes_max));
  std::replace_if(
      printable.begin(), printable.end(),
      [](char c) { return !absl::ascii_isprint(static_cast<unsigned char>(c)); }, '?');
  return printable;
}

Refusal ToProto(const absl::Status& status) {
  Refusal refusal;
  refusal.set_code(static_cast<int>(status.code()));
  refusal.set_message(std::string(status.message()));
  return refusal;
}

absl::Status FromProto(const Refusal& refusal) {
  const bool known = refusal.code() > 0 && refusal.code() <= 16;
  const auto code =
      known ? static_cast<absl::StatusCode>(refusal.code()) : absl::StatusCode::kUnknown;
  return absl::Status(code, Printable(refusal.message()));
}

WorkerStatus ToProto(const tideway::WorkerStatus& status) {
  WorkerStatus proto;
  proto.set_inner_step(status.inner_step);
  proto.set_loss(status.loss);
  proto.set_tokens_per_second(status.tokens_per_second);
  proto.set_tokens(status.tokens);
  proto.set_busy_seconds(status.busy_seconds);
  proto.set_waiting_seconds(status.waiting_seconds);
  proto.set_residual_norm(status.residual_norm);
  proto.set_residual_density(status.residual_density);
  return proto;
}

tideway::WorkerStatus FromProto(const WorkerStatus& proto) {
  tideway::WorkerStatus status;
  status.inner_step = proto.inner_step();
  status.loss = proto.loss();
  status.tokens_per_second = proto.tokens_per_second();
  status.tokens = proto.tokens();
  status.busy_seconds = proto.busy_seconds();
  status.waiting_seconds = proto.waiting_seconds();
  status.residual_norm = proto.residual_norm();
  status.residual_density = proto.residual_density();
  return status;
}

Assignment ToProto(const tideway::Assignment& assignment) {
  Assignment proto;
  proto.set_window(assignment.window);
  proto.set_inner_steps(assignment.inner_steps);
  proto.set_shard(assignment.shard);
  proto.set_shard_step(assignment.shard_step);
  proto.set_progress_begin(assignment.progress_begin);
  proto.set_progress_per_step(assignment.progress_per_step);
  proto.set_finished(assignment.finished);
  return proto;
}

tideway::Assignment FromProto(const Assignment& proto) {
  tideway::Assignment assignment;
  assignment.window = proto.window();
  assignment.inner_steps = proto.inner_steps();
  assignment.shard = proto.shard();
  assignment.shard_step = proto.shard_step();
  assignment.progress_begin = proto.progress_begin();
  assignment.progress_per_step = proto.progress_per_step();
  assignment.finished = proto.finished();
  return assignment;
}

namespace {

void FillProto(const tideway::WorkerStats& worker, WorkerStats& proto) {
  proto.set_id(worker.id);
  proto.set_name(worker.name);
  proto.set_active(worker.active);
  proto.set_incarnation(worker.incarnation);
  *proto.mutable_status() = ToProto(worker.status);
  proto.set_pushes(worker.pushes);
  proto.set_rejected(worker.rejected);
  proto.set_duplicates(worker.duplicates);
  proto.set_staleness_mean(worker.staleness_mean);
  proto.set_staleness_max(worker.staleness_max);
  proto.set_bytes_up(worker.bytes_up);
  proto.set_bytes_up_fp32(worker.bytes_up_fp32);
  proto.set_bytes_down(worker.bytes_down);
  proto.set_bytes_down_fp32(worker.bytes_down_fp32);
  proto.set_cycles(worker.cycles);
  proto.set_steps_finished(worker.steps_finished);
  proto.set_shard(worker.shard);
  proto.set_inner_steps(worker.inner_steps);
  proto.set_transport(worker.transport);
  proto.set_transport_switches(worker.transport_switches);
}

tideway::WorkerStats FromProto(const WorkerStats& proto) {
  tideway::WorkerStats worker;
  worker.id = proto.id();
  worker.name = Printable(proto.name(), kWorkerNameBytesMax);
  worker.active = proto.active();
  worker.incarnation = proto.incarnation();
  worker.status = wire::FromProto(proto.status());
  worker.pushes = proto.pushes();
  worker.rejected = proto.rejected();
  worker.duplicates = proto.duplicates();
  worker.staleness_mean = proto.staleness_mean();
  worker.staleness_max = proto.staleness_max();
  worker.bytes_up = proto.bytes_up();
  worker.bytes_up_fp32 = proto.bytes_up_fp32();
  worker.bytes_down = proto.bytes_down();
  worker.bytes_down_fp32 = proto.bytes_down_fp32();
  worker.cycles = proto.cycles();
  worker.steps_finished = proto.steps_finished();
  worker.shard = proto.shard();
  worker.inner_steps = proto.inner_steps();
  worker.transport = Printable(proto.transport(), kWorkerNameBytesMax);
  worker.transport_switches = proto.transport_switches();
  return worker;
}

}  // namespace

ServerStats ToProto(const tideway::ServerStats& stats) {
  ServerStats proto;
  proto.set_seconds(stats.seconds);
  proto.set_version_min(stats.version_min);
  proto.set_version_max(stats.version_max);
  proto.set_outer_steps(stats.outer_steps);
  proto.set_buffered(stats.buffered);
  proto.set_rejected(stats.rejected);
  proto.set_duplicates(stats.duplicates);
  proto.set_sessions(stats.sessions);
  proto.set_sessions_refused(stats.sessions_refused);
  proto.set_window(stats.window);
  proto.set_grace_seconds(stats.grace_seconds);
  proto.set_steps_finished(stats.steps_finished);
  proto.set_steps_target(stats.steps_target);
  proto.set_finished(stats.finished);
  for (uint64_t count : stats.staleness_histogram) proto.add_staleness_histogram(count);
  for (const auto& worker : stats.workers) FillProto(worker, *proto.add_workers());
  return proto;
}

tideway::ServerStats FromProto(const ServerStats& proto) {
  tideway::ServerStats stats;
  stats.seconds = proto.seconds();
  stats.version_min = proto.version_min();
  stats.version_max = proto.version_max();
  stats.outer_steps = proto.outer_steps();
  stats.buffered = proto.buffered();
  stats.rejected = proto.rejected();
  stats.duplicates = proto.duplicates();
  stats.sessions = proto.sessions();
  stats.sessions_refused = proto.sessions_refused();
  stats.window = proto.window();
  stats.grace_seconds = proto.grace_seconds();
  stats.steps_finished = proto.steps_finished();
  stats.steps_target = proto.steps_target();
  stats.finished = proto.finished();
  stats.staleness_histogram.assign(proto.staleness_histogram().begin(),
                                   proto.staleness_histogram().end());
  for (const auto& worker : proto.workers()) stats.workers.push_back(FromProto(worker));
  return stats;
}

}  // namespace tideway::wire
