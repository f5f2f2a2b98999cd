// Drives the fuzz entry point with valid bytes, mutated ones and noise.

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/fuzz/transport_wires.h"
#include "transports/libfabric/frame.h"
#include "transports/libfabric/greeting.h"
#include "transports/libfabric/one_sided.h"
#include "transports/ucx/wire.h"

namespace tideway::fuzz {
namespace {

// One valid input for each decoder, in their order.
std::vector<std::string> ValidInputs() {
  ucx::Hello hello;
  hello.host = "host";
  hello.tls = "all";
  std::string message(4 + ucx::kMessagePrefixBytes, '\0');
  message[0] = 3;
  ucx::EncodeMessagePrefix({.header_bytes = 2, .payload_bytes = 3},
                           reinterpret_cast<std::byte*>(message.data() + 4));
  libfabric::Frame frame;
  frame.type = libfabric::FrameType::kRemote;
  frame.part_count = 2;
  frame.payload_bytes = 300;
  frame.parts[0] = {1, 2, 100};
  frame.parts[1] = {3, 4, 200};
  std::string framed(libfabric::FrameBytes(frame), '\0');
  libfabric::EncodeFrame(frame, {}, {reinterpret_cast<std::byte*>(framed.data()), framed.size()});
  libfabric::Greeting greeting;
  greeting.scheme = "ofi+net";
  greeting.fabric_address = "address";
  const auto range = libfabric::EncodeDescriptor({1, {2, 3, 4}});
  return {ucx::EncodeFrame(ucx::FrameType::kHello, ucx::Encode(hello)),
          ucx::Encode(hello),
          ucx::Encode(ucx::Offer{true, true, "address"}),
          message + "hi",
          ucx::Encode(ucx::MemoryDescriptor{.bytes = 10, .remote_key = "key"}),
          framed,
          libfabric::EncodeGreeting(greeting),
          std::string(reinterpret_cast<const char*>(range.data()), range.size())};
}

std::string Given(size_t wire, const std::string& bytes) {
  const std::string input = std::string(1, static_cast<char>(wire)) + bytes;
  return DecodeWire(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

TEST(TransportWiresFuzz, ValidMutatedAndRandomBytesGiveAStatusInTheLimits) {
  const int seed = testing::UnitTest::GetInstance()->random_seed() + 9;
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  const std::vector<std::string> valid = ValidInputs();
  ASSERT_EQ(valid.size(), kWires);
  for (size_t wire = 0; wire < kWires; ++wire) {
    for (int round = 0; round < 5000; ++round) {
      std::string bytes = valid[wire];
      if (round % 5 == 4) bytes.assign(random() % 100, 'n');
      for (size_t changes = random() % 5; changes > 0 && !bytes.empty(); --changes)
        bytes[random() % bytes.size()] = static_cast<char>(random());
      if (random() % 8 == 0) bytes.resize(random() % (bytes.size() + 20));
      ASSERT_EQ(Given(wire, bytes), "")
          << "seed " << seed << " wire " << wire << " round " << round;
    }
  }
}

}  // namespace
}  // namespace tideway::fuzz
