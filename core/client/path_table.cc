#include "core/client/path_table.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tideway/spec.h"

namespace tideway {
namespace {

constexpr char kRequire[] = "require";
constexpr size_t kReasonBytesMax = 512;

const LocalPath* Find(const std::vector<LocalPath>& paths, absl::string_view provider) {
  const auto it = std::find_if(paths.begin(), paths.end(), [provider](const LocalPath& path) {
    return path.provider.name == provider;
  });
  return it == paths.end() ? nullptr : &*it;
}

// Shared memory has to be eight times as slow as a network path before it is left for that: a probe of some milliseconds is
// noisy (with all cores busy, a factor of four was seen), and does not see that it spares each end a copy, and reads that need no processor at the other end.
constexpr double kSharedMemoryCost = 0.125;

absl::Duration Cost(const TransportCandidate& candidate) {
  return candidate.fragment_time() * (candidate.same_host_only ? kSharedMemoryCost : 1.0);
}

// Usable and measured first, the quickest of them at the front; the refused ones at the end.
bool Before(const TransportCandidate& a, const TransportCandidate& b) {
  if (a.refused.empty() != b.refused.empty()) return a.refused.empty();
  if (!a.refused.empty()) return false;
  if (a.measured != b.measured) return a.measured;
  return a.measured && Cost(a) < Cost(b);
}

}  // namespace

absl::Status CheckAutoAddress(const Uri& uri) {
  const Spec spec = {.name = kAutoScheme, .params = uri.params};
  SpecReader reader(spec);
  const auto required = uri.params.find(kRequire);
  const std::string value = required == uri.params.end() ? "" : required->second;
  reader.Choice(kRequire, value, {value});
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  if (required != uri.params.end() && value.empty()) {
    return absl::InvalidArgumentError(
        "require is empty; name a transport or a provider, for example require=ucx");
  }
  if (uri.port.value_or(0) == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        uri.ToString(), " needs the server's port, for example auto://", uri.host, ":5000"));
  }
  return absl::OkStatus();
}

PathTable::PathTable(Uri asked, std::string bootstrap_provider, Uri bootstrap_uri)
    : asked_(std::move(asked)),
      bootstrap_provider_(std::move(bootstrap_provider)),
      bootstrap_uri_(std::move(bootstrap_uri)) {}

bool PathTable::Required(const std::string& transport, const std::string& provider) const {
  const auto required = asked_.params.find(kRequire);
  return required == asked_.params.end() || required->second == transport ||
         required->second == provider;
}

void PathTable::SetOffer(const wire::Offer& offer, const std::vector<LocalPath>& local,
                         const std::string& own_host_id) {
  if (std::exchange(life_, offer.life() | 1) != (offer.life() | 1)) {
    measured_.clear();
    given_up_.clear();
  }
  const bool same_host = offer.host_id() == own_host_id;
  offered_.clear();
  wire::Path bootstrap;
  bootstrap.set_provider(bootstrap_provider_);
  bootstrap.set_uri(bootstrap_uri_.ToString());
  offered_.push_back(Compose(bootstrap, Find(local, bootstrap_provider_), same_host));
  for (const wire::Path& path : offer.paths()) {
    if (offered_.size() >= kPathsMax) break;
    const std::string provider = wire::Printable(path.provider());
    const bool known = std::any_of(offered_.begin(), offered_.end(),
                                   [&](const auto& other) { return other.provider == provider; });
    if (!known) offered_.push_back(Compose(path, Find(local, provider), same_host));
  }
  // What only this end has is an answer to "why not?" as well.
  for (const LocalPath& path : local) {
    const bool known = std::any_of(offered_.begin(), offered_.end(), [&](const auto& other) {
      return other.provider == path.provider.name;
    });
    if (known || offered_.size() >= kPathsMax) continue;
    offered_.push_back({.provider = path.provider.name, .refused = "the server does not have it"});
  }
}

