// Transport: moves messages between processes. TCP, UCX and libfabric (RDMA, shared memory), in-process queues and a simulated
// network stand behind it.
//
// A message is a small header and a payload (limits.h). The one receive primitive is "where shall it land": when
// a message's header has arrived, the transport asks the Receiver where the payload shall go, and then moves the
// payload straight there. So no transport copies, and nobody above knows how it manages that.
//
// What is not here: what a message means (core/wire), retries, leases, membership (client, server).
//
// Threads. Every method may be called from any thread, also from a callback, except Transport::Stop, which must
// not be called from a callback. All callbacks of one transport instance come one at a time from its progress
// thread (production) or from the simulation's thread; they must not block. No callback runs inside the call that
// caused it.
//
// Completions. Every Done fires exactly once. Its status is OK, or why the operation failed: DEADLINE_EXCEEDED,
// UNAVAILABLE (peer refused, vanished or is unreachable), CANCELLED (closed or stopped on this side),
// RESOURCE_EXHAUSTED (queue or limit), INVALID_ARGUMENT.
//
// Buffers. What a Message points to stays untouched and alive until its Done fires; what a Landing points to
// belongs to the transport from OnMessage until its done fires.
//
// Order. OnMessage is called in the order of the peer's Sends on that connection. The `done` of different landings
// may fire in any order.
//
// Close is not Stop: Close is non-blocking and fails what is pending on one connection; Stop closes everything and
// returns after the last callback has returned.
//
// Example: an echo.
//   struct Echo : Receiver { ... OnMessage: return Landing{buffer, [..](absl::Status s) { conn->Send(...); }}; };
//   auto listener = transport->Listen(uri, [](std::shared_ptr<Connection> c) { return std::make_shared<Echo>(c); });

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_TRANSPORT_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_TRANSPORT_H_

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tideway/executor.h"
#include "tideway/limits.h"
#include "tideway/log.h"
#include "tideway/one_sided.h"
#include "tideway/uri.h"

namespace tideway {

using Done = absl::AnyInvocable<void(absl::Status)>;

// What Send takes: one header, and a payload in up to kGatherPartsMax parts. Either may be empty, not both.
struct Message {
  absl::Span<const std::byte> header;
  absl::InlinedVector<absl::Span<const std::byte>, 2> payload;

  size_t payload_bytes() const {
    size_t bytes = 0;
    for (const auto& part : payload) bytes += part.size();
    return bytes;
  }
};

// The answer to "where shall it land". destination.size() equals the payload's size. `done` fires with OK when
// the whole payload is there, or with the reason why it never will be. `progress` may be null; a transport that receives a payload piece
// by piece calls it after each piece, before `done`, with how many bytes from the start are there: whoever looks at every byte finds
// them in a near cache then. Other transports never call it.
struct Landing {
  absl::Span<std::byte> destination;
  Done done;
  absl::AnyInvocable<void(size_t landed)> progress = nullptr;
};

// The upper layer's end of a connection. The connection holds a reference until OnClosed has returned.
class Receiver {
 public:
  virtual ~Receiver() = default;

  // A message's header has arrived. `header` is valid during the call only. An error closes the connection with
  // that status as the reason; the peer sees a closed connection.
  virtual absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                            size_t payload_bytes) = 0;

  // The connection is closed: by the peer, by Close, by an error, by Stop. Exactly once, after the done of every
  // Send and every Landing, and the last callback of the connection.
  virtual void OnClosed(const absl::Status& reason) = 0;
};

// What a connection tells of itself, for reports and logs.
struct ConnectionInfo {
  std::string transport;
  std::string local;                           // address of this end
  std::string peer;                            // address of the other end
  std::map<std::string, std::string> details;  // transport-specific: congestion control, lanes, ...
  // Bytes never leave this host's memory: processors and the kernel copy them, and nothing in between can damage them. Both ends
  // say the same. Payloads go without a hash then (docs/decisions/unhashed-payloads.md).
  bool in_memory = false;
  // How many bytes of large messages are best given to Send before the first of them are out: enough to keep the peer busy, and little
  // enough that what was written just before is still in a cache. More where the peer fetches payloads by itself, a round trip each.
  size_t send_ahead_bytes = size_t{2} << 20;
};

class Connection {
 public:
  virtual ~Connection() = default;

  // Queues a message. Order is kept. Limits: RESOURCE_EXHAUSTED for a header, payload or queue over its limit, which
  // leaves the connection as it was. If `deadline` passes before the message is out, the connection is closed (half
  // a message can't be taken back) and the send fails with DEADLINE_EXCEEDED. OK means that the buffer is free
  // again, not that the peer has it.
  virtual void Send(Message message, absl::Time deadline, Done done) = 0;

