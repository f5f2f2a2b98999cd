#include "transports/sim/network.h"

#include <algorithm>
#include <cassert>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transports/sim/connection.h"
#include "transports/sim/node.h"

namespace tideway {
namespace sim {
namespace {

std::pair<std::string, std::string> Unordered(const std::string& a, const std::string& b) {
  return a < b ? std::make_pair(a, b) : std::make_pair(b, a);
}

const char* KindName(SimEvent::Kind kind) {
  switch (kind) {
    case SimEvent::Kind::kConnected:
      return "connected";
    case SimEvent::Kind::kRefused:
      return "refused";
    case SimEvent::Kind::kDelivered:
      return "delivered";
    case SimEvent::Kind::kClosed:
      return "closed";
    case SimEvent::Kind::kPartitioned:
      return "partitioned";
    case SimEvent::Kind::kHealed:
      return "healed";
    case SimEvent::Kind::kCrashed:
      return "crashed";
  }
  return "";
}

}  // namespace

const SimLink& Network::Link(const std::string& a, const std::string& b) const {
  auto found = links_.find(Unordered(a, b));
  return found == links_.end() ? default_link_ : found->second;
}

void Network::SetLink(const std::string& a, const std::string& b, const SimLink& link) {
  assert(link.bytes_per_second > 0);
  links_[Unordered(a, b)] = link;
}

bool Network::Partitioned(const std::string& a, const std::string& b) const {
  return partitions_.contains(Unordered(a, b));
}

absl::Duration Network::Delay(const SimLink& link) {
  const int64_t jitter_ns = absl::ToInt64Nanoseconds(link.jitter);
  if (jitter_ns <= 0) return link.latency;
  return link.latency + absl::Nanoseconds(random_() % (static_cast<uint64_t>(jitter_ns) + 1));
}

bool Network::DrawReset(const SimLink& link) {
  if (link.reset_probability <= 0) return false;
  return static_cast<double>(random_() >> 11) * 0x1p-53 < link.reset_probability;
}

std::pair<absl::Time, absl::Time> Network::Transmit(const std::string& a, const std::string& b,
                                                    absl::Time now, size_t bytes) {
  auto [entry, fresh] = busy_until_.emplace(Pair(a, b), now);
  const absl::Time begin = std::max(entry->second, now);
  const auto took_ns =
      static_cast<int64_t>(static_cast<double>(bytes) / Link(a, b).bytes_per_second * 1e9);
  entry->second = begin + absl::Nanoseconds(took_ns);
  return {begin, entry->second};
}

void Network::Partition(const std::string& a, const std::string& b) {
  if (!partitions_.insert(Unordered(a, b)).second) return;
  Tell({.at = Now(), .kind = SimEvent::Kind::kPartitioned, .from = a, .to = b, .reason = {}});
}

void Network::Heal(const std::string& a, const std::string& b) {
  if (partitions_.erase(Unordered(a, b)) == 0) return;
  Tell({.at = Now(), .kind = SimEvent::Kind::kHealed, .from = a, .to = b, .reason = {}});
  const auto ends = ends_;  // Kick calls nothing back, but let nothing depend on that
  for (const auto& [key, end] : ends) {
    if (Unordered(end->identity().host, end->identity().peer_host) == Unordered(a, b))
      end->KickBoth();
  }
}

void Network::Reset(const std::string& a, const std::string& b) {
  const auto ends = ends_;
  for (const auto& [key, end] : ends) {
    if (Unordered(end->identity().host, end->identity().peer_host) == Unordered(a, b))
      end->BreakSoon();
  }
}

void Network::Crash(const std::string& host) {
  for (Node* node : nodes_) {
    if (node->host() == host) node->MarkCrashed();  // sets a flag: the order is of no account
  }
  for (auto entry = acceptors_.begin(); entry != acceptors_.end();) {
    const bool gone = entry->second->node != nullptr && entry->second->node->host() == host;
    entry = gone ? acceptors_.erase(entry) : std::next(entry);
  }
  Tell({.at = Now(), .kind = SimEvent::Kind::kCrashed, .from = host, .to = {}, .reason = {}});
  const auto ends = ends_;
  for (const auto& [key, end] : ends) {
    if (end->identity().host == host) end->Freeze();
  }
}

void Network::AddNode(Node* node) {
  nodes_.insert(node);
  hosts_.insert(node->host());
}

void Network::RemoveNode(Node* node) { nodes_.erase(node); }

void Network::AddEnd(const std::shared_ptr<SimConnection>& end) {
  ends_.emplace(std::make_pair(end->identity().id, end->identity().is_server), end);
}

void Network::RemoveEnd(SimConnection* end) {
  ends_.erase(std::make_pair(end->identity().id, end->identity().is_server));
}

void Network::CloseEndsOf(const Node* node, const absl::Status& reason) {
  const auto ends = ends_;
  for (const auto& [key, end] : ends) {
    if (end->identity().owner == node) end->CloseNow(reason);
  }
}

bool Network::Listen(const std::string& address, std::shared_ptr<Acceptor> acceptor) {
  return acceptors_.emplace(address, std::move(acceptor)).second;
}

void Network::StopListeningOf(const Node* node) {
  for (auto entry = acceptors_.begin(); entry != acceptors_.end();) {
    entry = entry->second->node == node ? acceptors_.erase(entry) : std::next(entry);
  }
}

std::shared_ptr<Acceptor> Network::FindAcceptor(const std::string& address) const {
  auto found = acceptors_.find(address);
  return found == acceptors_.end() ? nullptr : found->second;
}

uint16_t Network::FreePort(const std::string& host) {
  do {
    next_port_ = next_port_ == UINT16_MAX ? 1024 : static_cast<uint16_t>(next_port_ + 1);
  } while (acceptors_.contains(absl::StrCat(host, ":", next_port_)));
  return next_port_;
}

absl::Time Network::Now() const { return now_ ? now_() : absl::UnixEpoch(); }

void Network::Tell(SimEvent event) const {
  if (observer_) observer_(event);
}

}  // namespace sim

std::string SimEvent::ToString() const {
  std::string line = absl::StrCat(absl::ToUnixNanos(at), " ", sim::KindName(kind), " ", from);
  if (!to.empty()) absl::StrAppend(&line, " -> ", to);
  if (connection != 0) absl::StrAppend(&line, " #", connection);
  if (kind == Kind::kDelivered) absl::StrAppend(&line, " ", header_bytes, "+", payload_bytes);
  if (!reason.empty()) absl::StrAppend(&line, ": ", reason);
  return line;
}

SimNetwork::SimNetwork(uint64_t seed, const SimLink& link)
    : network_(std::make_shared<sim::Network>(seed, link)) {}

SimNetwork::~SimNetwork() = default;

void SimNetwork::SetLink(absl::string_view a, absl::string_view b, const SimLink& link) {
  network_->SetLink(std::string(a), std::string(b), link);
}

void SimNetwork::Partition(absl::string_view a, absl::string_view b) {
  network_->Partition(std::string(a), std::string(b));
}

void SimNetwork::Heal(absl::string_view a, absl::string_view b) {
  network_->Heal(std::string(a), std::string(b));
}

void SimNetwork::Reset(absl::string_view a, absl::string_view b) {
  network_->Reset(std::string(a), std::string(b));
}

void SimNetwork::Crash(absl::string_view host) { network_->Crash(std::string(host)); }

void SimNetwork::SetObserver(std::function<void(const SimEvent&)> observer) {
  network_->SetObserver(std::move(observer));
}

}  // namespace tideway