// The first reason that holds is told; they stand in the order in which a person would ask.
TransportCandidate PathTable::Compose(const wire::Path& path, const LocalPath* local,
                                      bool same_host) const {
  TransportCandidate candidate;
  candidate.provider = wire::Printable(path.provider(), kSpecBytesMax);
  absl::StatusOr<Uri> uri = Uri::Parse(path.uri());
  if (!path.refused().empty()) {
    candidate.refused =
        absl::StrCat("on the server: ", wire::Printable(path.refused(), kReasonBytesMax));
  } else if (local == nullptr) {
    candidate.refused = "this program does not have it";
  } else if (!local->provider.viable) {
    candidate.refused = absl::StrCat("here: ", local->provider.unavailable_reason);
  } else if (local->provider.same_host_only && !same_host) {
    candidate.refused = "the server is on another host";
  } else if (!uri.ok() || uri->scheme != local->provider.scheme || uri->port.value_or(0) == 0) {
    candidate.refused = "the server's address of it makes no sense";
  } else if (!Required(local->transport, local->provider.name)) {
    candidate.refused = absl::StrCat("require=", asked_.params.at(kRequire), " leaves it out");
  }
  if (!candidate.refused.empty()) return candidate;
  candidate.same_host_only = local->provider.same_host_only;
  // The server may listen on every address; it is reached where we asked it.
  uri->host = asked_.host;
  candidate.uri = uri->ToString();
  return candidate;
}

std::vector<TransportCandidate> PathTable::Candidates() const {
  std::vector<TransportCandidate> all = offered_;
  for (TransportCandidate& candidate : all) {
    if (const auto it = measured_.find(candidate.provider); it != measured_.end()) {
      candidate.measured = true;
      candidate.latency_us = absl::ToDoubleMicroseconds(it->second.latency);
      candidate.bandwidth_bytes_per_s = it->second.bandwidth_bytes_per_s;
    }
    const auto given_up = given_up_.find(candidate.provider);
    if (candidate.refused.empty() && given_up != given_up_.end()) {
      candidate.refused = given_up->second;
    }
  }
  std::stable_sort(all.begin(), all.end(), Before);
  return all;
}

const TransportCandidate* PathTable::NextToMeasure() const {
  for (const TransportCandidate& candidate : offered_) {
    if (candidate.refused.empty() && !measured_.contains(candidate.provider) &&
        !given_up_.contains(candidate.provider)) {
      return &candidate;
    }
  }
  return nullptr;
}

void PathTable::SetMeasured(const std::string& provider, absl::Duration latency,
                            double bandwidth_bytes_per_s) {
  measured_[provider] = {latency, bandwidth_bytes_per_s};
}

void PathTable::GiveUp(const std::string& provider, const std::string& why) {
  given_up_[provider] = why;
}

std::optional<TransportCandidate> PathTable::Best() const {
  std::vector<TransportCandidate> all = Candidates();
  if (all.empty() || !all.front().refused.empty()) return std::nullopt;
  return all.front();
}

std::string PathTable::Explain() const {
  return absl::StrJoin(Candidates(), "; ", [](std::string* out, const TransportCandidate& c) {
    absl::StrAppend(out, c.provider, ": ", c.refused.empty() ? "usable" : c.refused);
  });
}

std::string PathTable::WhyBest() const {
  const std::vector<TransportCandidate> all = Candidates();
  const auto usable = std::count_if(
      all.begin(), all.end(), [](const auto& candidate) { return candidate.refused.empty(); });
  if (usable == 0) return "";
  if (usable == 1) return "the only one that both ends can use";
  if (!all.front().measured) return "the first of those that both ends can use; none was measured";
  const TransportCandidate& best = all.front();
  return absl::StrFormat("%s of %d: %.0f us for %d KiB",
                         best.same_host_only ? "shared memory, the best" : "the quickest", usable,
                         absl::ToDoubleMicroseconds(best.fragment_time()),
                         kFragmentBytesDefault >> 10);
}

}  // namespace tideway
