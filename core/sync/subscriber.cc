#include "tideway/subscriber.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/runtime/forget.h"
#include "core/sync/subscriber_core.h"
#include "tideway/process_mark.h"
#include "tideway/transport_report.h"

namespace tideway {
namespace {

class SubscriberImpl final : public Subscriber {
 public:
  explicit SubscriberImpl(std::shared_ptr<sync::SubscriberCore> core) : core_(std::move(core)) {}
  ~SubscriberImpl() override {
    if (process_.IsHere()) {
      Close();
    } else {
      Forget(core_);
    }
  }

  WeightsPtr current() const override { return process_.IsHere() ? core_->current() : nullptr; }
  void WhenNewer(WeightVersionId than, absl::Time deadline, Done done) override {
    // In a forked child no thread would ever complete it.
    if (absl::Status here = process_.Check(); !here.ok()) return done(std::move(here));
    core_->WhenNewer(than, deadline, std::move(done));
  }
  SubscriberStats stats() const override {
    return process_.IsHere() ? core_->stats() : SubscriberStats();
  }
  void Close() override {
    if (process_.IsHere()) core_->Close();
  }

 private:
  const ProcessMark process_;
  std::shared_ptr<sync::SubscriberCore> core_;
};

absl::Status CheckOptions(const SubscriberOptions& options) {
  if (options.copies_max < 2 || options.copies_max > kWeightCopiesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("copies_max is ", options.copies_max, "; give 2 to ", kWeightCopiesMax));
  }
  if (options.ping_interval <= absl::ZeroDuration() ||
      options.silence_max < 2 * options.ping_interval) {
    return absl::InvalidArgumentError(
        "ping_interval must be above zero, and silence_max at least twice that");
  }
  if (options.name.size() > kWorkerNameBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("the subscriber's name has ",
                                                   options.name.size(), " bytes; give at most ",
                                                   kWorkerNameBytesMax));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Subscriber>> Subscriber::Start(Runtime* runtime,
                                                              SubscriberOptions options,
                                                              const WeightLayout& layout) {
  if (absl::Status here = runtime->CheckProcess(); !here.ok()) return here;
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  const absl::StatusOr<Uri> uri = Uri::Parse(options.publisher);
  if (!uri.ok()) return uri.status();
  if (uri->scheme == kAutoScheme) {
    return absl::InvalidArgumentError(
        "auto:// is for parameter servers; name the scheme that the publisher listens on");
  }
  if (auto known = runtime->transports().FindScheme(uri->scheme); !known.ok()) {
    return known.status();
  }
  if (options.name.empty()) {
    options.name = absl::StrFormat("subscriber-%08x", runtime->executor().Random() & 0xffffffff);
  }
  auto core = std::make_shared<sync::SubscriberCore>(runtime, std::move(options), *uri, layout);
  core->Start();
  return std::make_unique<SubscriberImpl>(std::move(core));
}

}  // namespace tideway
