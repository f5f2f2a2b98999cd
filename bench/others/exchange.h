// Exchange: a push and a pull over any library that carries messages: what users would write with it in Tideway's place.
//
//   OTHER server --form=push --bytes=67108864 --chunk=1048576
//   OTHER client --address=... and the same options
//
// Push: the client sends all bytes as messages of `chunk`; the server adds each to its vector straight from where the library has it, and
// sends an acknowledgement of kAckBytes. Pull: the client sends kAckBytes, and the server its vector, which the client copies into its
// own unless the library can be told where to put it. One connection, one thread of ours at each end.
//
// Like all of bench/common, this throws what goes wrong, with a sentence for the user; Main (control.h) prints it.

#ifndef TIDEWAY_BENCH_OTHERS_EXCHANGE_H_
#define TIDEWAY_BENCH_OTHERS_EXCHANGE_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "bench/common/options.h"

namespace bench {

struct ExchangeSettings {
  explicit ExchangeSettings(const Options& options);

  bool push() const { return form == "push"; }

  std::string form;  // push or pull
  size_t bytes;
  size_t chunk;
  std::string address;  // what the server printed
};

// A connection of the library under test. One thread at a time.
class Wire {
 public:
  using Use = std::function<void(const float* data)>;

  virtual ~Wire() = default;
  // Sends one message; `data` may be changed once Flush has returned.
  virtual void Send(const void* data, size_t bytes) = 0;
  // Waits for what Send left to others. A library that tells later that a message has left need not be waited for with each.
  virtual void Flush() {}
  // Waits for the next message, which has `bytes`, and calls `use` with it. False: the other end has closed.
  virtual bool Receive(size_t bytes, const Use& use) = 0;
  // The same, into `data`. A library that can do better than to copy does so.
  virtual bool ReceiveInto(float* data, size_t bytes);
};

// Of a library that wants to be told where a message shall land: Receive has it land in memory of its own.
class LandingWire : public Wire {
 public:
  bool Receive(size_t bytes, const Use& use) final;
  bool ReceiveInto(float* data, size_t bytes) override = 0;

 private:
  std::vector<float> landing_;
};

// Answers one client until it closes. `sum` has settings.bytes.
void ServeExchange(const ExchangeSettings& settings, Wire& wire, float* sum);

// The server's program: has `listen` begin to listen with the vector that it shall serve, tells the driver the address that this returns,
// and calls `serve`, which serves one client. Then it waits for the driver to end the process.
void RunExchangeServer(const ExchangeSettings& settings,
                       const std::function<std::string(float* sum)>& listen,
                       const std::function<void()>& serve);

// The client's program.
void RunExchangeClient(const ExchangeSettings& settings, Wire& wire);

// main: calls the one that the command line asks for.
int ExchangeMain(int argc, char** argv, const std::function<void(const ExchangeSettings&)>& server,
                 const std::function<void(const ExchangeSettings&)>& client);

}  // namespace bench

#endif  // TIDEWAY_BENCH_OTHERS_EXCHANGE_H_
