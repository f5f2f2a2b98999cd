// Newcomers: accepted sockets that have not yet said what they are. One that begins with a greeting is a stream of a connection
// with several, and is kept until the others of its connection are there; any other one is a connection by itself, as is
// one that says nothing for a while.
//
// What strangers can cost is bounded: so many sockets wait for their first bytes, so many connections for their streams, each
// only for so long. A greeting that fits nowhere closes its own socket with a line in the log.
//
// Progress thread only. No callback comes inside Add, Take, or after Close.

#ifndef TIDEWAY_TRANSPORTS_TCP_NEWCOMERS_H_
#define TIDEWAY_TRANSPORTS_TCP_NEWCOMERS_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"
#include "transports/tcp/greeting.h"
#include "transports/tcp/loop.h"

namespace tideway::tcp {

// True if the next bytes of `socket`, which stay there, are the beginning of a greeting.
bool GreetingIsNext(int socket);

class Newcomers final : public std::enable_shared_from_this<Newcomers> {
 public:
  using Socket = asio::ip::tcp::socket;

  struct Patience {
    std::chrono::milliseconds first_bytes{1000};
    std::chrono::milliseconds greeting{
        10'000};  // until it is whole, and then until all streams are there
  };
  struct Callbacks {
    std::function<void(Socket)> on_plain;                 // nothing was read from it
    std::function<void(std::vector<Socket>)> on_streams;  // greeted, by index
  };

  Newcomers(std::shared_ptr<Loop> loop, Patience patience, Callbacks callbacks)
      : loop_(std::move(loop)), patience_(patience), callbacks_(std::move(callbacks)) {}

  // Waits for the first bytes of `socket`. At the limit it counts as plain, a little later.
  void Add(Socket socket);
  // Its greeting is there.
  void AddGreeted(Socket socket);
  void Close();

 private:
  struct Newcomer {
    Newcomer(Loop& loop, Socket accepted) : socket(std::move(accepted)), timer(loop.io()) {}
    Socket socket;
    asio::steady_timer timer;
    bool heard = false;  // its first bytes, or that there are none
    std::array<std::byte, kGreetingBytes> greeting;
  };
  using NewcomerPtr = std::shared_ptr<Newcomer>;

  struct Party {
    explicit Party(Loop& loop) : timer(loop.io()) {}
    std::vector<std::optional<Socket>> sockets;
    asio::steady_timer timer;
  };

  void OnFirstBytes(const NewcomerPtr& newcomer);
  void ReadGreeting(const NewcomerPtr& newcomer);
  void OnGreeting(const NewcomerPtr& newcomer, const asio::error_code& error);
  void Join(const Greeting& greeting, Socket socket);
  // The party to join; null, and said why, if there is no place for it.
  Party* PartyFor(const Greeting& greeting);
  void OnLate(const Token& token);
  // False: it has left already.
  bool Remove(const NewcomerPtr& newcomer);
  void Refuse(Socket& socket, absl::string_view why);

  const std::shared_ptr<Loop> loop_;
  const Patience patience_;
  const Callbacks callbacks_;
  bool closed_ = false;
  absl::flat_hash_set<NewcomerPtr> newcomers_;
  absl::flat_hash_map<Token, std::unique_ptr<Party>> parties_;
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_NEWCOMERS_H_
