#include "compression/sparse_lossless/difference.h"

#include <cstdint>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "compression/common/float_bits.h"

namespace tideway::compression {
namespace {

constexpr uint32_t kPlain = 0;
constexpr uint32_t kChanges = 1;

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("sparse_lossless: ", what));
}

void WriteHeader(uint32_t form, const Versions& versions, std::byte* out) {
  StoreLittleEndian(form | static_cast<uint32_t>(versions.word_bytes) << 8, out);
  StoreLittleEndian(static_cast<uint32_t>(versions.elements), out + 4);
}

absl::Status CheckWords(size_t values_bytes, size_t word_bytes) {
  if (word_bytes != 2 && word_bytes != 4) {
    return absl::InvalidArgumentError(
        absl::StrCat("words of ", word_bytes, " bytes; give 2 (bf16, fp16) or 4 (fp32)"));
  }
  if (values_bytes % word_bytes != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(values_bytes, " bytes are no whole number of words of ", word_bytes));
  }
  if (values_bytes / word_bytes > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat(values_bytes / word_bytes, " words; take the difference in parts of at most ",
                     std::numeric_limits<uint32_t>::max()));
  }
  return absl::OkStatus();
}

// Reads all blocks, so that what follows can no longer fail.
absl::Status CheckBlocks(ChangesReader reader) {
  ChangesBlock block;
  while (reader.More()) {
    if (!reader.Next(block)) return Malformed("a block of changes is malformed");
  }
  return reader.AtEnd() ? absl::OkStatus() : Malformed("bytes follow the last change");
}

template <typename Word>
void TakeWords(absl::Span<const std::byte> in, std::byte* values) {
  for (size_t at = 0; at < in.size(); at += sizeof(Word)) {
    const Word word = LoadLittleEndian<Word>(in.data() + at);
    std::memcpy(values + at, &word, sizeof(word));
  }
}

}  // namespace

size_t WriteMessage(const Versions& versions, std::byte* out) {
  const size_t plain_bytes = kPlainHeaderBytes + versions.elements * versions.word_bytes;
  if (plain_bytes > kChangesHeaderBytes) {
    const EncodedChanges encoded = EncodeChanges(
        versions, absl::MakeSpan(out + kChangesHeaderBytes, plain_bytes - kChangesHeaderBytes - 1));
    if (encoded.fits) {
      WriteHeader(kChanges, versions, out);
      StoreLittleEndian(static_cast<uint32_t>(encoded.changes), out + 8);
      return kChangesHeaderBytes + encoded.bytes;
    }
  }
  WriteHeader(kPlain, versions, out);
  CopyWords(versions, out + kPlainHeaderBytes);
  return plain_bytes;
}

absl::StatusOr<Message> ReadMessage(absl::Span<const std::byte> in, size_t elements,
                                    size_t word_bytes) {
  if (in.size() < kPlainHeaderBytes) return Malformed("no room for the header");
  const auto head = LoadLittleEndian<uint32_t>(in.data());
  const auto coded = LoadLittleEndian<uint32_t>(in.data() + 4);
  if (head >> 8 != word_bytes || (head & 0xff) > kChanges) {
    return Malformed(absl::StrCat("unknown form, or no words of ", word_bytes, " bytes"));
  }
  if (coded != elements) {
    return Malformed(absl::StrCat("encodes ", coded, " words where ", elements, " are expected"));
  }
  if ((head & 0xff) == kPlain) {
    if (in.size() - kPlainHeaderBytes != elements * word_bytes) {
      return Malformed(absl::StrCat(in.size(), " bytes do not hold ", elements, " plain words"));
    }
    return Message{true, 0, in.subspan(kPlainHeaderBytes)};
  }
  if (in.size() < kChangesHeaderBytes) return Malformed("no room for the number of changes");
  const size_t changes = LoadLittleEndian<uint32_t>(in.data() + 8);
  if (changes > elements) {
    return Malformed(absl::StrCat("claims ", changes, " changes of ", elements, " words"));
  }
  return Message{false, changes, in.subspan(kChangesHeaderBytes)};
}

absl::StatusOr<size_t> SparseDifference::Encode(absl::Span<const std::byte> from,
                                                absl::Span<const std::byte> to, size_t word_bytes,
                                                absl::Span<std::byte> out) const {
  if (absl::Status words = CheckWords(to.size(), word_bytes); !words.ok()) return words;
  if (from.size() != to.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the versions have ", from.size(), " and ",
                                                   to.size(), " bytes; give two of one length"));
  }
  if (out.size() < Bound(to.size())) {
    return absl::InvalidArgumentError(absl::StrCat("the output has room for ", out.size(),
                                                   " bytes; Bound() asks for ", Bound(to.size())));
  }
  // An empty version may be a null pointer, which would mean zeros; there are none of them either.
  return WriteMessage({from.data(), to.data(), to.size() / word_bytes, word_bytes}, out.data());
}

absl::Status SparseDifference::Apply(absl::Span<const std::byte> in, size_t word_bytes,
                                     absl::Span<std::byte> values) const {
  if (absl::Status words = CheckWords(values.size(), word_bytes); !words.ok()) return words;
  const size_t elements = values.size() / word_bytes;
  const absl::StatusOr<Message> message = ReadMessage(in, elements, word_bytes);
  if (!message.ok()) return message.status();
  if (message->plain) {
    if (word_bytes == 2) TakeWords<uint16_t>(message->body, values.data());
    if (word_bytes == 4) TakeWords<uint32_t>(message->body, values.data());
    return absl::OkStatus();
  }
  ChangesReader reader(message->body, message->changes, elements, word_bytes);
  if (absl::Status blocks = CheckBlocks(reader); !blocks.ok()) return blocks;
  ChangesBlock block;
  while (reader.More() && reader.Next(block)) ApplyChanges(block, word_bytes, values.data());
  return absl::OkStatus();
}

}  // namespace tideway::compression
