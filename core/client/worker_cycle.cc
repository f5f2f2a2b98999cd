#include "core/client/worker_cycle.h"

#include <memory>
#include <utility>

namespace tideway {
namespace {

// One exchange under way; handed from step to step.
struct Step {
  Client* client;
  absl::Span<float> destination;
  absl::Time deadline;
  WorkerCycle::Done done;
  WorkerCycle::Outcome outcome;
};

void PullWindow(std::shared_ptr<Step> exchange) {
  Step& now = *exchange;
  now.client->Pull(now.destination, {.window = now.outcome.assignment.window}, now.deadline,
                   [exchange = std::move(exchange)](const absl::StatusOr<PullReport>& report) {
                     if (!report.ok()) return exchange->done(report.status());
                     exchange->outcome.pull = *report;
                     exchange->done(exchange->outcome);
                   });
}

void AskForAssignment(std::shared_ptr<Step> exchange, const Arrival* arrival) {
  Step& now = *exchange;
  now.client->NextAssignment(
      arrival, now.deadline,
      [exchange = std::move(exchange)](const absl::StatusOr<Assignment>& assignment) mutable {
        if (!assignment.ok()) return exchange->done(assignment.status());
        exchange->outcome.assignment = *assignment;
        PullWindow(std::move(exchange));
      });
}

}  // namespace

void WorkerCycle::Begin(absl::Span<float> destination, absl::Time deadline, Done done) {
  auto exchange = std::make_shared<Step>(Step{client_, destination, deadline, std::move(done), {}});
  AskForAssignment(std::move(exchange), nullptr);
}

void WorkerCycle::Exchange(absl::Span<const float> delta, const Arrival& arrival,
                           absl::Span<float> destination, absl::Time deadline, Done done) {
  auto exchange = std::make_shared<Step>(Step{client_, destination, deadline, std::move(done), {}});
  client_->Push(
      delta, {.inner_steps = arrival.inner_steps}, deadline,
      [exchange = std::move(exchange), arrival](const absl::StatusOr<PushReport>& report) mutable {
        if (!report.ok()) return exchange->done(report.status());
        exchange->outcome.push = *report;
        AskForAssignment(std::move(exchange), &arrival);
      });
}

}  // namespace tideway