  // Fails everything pending with `reason` and closes. Later calls do nothing.
  virtual void Close(absl::Status reason) = 0;

  virtual ConnectionInfo info() const = 0;

  // Reading the peer's memory without its CPU; null where this connection can't. Belongs to the connection. It is settled by
  // the time that the connection is handed out, and info().details["one_sided"] says how it works, or why it is missing.
  virtual OneSided* one_sided() { return nullptr; }
};

class Listener {
 public:
  virtual ~Listener() = default;  // stops accepting; accepted connections live on
  // The bound address: port 0 has become the real one.
  virtual Uri address() const = 0;
};

// Called for each accepted connection; gives back who receives on it, or null to refuse it.
using AcceptHandler =
    absl::AnyInvocable<std::shared_ptr<Receiver>(std::shared_ptr<Connection> connection)>;

using ConnectDone = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<Connection>>)>;

// One of the ways in which a transport can move bytes on this host, for example libfabric's shared memory. An address with
// this scheme and these parameters uses it and nothing else.
struct ProviderInfo {
  std::string name;    // unique among all transports: "tcp", "ucx/sm", "ofi+shm"
  std::string scheme;  // of its addresses
  std::map<std::string, std::string> params;
  bool viable = true;
  std::string unavailable_reason;    // why not viable, and what would help
  std::vector<std::string> devices;  // network interfaces, adapters, shared memory
  bool same_host_only = false;
  bool one_sided = false;  // its connections offer OneSided, as far as one can tell without a peer
  std::string wait;        // what an idle progress thread does: "blocks", "sleeps 50 us at a time"
};

// Capabilities as data.
struct TransportInfo {
  std::string name;
  std::vector<std::string> schemes;
  bool viable = true;
  std::string unavailable_reason;  // why not viable, and what would help
  std::string version;             // of the library behind it; empty: none
  bool crosses_hosts = false;
  bool crosses_processes = false;
  bool real_time = true;  // false: virtual time only
  // In the order of preference where nothing was measured. Empty: the transport is its own only provider (ProvidersOf).
  std::vector<ProviderInfo> providers;
  size_t header_bytes_max = kMessageHeaderBytesMax;
  size_t payload_bytes_max = kMessagePayloadBytesMax;
};

// The providers of `info`, or the one that stands for the whole transport where it lists none. REQUIRES: a scheme.
std::vector<ProviderInfo> ProvidersOf(const TransportInfo& info);

class Transport {
 public:
  virtual ~Transport() = default;  // stops

  virtual const TransportInfo& info() const = 0;

  // ALREADY_EXISTS: the address is taken. INVALID_ARGUMENT: it can't be one of this transport's addresses.
  // UNAVAILABLE: the host has no such address.
  virtual absl::StatusOr<std::unique_ptr<Listener>> Listen(const Uri& uri,
                                                           AcceptHandler accept) = 0;

  // `receiver` gets messages from the moment that `done` has fired with OK; otherwise it is dropped unused.
  virtual void Connect(const Uri& uri, absl::Time deadline, std::shared_ptr<Receiver> receiver,
                       ConnectDone done) = 0;

  // Closes all connections and listeners, and returns after the last callback. Later calls of Listen and Connect
  // fail with CANCELLED.
  virtual void Stop() = 0;
};

struct TransportContext {
  Executor* executor = nullptr;  // outlives the transport
  LogSink log;
};

// One line of the list of transports.
struct TransportEntry {
  std::string name;
  std::vector<std::string> schemes;
  absl::AnyInvocable<TransportInfo() const> probe;  // cheap; says viable or why not
  absl::AnyInvocable<absl::StatusOr<std::unique_ptr<Transport>>(const TransportContext&) const>
      create;
};

// The transports that a program chose to have: a value, filled by the program, read from the top.
class TransportRegistry {
 public:
  // ALREADY_EXISTS for a name or scheme that is there, and for "auto".
  absl::Status Add(TransportEntry entry);
  // NOT_FOUND, naming the schemes that exist.
  absl::StatusOr<const TransportEntry*> FindScheme(absl::string_view scheme) const;
  // An address on `host`, with any free port, for what a person calls `name`: a scheme ("tcp"), a provider ("ucx/sm") or
  // "auto". NOT_FOUND, with the names that exist; UNAVAILABLE: it can't work here, and why. Probes: may take milliseconds.
  absl::StatusOr<Uri> AddressFor(absl::string_view name, absl::string_view host) const;
  const std::vector<TransportEntry>& entries() const { return entries_; }

 private:
  std::vector<TransportEntry> entries_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_TRANSPORT_H_
