// Push and pull over TensorPipe, which PyTorch's RPC sends tensors with. See exchange.h. The vector's chunks are tensors, the rest payloads.
// Over TCP that is its transport uv with the channel basic; in shared memory its transport shm with the channel cma, which reads the
// peer's memory.

#include <tensorpipe/tensorpipe.h>

#include <deque>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "bench/others/exchange.h"

namespace bench {
namespace {

constexpr std::string_view kTransport = OTHER_TENSORPIPE_TRANSPORT;  // uv or shm
static_assert(kTransport == "uv" || kTransport == "shm");
constexpr size_t kPayloadBytesMax = 64;  // an acknowledgement

// What one call of a callback brings: a value, or an error that Get throws.
template <typename T>
class Awaited {
 public:
  void Set(const tensorpipe::Error& error, T value) {
    if (!error) return promise_.set_value(std::move(value));
    promise_.set_exception(std::make_exception_ptr(std::runtime_error(error.what())));
  }
  T Get() { return future_.get(); }

 private:
  std::promise<T> promise_;
  std::future<T> future_ = promise_.get_future();
};

struct Done {};

std::shared_ptr<tensorpipe::Context> MakeContext() {
  auto context = std::make_shared<tensorpipe::Context>();
  if (kTransport == "uv") {
    context->registerTransport(0, "uv", tensorpipe::transport::uv::create());
    context->registerChannel(0, "basic", tensorpipe::channel::basic::create());
  } else {
    context->registerTransport(0, "shm", tensorpipe::transport::shm::create());
    context->registerChannel(0, "cma", tensorpipe::channel::cma::create());
  }
  return context;
}

class PipeWire final : public LandingWire {
 public:
  PipeWire() : context_(MakeContext()) {}
  ~PipeWire() override {
    if (pipe_ != nullptr) pipe_->close();
    context_->close();
    context_->join();
  }

  // The address.
  std::string Listen() {
    listener_ = context_->listen({kTransport == "uv" ? "uv://127.0.0.1" : "shm://"});
    return listener_->url(std::string(kTransport));
  }
  void Accept() {
    Awaited<std::shared_ptr<tensorpipe::Pipe>> pipe;
    listener_->accept([&](const tensorpipe::Error& error, std::shared_ptr<tensorpipe::Pipe> got) {
      pipe.Set(error, std::move(got));
    });
    pipe_ = pipe.Get();
  }
  void Connect(const std::string& address) { pipe_ = context_->connect(address); }

  void Send(const void* data, size_t bytes) override {
    tensorpipe::Message message;
    void* const from = const_cast<void*>(data);
    if (bytes <= kPayloadBytesMax) {
      message.payloads.push_back({.data = from, .length = bytes});
    } else {
      message.tensors.push_back({.buffer = tensorpipe::CpuBuffer{.ptr = from}, .length = bytes});
    }
    auto sent = std::make_unique<Awaited<Done>>();
    pipe_->write(std::move(message),
                 [sent = sent.get()](const tensorpipe::Error& error) { sent->Set(error, Done()); });
    sends_.push_back(std::move(sent));
  }

  void Flush() override {
    for (const auto& sent : sends_) sent->Get();
    sends_.clear();
  }

  bool ReceiveInto(float* data, size_t bytes) override {
    Awaited<tensorpipe::Descriptor> next;
    pipe_->readDescriptor([&](const tensorpipe::Error& error, tensorpipe::Descriptor descriptor) {
      next.Set(error, std::move(descriptor));
    });
    tensorpipe::Descriptor descriptor;
    try {
      descriptor = next.Get();
    } catch (const std::runtime_error&) {  // so it tells that the other end is gone
      return false;
    }
    Awaited<Done> arrived;
    pipe_->read(Landing(descriptor, data, bytes),
                [&](const tensorpipe::Error& error) { arrived.Set(error, Done()); });
    arrived.Get();
    return true;
  }

 private:
  static tensorpipe::Allocation Landing(const tensorpipe::Descriptor& descriptor, float* data,
                                        size_t bytes) {
    tensorpipe::Allocation allocation;
    size_t has = 0;
    for (const auto& payload : descriptor.payloads) {
      has += payload.length;
      allocation.payloads.push_back({.data = data});
    }
    for (const auto& tensor : descriptor.tensors) {
      has += tensor.length;
      allocation.tensors.push_back({.buffer = tensorpipe::CpuBuffer{.ptr = data}});
    }
    if (has != bytes || allocation.payloads.size() + allocation.tensors.size() != 1) {
      throw std::runtime_error("a message of another size");
    }
    return allocation;
  }

  const std::shared_ptr<tensorpipe::Context> context_;
  std::shared_ptr<tensorpipe::Listener> listener_;
  std::shared_ptr<tensorpipe::Pipe> pipe_;
  std::deque<std::unique_ptr<Awaited<Done>>> sends_;
};

void RunServer(const ExchangeSettings& settings) {
  PipeWire wire;
  float* vector = nullptr;
  RunExchangeServer(
      settings,
      [&](float* sum) {
        vector = sum;
        return wire.Listen();
      },
      [&] {
        wire.Accept();
        ServeExchange(settings, wire, vector);
      });
}

void RunClientProgram(const ExchangeSettings& settings) {
  PipeWire wire;
  wire.Connect(settings.address);
  RunExchangeClient(settings, wire);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::ExchangeMain(argc, argv, bench::RunServer, bench::RunClientProgram);
}
