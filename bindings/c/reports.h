// Reports and statistics as C structs and as JSON.

#ifndef TIDEWAY_BINDINGS_C_REPORTS_H_
#define TIDEWAY_BINDINGS_C_REPORTS_H_

#include <string>
#include <vector>

#include "bindings/c/tideway.h"
#include "tideway/client.h"
#include "tideway/publisher.h"
#include "tideway/stats.h"
#include "tideway/subscriber.h"
#include "tideway/transport_report.h"

namespace tideway::c {

tideway_push_report ToC(const PushReport& report);
tideway_pull_report ToC(const PullReport& report);

std::string JsonOf(const std::vector<TransportReport>& reports);
std::string JsonOf(const ServerStats& stats);
std::string JsonOf(const ResidualStats& stats);
std::string JsonOf(const PublisherStats& stats);
std::string JsonOf(const SubscriberStats& stats);

}  // namespace tideway::c

#endif  // TIDEWAY_BINDINGS_C_REPORTS_H_
