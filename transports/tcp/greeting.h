// What each stream of a connection with several streams says first: to which connection it belongs, how many streams that one
// has, and which of them it is. Pure; spec.md has the bytes.

#ifndef TIDEWAY_TRANSPORTS_TCP_GREETING_H_
#define TIDEWAY_TRANSPORTS_TCP_GREETING_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace tideway::tcp {

inline constexpr size_t kGreetingBytes = 32;

// Random, chosen by whoever connects; who does not know it can't join.
using Token = std::array<uint64_t, 2>;

struct Greeting {
  size_t streams = 0;  // 2 to kTcpStreamsMax
  size_t index = 0;    // below streams
  Token token = {};
};

std::array<std::byte, kGreetingBytes> EncodeGreeting(const Greeting& greeting);

// How many first bytes LooksLikeGreeting wants to see.
inline constexpr size_t kGreetingMagicBytes = 4;
// True for a greeting of any version. REQUIRES: in.size() >= kGreetingMagicBytes.
bool LooksLikeGreeting(absl::Span<const std::byte> in);

// INVALID_ARGUMENT: no peer of this version says that. REQUIRES: in.size() == kGreetingBytes.
absl::StatusOr<Greeting> DecodeGreeting(absl::Span<const std::byte> in);

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_GREETING_H_
