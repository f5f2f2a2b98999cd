// What the two ends say on the side channel: a greeting each, and then short notes. Pure; spec.md has the bytes.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_GREETING_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_GREETING_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace tideway::libfabric {

inline constexpr size_t kGreetingHeadBytes = 48;
inline constexpr size_t kGreetingTextBytesMax = 255;  // each of its three
inline constexpr size_t kGreetingBytesMax = kGreetingHeadBytes + 3 * kGreetingTextBytesMax;
inline constexpr size_t kNoteBytes = 8;

enum class GreetingKind : uint8_t { kHello = 1, kWelcome = 2, kRefusal = 3 };

struct Greeting {
  GreetingKind kind = GreetingKind::kHello;
  uint64_t connection = 0;      // what its sender calls the connection; frames to it carry this
  uint64_t device = 0;          // where its sender's exposed memory is registered
  uint64_t cookie_address = 0;  // ofi+shm: 8 bytes in its sender's memory, and what they hold
  uint64_t cookie = 0;
  uint32_t frame_bytes = 0;    // of its sender's receive buffers
  std::string scheme;          // of its sender's provider
  std::string fabric_address;  // of its sender's endpoint, as libfabric has it
  std::string text;            // its sender's address, for people; of a refusal: the reason
};

// Texts over their limit are cut.
std::string EncodeGreeting(const Greeting& greeting);

// How many bytes a greeting has that begins like this; 0: too few came to tell. INVALID_ARGUMENT: no greeting begins so.
absl::StatusOr<size_t> GreetingBytes(absl::Span<const std::byte> in);

// REQUIRES: in.size() == *GreetingBytes(in).
absl::StatusOr<Greeting> DecodeGreeting(absl::Span<const std::byte> in);

enum class NoteKind : uint8_t {
  kReady = 1,     // the connecting end can receive
  kBye = 2,       // the last note; value: how many messages were sent
  kDoorbell = 3,  // something waits in the fabric
};

struct Note {
  NoteKind kind = NoteKind::kReady;
  uint32_t value = 0;
};

void EncodeNote(const Note& note, absl::Span<std::byte> out);
absl::StatusOr<Note> DecodeNote(absl::Span<const std::byte> in);

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_GREETING_H_
