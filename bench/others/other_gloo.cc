// Push and pull over Gloo's send and receive, over TCP. See exchange.h. The address is a folder, in which the two ends find each other.

#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "bench/others/exchange.h"

namespace bench {
namespace {

class GlooWire final : public LandingWire {
 public:
  GlooWire(int rank, const std::string& folder)
      : other_(1 - rank), context_(std::make_shared<gloo::rendezvous::Context>(rank, 2)) {
    gloo::rendezvous::FileStore store(folder);
    auto device = gloo::transport::tcp::CreateDevice("127.0.0.1");
    context_->connectFullMesh(store, device);
  }

  void Send(const void* data, size_t bytes) override {
    auto& buffer = BufferAt(const_cast<void*>(data), bytes);
    buffer.send(other_, kSlot);
    if (!buffer.waitSend()) throw std::runtime_error("a send was aborted");
  }

  bool ReceiveInto(float* data, size_t bytes) override {
    auto& buffer = BufferAt(data, bytes);
    try {
      buffer.recv(other_, kSlot);
      return buffer.waitRecv();
    } catch (const gloo::IoException&) {  // so it tells that the other end is gone
      return false;
    }
  }

 private:
  using Buffer = gloo::transport::UnboundBuffer;
  static constexpr uint64_t kSlot = 1;

  // They are made once for each place.
  Buffer& BufferAt(void* data, size_t bytes) {
    std::unique_ptr<Buffer>& buffer = buffers_[{data, bytes}];
    if (buffer == nullptr) buffer = context_->createUnboundBuffer(data, bytes);
    return *buffer;
  }

  const int other_;
  const std::shared_ptr<gloo::rendezvous::Context> context_;
  std::map<std::pair<void*, size_t>, std::unique_ptr<Buffer>> buffers_;
};

std::string NewFolder() {
  std::string name = std::filesystem::temp_directory_path() / "tideway-gloo-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("can't make " + name);
  return name;
}

void RunServer(const ExchangeSettings& settings) {
  float* vector = nullptr;
  std::string folder;
  RunExchangeServer(
      settings,
      [&](float* sum) {
        vector = sum;
        folder = NewFolder();
        return folder;
      },
      [&] {
        GlooWire wire(0, folder);
        std::filesystem::remove_all(folder);  // they have found each other
        ServeExchange(settings, wire, vector);
      });
}

void RunClientProgram(const ExchangeSettings& settings) {
  GlooWire wire(1, settings.address);
  RunExchangeClient(settings, wire);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::ExchangeMain(argc, argv, bench::RunServer, bench::RunClientProgram);
}
