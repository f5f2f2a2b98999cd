#include "core/client/path_selector.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/runtime/host_identity.h"

namespace tideway {
namespace {

// Of one probe. A path that needs longer is none that anybody wants.
constexpr absl::Duration kAskTimeout = absl::Seconds(5);
constexpr absl::Duration kMeasureTimeout = absl::Seconds(2);

}  // namespace

PathSelector::PathSelector(ClientShared* shared, Uri asked)
    : shared_(shared), asked_(std::move(asked)) {}

std::vector<TransportCandidate> PathSelector::Candidates() const {
  return table_ == nullptr ? std::vector<TransportCandidate>() : table_->Candidates();
}

absl::Status PathSelector::Prepare() {
  if (table_ != nullptr) return absl::OkStatus();
  const TransportRegistry& transports = shared_->config.runtime->transports();
  const absl::StatusOr<std::string> scheme = BootstrapScheme(transports);
  if (!scheme.ok()) return scheme.status();
  bootstrap_uri_ = {.scheme = *scheme, .host = asked_.host, .port = asked_.port};
  bootstrap_provider_ = ProviderNameOf(transports, bootstrap_uri_);
  local_ = LocalPaths(transports);
  host_id_ = HostIdentity(shared_->tasks.Random());
  table_ = std::make_unique<PathTable>(asked_, bootstrap_provider_, bootstrap_uri_);
  return absl::OkStatus();
}

void PathSelector::Select(Done done) {
  done_ = std::move(done);
  if (absl::Status status = Prepare(); !status.ok()) {
    Finish(absl::FailedPreconditionError(status.message()));
    return;
  }
  probe_ = std::make_shared<PathProbe>(
      shared_, bootstrap_uri_, PathProbe::Wish{.discover = true, .measure = !bootstrap_measured_},
      [this](PathProbe::Result result) { OnAsked(std::move(result)); });
  probe_->Start(kAskTimeout);
}

void PathSelector::Cancel(const absl::Status& why) {
  if (probe_ != nullptr) probe_->Cancel(why);
}

void PathSelector::OnAsked(PathProbe::Result result) {
  probe_.reset();
  if (!result.offer.has_value()) {
    if (!table_->has_offer()) {
      Finish(result.status);
      return;
    }
    // It may be gone for good, or only the way by which we asked is.
    asked_in_vain_ = true;
    table_->GiveUp(bootstrap_provider_, std::string(result.status.message()));
    Pick();
    return;
  }
  if (std::exchange(asked_in_vain_, false)) table_->Forgive(bootstrap_provider_);
  table_->SetOffer(*result.offer, local_, host_id_);
  if (result.bandwidth_bytes_per_s > 0) {
    bootstrap_measured_ = true;
    table_->SetMeasured(bootstrap_provider_, result.latency, result.bandwidth_bytes_per_s);
  }
  MeasureNext();
}

void PathSelector::MeasureNext() {
  const TransportCandidate* next = table_->NextToMeasure();
  if (next == nullptr) {
    Pick();
    return;
  }
  const absl::StatusOr<Uri> uri = Uri::Parse(next->uri);  // PathTable made it of a Uri
  probe_ = std::make_shared<PathProbe>(
      shared_, *uri, PathProbe::Wish{.discover = false, .measure = true},
      [this, provider = next->provider](const PathProbe::Result& result) {
        OnMeasured(provider, result);
      });
  probe_->Start(kMeasureTimeout);
}

void PathSelector::OnMeasured(const std::string& provider, const PathProbe::Result& result) {
  probe_.reset();
  if (absl::IsCancelled(result.status)) {
    Finish(result.status);
    return;
  }
  if (result.status.ok()) {
    table_->SetMeasured(provider, result.latency, result.bandwidth_bytes_per_s);
  } else {
    table_->GiveUp(provider, absl::StrCat("the probe failed: ", result.status.message()));
  }
  MeasureNext();
}

void PathSelector::Pick() {
  if (!table_->Best().has_value()) table_->ForgiveAll();
  const std::optional<TransportCandidate> best = table_->Best();
  if (!best.has_value()) {
    Finish(absl::FailedPreconditionError(
        absl::StrCat("no path to ", asked_.ToString(), " will do: ", table_->Explain())));
    return;
  }
  Finish(Choice{*Uri::Parse(best->uri), best->provider, table_->WhyBest()});
}

void PathSelector::Finish(absl::StatusOr<Choice> choice) {
  probe_.reset();
  Done done = std::exchange(done_, nullptr);
  done(std::move(choice));
}

}  // namespace tideway
