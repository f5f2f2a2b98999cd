#include <utility>

#include "absl/strings/str_cat.h"
#include "tideway/fault_transport.h"
#include "transports/fault/connection.h"
#include "transports/fault/outbound.h"
#include "transports/fault/switchboard.h"

namespace tideway {
namespace {

using fault::FaultyConnection;
using fault::Identity;

const char* NameOf(FaultKind kind) {
  switch (kind) {
    case FaultKind::kDelay:
      return "delay";
    case FaultKind::kStall:
      return "stall";
    case FaultKind::kDrop:
      return "drop";
    case FaultKind::kReset:
      return "reset";
    case FaultKind::kCorruptHeader:
      return "corrupt header";
    case FaultKind::kCorruptPayload:
      return "corrupt payload";
    case FaultKind::kCorruptRead:
      return "corrupt read";
    case FaultKind::kKill:
      return "kill";
    case FaultKind::kRefuse:
      return "refuse";
  }
  return "?";
}

absl::Status Refusal() { return absl::UnavailableError("the fault decorator refuses connections"); }

}  // namespace

std::string FaultEvent::ToString() const {
  std::string text = absl::StrCat(connection, ": ", NameOf(kind));
  if (number != 0) absl::StrAppend(&text, " of number ", number);
  if (kind == FaultKind::kDelay || kind == FaultKind::kStall) {
    absl::StrAppend(&text, " for ", absl::FormatDuration(span));
  }
  if (byte != 0) absl::StrAppend(&text, " at byte ", byte);
  return text;
}

// --- control ----------------------------------------------------------------------------------------------------

FaultControl::FaultControl() : board_(std::make_shared<fault::Switchboard>()) {}

size_t FaultControl::KillAll() {
  const auto live = board_->Live();
  for (const auto& connection : live) connection->Kill();
  return live.size();
}

bool FaultControl::KillOldest() {
  const auto live = board_->Live();
  if (!live.empty()) live.front()->Kill();
  return !live.empty();
}

size_t FaultControl::connections() const { return board_->Live().size(); }

void FaultControl::RefuseConnections(bool refuse) { board_->SetRefuse(refuse); }

void FaultControl::Stall() {
  board_->SetStalled(true);
  for (const auto& connection : board_->Live()) connection->Stall();
}

void FaultControl::Resume() {
  board_->SetStalled(false);
  for (const auto& connection : board_->Live()) connection->Resume();
}

void FaultControl::StrikeNext(FaultKind kind) { board_->Arm(kind); }

uint64_t FaultControl::count(FaultKind kind) const { return board_->count(kind); }

void FaultControl::SetObserver(std::function<void(const FaultEvent&)> observer) {
  board_->SetObserver(std::move(observer));
}

// --- transport --------------------------------------------------------------------------------------------------

FaultyTransport::FaultyTransport(std::unique_ptr<Transport> inner, Executor* executor,
                                 const FaultPlan& plan, const FaultControl& control)
    : inner_(std::move(inner)), executor_(executor), plan_(plan), board_(control.board_) {}

FaultyTransport::~FaultyTransport() { inner_->Stop(); }

void FaultyTransport::Stop() { inner_->Stop(); }

absl::StatusOr<std::unique_ptr<Listener>> FaultyTransport::Listen(const Uri& uri,
                                                                  AcceptHandler accept) {
  return inner_->Listen(
      uri,
      [executor = executor_, plan = plan_, board = board_, accept = std::move(accept)](
          std::shared_ptr<Connection> inner) mutable -> std::shared_ptr<Receiver> {
        const Identity identity = board->Number(/*accepted=*/true);
        if (board->refuse()) {
          board->Tell({.kind = FaultKind::kRefuse, .connection = identity.name()});
          return nullptr;
        }
        auto connection = std::make_shared<FaultyConnection>(executor, plan, board, identity);
        connection->Begin(std::move(inner));
        std::shared_ptr<Receiver> receiver = accept(connection);
        if (receiver == nullptr) {
          connection->OnClosed(absl::CancelledError("the connection was refused on this side"));
          return nullptr;
        }
        connection->SetReceiver(std::move(receiver));
        return connection;
      });
}

void FaultyTransport::Connect(const Uri& uri, absl::Time deadline,
                              std::shared_ptr<Receiver> receiver, ConnectDone done) {
  const Identity identity = board_->Number(/*accepted=*/false);
  auto connection = std::make_shared<FaultyConnection>(executor_, plan_, board_, identity);
  connection->SetReceiver(std::move(receiver));
  const bool refuse = board_->refuse();
  // An attempt whose deadline has passed is given up by every transport, on its progress thread: that is how we get there.
  inner_->Connect(uri, refuse ? absl::InfinitePast() : deadline, connection,
                  [connection, board = board_, identity, refuse, done = std::move(done)](
                      absl::StatusOr<std::shared_ptr<Connection>> inner) mutable {
                    absl::Status status = inner.status();
                    if (inner.ok() ? board->refuse() : refuse && absl::IsDeadlineExceeded(status)) {
                      board->Tell({.kind = FaultKind::kRefuse, .connection = identity.name()});
                      status = Refusal();
                    }
                    // Closed in the end or not, a wrapped connection that stands calls OnClosed.
                    if (inner.ok()) connection->Begin(*inner);
                    if (!status.ok()) {
                      if (inner.ok()) connection->Close(status);
                      connection->SetReceiver(nullptr);
                      connection.reset();
                      std::move(done)(status);
                      return;
                    }
                    std::move(done)(std::shared_ptr<Connection>(std::move(connection)));
                  });
}

TransportEntry WithFaults(TransportEntry entry, const FaultPlan& plan,
                          const FaultControl& control) {
  entry.create =
      [create = std::move(entry.create), plan,
       control](const TransportContext& context) -> absl::StatusOr<std::unique_ptr<Transport>> {
    absl::StatusOr<std::unique_ptr<Transport>> inner = create(context);
    if (!inner.ok()) return inner.status();
    return std::make_unique<FaultyTransport>(*std::move(inner), context.executor, plan, control);
  };
  return entry;
}

}  // namespace tideway
