// Push and pull over ZeroMQ: a pair of PAIR sockets, over TCP. See exchange.h.

#include <zmq.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <string>

#include "bench/others/exchange.h"

namespace bench {
namespace {

void Check(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what + ": " + zmq_strerror(zmq_errno()));
}

class PairSocket final : public Wire {
 public:
  PairSocket() : context_(zmq_ctx_new()), socket_(zmq_socket(context_, ZMQ_PAIR)) {
    Check(socket_ != nullptr, "zmq_socket");
    const int at_once = 0;
    zmq_setsockopt(socket_, ZMQ_LINGER, &at_once, sizeof(at_once));
  }
  ~PairSocket() override {
    zmq_close(socket_);
    zmq_ctx_term(context_);
  }

  // The address.
  std::string Listen() {
    Check(zmq_bind(socket_, "tcp://127.0.0.1:*") == 0, "zmq_bind");
    std::array<char, 128> address = {};
    size_t bytes = address.size();
    Check(zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, address.data(), &bytes) == 0, "its address");
    return address.data();
  }
  void Connect(const std::string& address) {
    Check(zmq_connect(socket_, address.c_str()) == 0, "zmq_connect");
  }

  void Send(const void* data, size_t bytes) override {
    Check(zmq_send(socket_, data, bytes, 0) >= 0, "zmq_send");
  }

  bool Receive(size_t bytes, const Use& use) override {
    zmq_msg_t message;
    zmq_msg_init(&message);
    Check(zmq_msg_recv(&message, socket_, 0) >= 0, "zmq_msg_recv");
    const bool whole = zmq_msg_size(&message) == bytes;
    if (whole) use(static_cast<const float*>(zmq_msg_data(&message)));
    zmq_msg_close(&message);
    if (!whole) throw std::runtime_error("a message of another size");
    return true;
  }

 private:
  void* const context_;
  void* const socket_;
};

void RunServer(const ExchangeSettings& settings) {
  PairSocket socket;
  float* vector = nullptr;
  RunExchangeServer(
      settings,
      [&](float* sum) {
        vector = sum;
        return socket.Listen();
      },
      [&] { ServeExchange(settings, socket, vector); });
}

void RunClientProgram(const ExchangeSettings& settings) {
  PairSocket socket;
  socket.Connect(settings.address);
  RunExchangeClient(settings, socket);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::ExchangeMain(argc, argv, bench::RunServer, bench::RunClientProgram);
}
