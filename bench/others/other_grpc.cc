// Push and pull over a gRPC stream, over TCP without TLS. See exchange.h.

#include <grpcpp/grpcpp.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "bench/others/exchange.grpc.pb.h"
#include "bench/others/exchange.h"

namespace bench {
namespace {

// Either end of a stream.
template <typename Stream>
class StreamWire final : public Wire {
 public:
  explicit StreamWire(Stream* stream) : stream_(stream) {}

  void Send(const void* data, size_t bytes) override {
    out_.set_data(data, bytes);
    if (!stream_->Write(out_)) throw std::runtime_error("the other end closed");
  }

  bool Receive(size_t bytes, const Use& use) override {
    if (!stream_->Read(&in_)) return false;
    if (in_.data().size() != bytes) throw std::runtime_error("a message of another size");
    use(reinterpret_cast<const float*>(in_.data().data()));
    return true;
  }

 private:
  Stream* const stream_;
  Chunk out_;
  Chunk in_;
};

class ExchangeService final : public Exchange::Service {
 public:
  ExchangeService(const ExchangeSettings& settings, float* sum) : settings_(settings), sum_(sum) {}

  grpc::Status Talk(grpc::ServerContext*, grpc::ServerReaderWriter<Chunk, Chunk>* stream) override {
    StreamWire wire(stream);
    ServeExchange(settings_, wire, sum_);
    return grpc::Status::OK;
  }

 private:
  const ExchangeSettings& settings_;
  float* const sum_;
};

void RunServer(const ExchangeSettings& settings) {
  std::unique_ptr<ExchangeService> service;
  std::unique_ptr<grpc::Server> server;
  const auto listen = [&](float* sum) {
    service = std::make_unique<ExchangeService>(settings, sum);
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service.get());
    builder.SetMaxReceiveMessageSize(-1);
    server = builder.BuildAndStart();
    if (server == nullptr) throw std::runtime_error("gRPC can't listen");
    return "127.0.0.1:" + std::to_string(port);
  };
  RunExchangeServer(settings, listen, [&] { server->Wait(); });
}

void RunClientProgram(const ExchangeSettings& settings) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto stub = Exchange::NewStub(
      grpc::CreateCustomChannel(settings.address, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  const auto stream = stub->Talk(&context);
  StreamWire wire(stream.get());
  RunExchangeClient(settings, wire);
  stream->WritesDone();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::ExchangeMain(argc, argv, bench::RunServer, bench::RunClientProgram);
}
