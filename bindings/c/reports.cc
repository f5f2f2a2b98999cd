#include "bindings/c/reports.h"

#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace tideway::c {
namespace {

using Json = nlohmann::ordered_json;

// Texts come from peers too, so what is no UTF-8 is replaced.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json ToJson(const TransportCandidate& candidate) {
  Json json = {{"provider", candidate.provider},
               {"uri", candidate.uri},
               {"refused", candidate.refused},
               {"same_host_only", candidate.same_host_only},
               {"measured", candidate.measured}};
  if (candidate.measured) {
    json["latency_us"] = candidate.latency_us;
    json["bandwidth_bytes_per_s"] = candidate.bandwidth_bytes_per_s;
  }
  return json;
}

Json ToJson(const TransportReport& report) {
  Json json = {{"server", report.server},
               {"asked", report.asked},
               {"got", report.got},
               {"provider", report.provider},
               {"why", report.why},
               {"connection",
                {{"transport", report.connection.transport},
                 {"local", report.connection.local},
                 {"peer", report.connection.peer},
                 {"details", report.connection.details}}},
               {"candidates", Json::array()},
               {"switches", Json::array()},
               {"switches_total", report.switches_total}};
  for (const TransportCandidate& candidate : report.candidates) {
    json["candidates"].push_back(ToJson(candidate));
  }
  for (const TransportSwitch& change : report.switches) {
    json["switches"].push_back({{"from", change.from},
                                {"to", change.to},
                                {"reason", change.reason},
                                {"at_ms", absl::ToUnixMillis(change.at)}});
  }
  return json;
}

Json ToJson(const WorkerStatus& status) {
  return {{"inner_step", status.inner_step},
          {"loss", status.loss},
          {"tokens_per_second", status.tokens_per_second},
          {"tokens", status.tokens},
          {"busy_seconds", status.busy_seconds},
          {"waiting_seconds", status.waiting_seconds},
          {"residual_norm", status.residual_norm},
          {"residual_density", status.residual_density}};
}

Json ToJson(const WorkerStats& worker) {
  return {{"id", worker.id},
          {"name", worker.name},
          {"active", worker.active},
          {"incarnation", worker.incarnation},
          {"status", ToJson(worker.status)},
          {"pushes", worker.pushes},
          {"rejected", worker.rejected},
          {"duplicates", worker.duplicates},
          {"staleness_mean", worker.staleness_mean},
          {"staleness_max", worker.staleness_max},
          {"bytes_up", worker.bytes_up},
          {"bytes_up_fp32", worker.bytes_up_fp32},
          {"bytes_down", worker.bytes_down},
          {"bytes_down_fp32", worker.bytes_down_fp32},
          {"cycles", worker.cycles},
          {"steps_finished", worker.steps_finished},
          {"shard", worker.shard},
          {"inner_steps", worker.inner_steps},
          {"transport", worker.transport},
          {"transport_switches", worker.transport_switches}};
}

}  // namespace

tideway_push_report ToC(const PushReport& report) {
  return {.struct_size = sizeof(tideway_push_report),
          .fragments = report.fragments,
          .applied = report.applied,
          .buffered = report.buffered,
          .rejected = report.rejected,
          .bytes = report.bytes,
          .bytes_fp32 = report.bytes_fp32,
          .staleness_max = report.staleness_max};
}

tideway_pull_report ToC(const PullReport& report) {
  return {.struct_size = sizeof(tideway_pull_report),
          .version_min = report.version_min,
          .version_max = report.version_max,
          .bytes = report.bytes,
          .bytes_fp32 = report.bytes_fp32,
          .one_sided = report.one_sided,
          .differences = report.differences};
}

std::string JsonOf(const std::vector<TransportReport>& reports) {
  Json all = Json::array();
  for (const TransportReport& report : reports) all.push_back(ToJson(report));
  return Dump(all);
}

std::string JsonOf(const ServerStats& stats) {
  Json json = {{"seconds", stats.seconds},
               {"version_min", stats.version_min},
               {"version_max", stats.version_max},
               {"outer_steps", stats.outer_steps},
               {"buffered", stats.buffered},
               {"rejected", stats.rejected},
               {"duplicates", stats.duplicates},
               {"sessions", stats.sessions},
               {"sessions_refused", stats.sessions_refused},
               {"window", stats.window},
               {"grace_seconds", stats.grace_seconds},
               {"steps_finished", stats.steps_finished},
               {"steps_target", stats.steps_target},
               {"finished", stats.finished},
               {"staleness_histogram", stats.staleness_histogram},
               {"workers", Json::array()}};
  for (const WorkerStats& worker : stats.workers) json["workers"].push_back(ToJson(worker));
  return Dump(json);
}

std::string JsonOf(const PublisherStats& stats) {
  Json json = {{"epoch", stats.newest.epoch},
               {"version", stats.newest.version},
               {"versions", stats.versions},
               {"bytes_encoded", stats.bytes_encoded},
               {"seconds_encoding", stats.seconds_encoding},
               {"links", stats.links},
               {"bytes_links", stats.bytes_links},
               {"anchors", stats.anchors},
               {"chains_sent", stats.chains_sent},
               {"wholes_sent", stats.wholes_sent},
               {"bytes_sent", stats.bytes_sent},
               {"refused", stats.refused},
               {"subscribers", Json::array()}};
  for (const PublisherStats::Subscriber& subscriber : stats.subscribers) {
    json["subscribers"].push_back({{"name", subscriber.name},
                                   {"peer", subscriber.peer},
                                   {"version", subscriber.version},
                                   {"bytes_sent", subscriber.bytes_sent},
                                   {"being_sent", subscriber.being_sent}});
  }
  return Dump(json);
}

std::string JsonOf(const SubscriberStats& stats) {
  return Dump({{"connected", stats.connected},
               {"epoch", stats.id.epoch},
               {"version", stats.id.version},
               {"connects", stats.connects},
               {"installs", stats.installs},
               {"wholes", stats.wholes},
               {"frames", stats.frames},
               {"bytes", stats.bytes},
               {"bytes_whole", stats.bytes_whole},
               {"seconds_staging", stats.seconds_staging},
               {"seconds_install_last", stats.seconds_install_last},
               {"checksum_errors", stats.checksum_errors},
               {"waits_for_a_copy", stats.waits_for_a_copy},
               {"last_error", stats.last_error}});
}

std::string JsonOf(const ResidualStats& stats) {
  return Dump({{"norm", stats.norm}, {"density", stats.density}});
}

}  // namespace tideway::c
