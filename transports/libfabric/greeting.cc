#include "transports/libfabric/greeting.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "transports/libfabric/bytes.h"

namespace tideway::libfabric {
namespace {

constexpr char kMagic[] = "TDG1";  // the last byte is the version of this format
constexpr size_t kMagicBytes = 4;

absl::string_view Text(absl::Span<const std::byte> in) {
  return {reinterpret_cast<const char*>(in.data()), in.size()};
}

}  // namespace

std::string EncodeGreeting(const Greeting& greeting) {
  const std::string texts[] = {greeting.scheme.substr(0, kGreetingTextBytesMax),
                               greeting.fabric_address.substr(0, kGreetingTextBytesMax),
                               greeting.text.substr(0, kGreetingTextBytesMax)};
  std::string out(kGreetingHeadBytes, '\0');
  auto* at = reinterpret_cast<std::byte*>(out.data());
  std::memcpy(at, kMagic, kMagicBytes);
  Put<uint8_t>(at + 4, static_cast<uint8_t>(greeting.kind));
  for (size_t i = 0; i < 3; ++i) Put<uint8_t>(at + 5 + i, static_cast<uint8_t>(texts[i].size()));
  Put<uint64_t>(at + 8, greeting.connection);
  Put<uint64_t>(at + 16, greeting.device);
  Put<uint64_t>(at + 24, greeting.cookie_address);
  Put<uint64_t>(at + 32, greeting.cookie);
  Put<uint32_t>(at + 40, greeting.frame_bytes);
  for (const std::string& text : texts) out += text;
  return out;
}

absl::StatusOr<size_t> GreetingBytes(absl::Span<const std::byte> in) {
  const size_t magic = std::min(in.size(), kMagicBytes);
  if (std::memcmp(in.data(), kMagic, magic) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("it speaks another protocol; it began with '",
                     absl::CHexEscape(Text(in.first(std::min<size_t>(in.size(), 16)))), "'"));
  }
  if (in.size() < 8) return size_t{0};
  size_t bytes = kGreetingHeadBytes;
  for (size_t i = 0; i < 3; ++i) bytes += Get<uint8_t>(in.data() + 5 + i);
  return bytes;
}

absl::StatusOr<Greeting> DecodeGreeting(absl::Span<const std::byte> in) {
  const std::byte* at = in.data();
  const uint8_t kind = Get<uint8_t>(at + 4);
  if (kind < 1 || kind > 3 || Get<uint32_t>(at + 44) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("its greeting has the unknown kind ", kind, " or reserved bytes"));
  }
  Greeting greeting;
  greeting.kind = static_cast<GreetingKind>(kind);
  greeting.connection = Get<uint64_t>(at + 8);
  greeting.device = Get<uint64_t>(at + 16);
  greeting.cookie_address = Get<uint64_t>(at + 24);
  greeting.cookie = Get<uint64_t>(at + 32);
  greeting.frame_bytes = Get<uint32_t>(at + 40);
  std::string* const texts[] = {&greeting.scheme, &greeting.fabric_address, &greeting.text};
  size_t offset = kGreetingHeadBytes;
  for (size_t i = 0; i < 3; ++i) {
    const size_t bytes = Get<uint8_t>(at + 5 + i);
    *texts[i] = std::string(Text(in.subspan(offset, bytes)));
    offset += bytes;
  }
  return greeting;
}

void EncodeNote(const Note& note, absl::Span<std::byte> out) {
  Put<uint32_t>(out.data(), static_cast<uint8_t>(note.kind));
  Put<uint32_t>(out.data() + 4, note.value);
}

absl::StatusOr<Note> DecodeNote(absl::Span<const std::byte> in) {
  const uint32_t kind = Get<uint32_t>(in.data());
  if (kind < 1 || kind > 3) {
    return absl::InvalidArgumentError(absl::StrCat("a note has the unknown kind ", kind));
  }
  return Note{static_cast<NoteKind>(kind), Get<uint32_t>(in.data() + 4)};
}

}  // namespace tideway::libfabric
