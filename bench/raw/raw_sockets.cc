// Bare TCP sockets: what a push and a pull cost without us.
//
//   raw_sockets server --form=push --bytes=67108864 --chunk=1048576 --wait=block --congestion=cubic
//   raw_sockets client --address=127.0.0.1:PORT and the same options
//
// Push: the client writes all bytes; the server reads them chunk by chunk into one buffer, adds each chunk to its vector, and
// writes an acknowledgement of kAckBytes. Pull: the client writes kAckBytes, the server writes its vector, which the client
// reads straight into its own. push-pull: a push that is answered with the vector. One connection, one thread on each side.
// --wait=spin polls the socket instead of blocking.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include "bench/common/control.h"
#include "bench/common/options.h"
#include "bench/common/placement.h"
#include "bench/common/vectors.h"

namespace bench {
namespace {

constexpr size_t kAckBytes = 64;  // about a header

void Check(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what + ": " + std::strerror(errno));
}

class Socket {
 public:
  Socket(int descriptor, bool spin) : descriptor_(descriptor), spin_(spin) {
    Check(descriptor_ >= 0, "socket");
  }
  ~Socket() { close(descriptor_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int descriptor() const { return descriptor_; }

  void Write(const void* data, size_t bytes) {
    const char* next = static_cast<const char*>(data);
    while (bytes > 0) {
      const ssize_t written = send(descriptor_, next, bytes, MSG_NOSIGNAL | Flags());
      if (written < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      Check(written > 0, "send");
      next += written;
      bytes -= static_cast<size_t>(written);
    }
  }

  // False at the end of the stream.
  bool Read(void* data, size_t bytes) {
    char* next = static_cast<char*>(data);
    while (bytes > 0) {
      const ssize_t read = recv(descriptor_, next, bytes, Flags());
      if (read < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (read == 0 || (read < 0 && errno == ECONNRESET)) return false;
      Check(read > 0, "recv");
      next += read;
      bytes -= static_cast<size_t>(read);
    }
    return true;
  }

 private:
  int Flags() const { return spin_ ? MSG_DONTWAIT : 0; }

  const int descriptor_;
  const bool spin_;
};

struct Settings {
  explicit Settings(const Options& options)
      : form(options.Choice("form", {"push", "pull", "push-pull"})),
        bytes(options.Number("bytes", size_t{64} << 20)),
        chunk(std::min<size_t>(options.Number("chunk", size_t{1} << 20), bytes)),
        spin(options.Choice("wait", {"block", "spin"}) == "spin"),
        congestion(options.Text("congestion", "")),
        outstanding(std::max<size_t>(options.Number("outstanding", 1), 1)),
        address(options.Text("address", "127.0.0.1:0")) {}

  bool push() const { return form != "pull"; }
  bool pull() const { return form != "push"; }

  std::string form;
  size_t bytes;
  size_t chunk;
  bool spin;
  std::string congestion;
  size_t outstanding;  // pushes that are not acknowledged yet
  std::string address;
};

sockaddr_in ParseAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  if (colon == std::string::npos ||
      inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    throw std::invalid_argument("'" + text + "' is no address; write 127.0.0.1:PORT");
  }
  address.sin_port = htons(static_cast<uint16_t>(std::stoul(text.substr(colon + 1))));
  return address;
}

// Before connecting or listening: what is accepted inherits it.
void Prepare(int socket, const Settings& settings) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (settings.congestion.empty()) return;
  Check(setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, settings.congestion.data(),
                   static_cast<socklen_t>(settings.congestion.size())) == 0,
        "congestion control " + settings.congestion);
}

void ServePeer(const Settings& settings, Socket& peer, Vector& sum) {
  Vector arriving(settings.chunk / sizeof(float));
  char ack[kAckBytes] = {};
  while (true) {
    if (!settings.push() && !peer.Read(ack, kAckBytes)) return;
    for (size_t at = 0; settings.push() && at < settings.bytes; at += settings.chunk) {
      const size_t bytes = std::min(settings.chunk, settings.bytes - at);
      if (!peer.Read(arriving.data(), bytes)) return;
      Add(arriving.data(), bytes / sizeof(float), sum.data() + at / sizeof(float));
    }
    if (!settings.pull()) peer.Write(ack, kAckBytes);
    for (size_t at = 0; settings.pull() && at < settings.bytes; at += settings.chunk) {
      peer.Write(sum.data() + at / sizeof(float), std::min(settings.chunk, settings.bytes - at));
    }
  }
}

void RunServer(const Settings& settings) {
  Vector sum(settings.bytes / sizeof(float));
  if (!settings.push()) FillPattern(sum.span());
  Socket listener(socket(AF_INET, SOCK_STREAM, 0), false);
  Prepare(listener.descriptor(), settings);
  sockaddr_in address = ParseAddress(settings.address);
  socklen_t length = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  Check(bind(listener.descriptor(), generic, length) == 0, "bind");
  Check(listen(listener.descriptor(), 1) == 0, "listen");
  Check(getsockname(listener.descriptor(), generic, &length) == 0, "getsockname");
  const std::string host = settings.address.substr(0, settings.address.rfind(':'));
  ServeDriverAside(
      host + ":" + std::to_string(ntohs(address.sin_port)), [&sum, &settings](uint64_t pushes) {
        return IsPattern(sum.span(), settings.push() ? static_cast<double>(pushes) : 1.0);
      });
  while (true) {
    Socket peer(accept(listener.descriptor(), nullptr, nullptr), settings.spin);
    ServePeer(settings, peer, sum);
  }
}

void RunPeer(const Settings& settings) {
  Vector delta(settings.push() ? settings.bytes / sizeof(float) : 0);
  Vector pulled(settings.pull() ? settings.bytes / sizeof(float) : 0);
  FillPattern(delta.span());
  Socket server(socket(AF_INET, SOCK_STREAM, 0), settings.spin);
  Prepare(server.descriptor(), settings);
  sockaddr_in address = ParseAddress(settings.address);
  Check(connect(server.descriptor(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0,
        "connect");
  char ack[kAckBytes] = {};
  size_t under_way = 0;
  uint64_t pushes = 0;
  const auto await_ack = [&] {
    Check(server.Read(ack, kAckBytes), "the server closed");
    --under_way;
  };
  const auto operation = [&] {
    if (!settings.push()) server.Write(ack, kAckBytes);
    for (size_t at = 0; at < delta.bytes(); at += settings.chunk) {
      server.Write(delta.data() + at / sizeof(float), std::min(settings.chunk, delta.bytes() - at));
    }
    if (settings.pull()) {
      Check(server.Read(pulled.data(), settings.bytes), "the server closed");
      pushes += settings.push() ? 1 : 0;
    } else if (++under_way == settings.outstanding) {
      await_ack();
    }
  };
  RunClient({.bytes = delta.bytes() + pulled.bytes(),
             .pushes = settings.push(),
             .outstanding = settings.pull() ? 1 : settings.outstanding,
             .operation = operation,
             .drain =
                 [&] {
                   while (under_way > 0) await_ack();
                 },
             .check =
                 [&] {
                   return IsPattern(delta.span(), 1.0) &&
                          IsPattern(pulled.span(),
                                    settings.push() ? static_cast<double>(pushes) : 1.0);
                 }});
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::Main([&] {
    const bench::Options options(
        argc, argv,
        {"form", "bytes", "chunk", "wait", "outstanding", "congestion", "address", "cpus", "numa"});
    bench::Place(options);
    const bench::Settings settings(options);
    if (options.role() == "server") {
      bench::RunServer(settings);
    } else {
      bench::RunPeer(settings);
    }
  });
}
