#include "bench/others/exchange.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include "bench/common/control.h"
#include "bench/common/vectors.h"

namespace bench {
namespace {

constexpr size_t kAckBytes = 64;  // about a header

// Calls `each` with the place and the size of every chunk, until it returns false.
bool ForEachChunk(const ExchangeSettings& settings,
                  const std::function<bool(size_t element, size_t bytes)>& each) {
  for (size_t at = 0; at < settings.bytes; at += settings.chunk) {
    if (!each(at / sizeof(float), std::min(settings.chunk, settings.bytes - at))) return false;
  }
  return true;
}

}  // namespace

ExchangeSettings::ExchangeSettings(const Options& options)
    : form(options.Choice("form", {"push", "pull"})),
      bytes(options.Number("bytes", size_t{64} << 20)),
      chunk(std::min<size_t>(options.Number("chunk", size_t{1} << 20), bytes)),
      address(options.Text("address", "")) {
  if (bytes == 0 || bytes % sizeof(float) != 0 || chunk == 0 || chunk % sizeof(float) != 0)
    throw std::invalid_argument("--bytes and --chunk must be multiples of 4, and not 0");
  if (options.role() == "client" && address.empty())
    throw std::invalid_argument("the client needs --address=..., as the server has printed it");
}

bool Wire::ReceiveInto(float* data, size_t bytes) {
  return Receive(bytes, [&](const float* message) { std::memcpy(data, message, bytes); });
}

bool LandingWire::Receive(size_t bytes, const Use& use) {
  if (landing_.size() * sizeof(float) < bytes) landing_.resize(bytes / sizeof(float));
  if (!ReceiveInto(landing_.data(), bytes)) return false;
  use(landing_.data());
  return true;
}

void ServeExchange(const ExchangeSettings& settings, Wire& wire, float* sum) {
  std::array<char, kAckBytes> ack = {};
  while (true) {
    if (settings.push()) {
      const bool all = ForEachChunk(settings, [&](size_t element, size_t bytes) {
        return wire.Receive(
            bytes, [&](const float* delta) { Add(delta, bytes / sizeof(float), sum + element); });
      });
      if (!all) return;
      wire.Send(ack.data(), ack.size());
      wire.Flush();
    } else {
      if (!wire.Receive(kAckBytes, [](const float*) {})) return;
      ForEachChunk(settings, [&](size_t element, size_t bytes) {
        wire.Send(sum + element, bytes);
        return true;
      });
      wire.Flush();
    }
  }
}

void RunExchangeServer(const ExchangeSettings& settings,
                       const std::function<std::string(float* sum)>& listen,
                       const std::function<void()>& serve) {
  Vector sum(settings.bytes / sizeof(float));
  if (!settings.push()) FillPattern(sum.span());
  ServeDriverAside(listen(sum.data()), [&sum, &settings](uint64_t pushes) {
    return IsPattern(sum.span(), settings.push() ? static_cast<double>(pushes) : 1.0);
  });
  serve();
  while (true) pause();
}

void RunExchangeClient(const ExchangeSettings& settings, Wire& wire) {
  Vector vector(settings.bytes / sizeof(float));
  if (settings.push()) FillPattern(vector.span());
  std::array<char, kAckBytes> ack = {};
  const auto must = [](bool received) {
    if (!received) throw std::runtime_error("the server closed");
    return true;
  };
  const auto push = [&] {
    ForEachChunk(settings, [&](size_t element, size_t bytes) {
      wire.Send(vector.data() + element, bytes);
      return true;
    });
    must(wire.Receive(kAckBytes, [](const float*) {}));
    wire.Flush();
  };
  const auto pull = [&] {
    wire.Send(ack.data(), ack.size());
    wire.Flush();
    ForEachChunk(settings, [&](size_t element, size_t bytes) {
      return must(wire.ReceiveInto(vector.data() + element, bytes));
    });
  };
  RunClient({.bytes = settings.bytes,
             .pushes = settings.push(),
             .operation = settings.push() ? std::function<void()>(push) : pull,
             .check = [&] { return IsPattern(vector.span(), 1.0); }});
}

int ExchangeMain(int argc, char** argv, const std::function<void(const ExchangeSettings&)>& server,
                 const std::function<void(const ExchangeSettings&)>& client) {
  return Main([&] {
    const Options options(argc, argv, {"form", "bytes", "chunk", "address"});
    const ExchangeSettings settings(options);
    (options.role() == "server" ? server : client)(settings);
  });
}

}  // namespace bench
