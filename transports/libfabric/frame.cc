#include "transports/libfabric/frame.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "transports/libfabric/bytes.h"

namespace tideway::libfabric {
namespace {

constexpr uint32_t kMagic = 0x31464454;  // "TDF1": the last byte is the version of this format

absl::Status DecodeParts(const std::byte* in, Frame& frame) {
  uint64_t total = 0;
  for (size_t i = 0; i < frame.part_count; ++i, in += kRemotePartBytes) {
    RemotePart& part = frame.parts[i];
    part = {Get<uint64_t>(in), Get<uint64_t>(in + 8), Get<uint64_t>(in + 16)};
    if (part.bytes == 0 || part.bytes > kMessagePayloadBytesMax ||
        part.address + part.bytes < part.address) {
      return absl::InvalidArgumentError(
          absl::StrCat("part ", i, " of a payload has ", part.bytes, " bytes at an odd place"));
    }
    total += part.bytes;
  }
  if (total != frame.payload_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the parts of a payload have ", total, " bytes, and the payload ", frame.payload_bytes));
  }
  return absl::OkStatus();
}

absl::Status CheckSizes(const Frame& frame, size_t header_bytes, size_t frame_bytes) {
  if (header_bytes > kMessageHeaderBytesMax) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a header has ", header_bytes, " bytes; the limit is ", kMessageHeaderBytesMax));
  }
  if (frame.payload_bytes > kMessagePayloadBytesMax) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a payload has ", frame.payload_bytes, " bytes; the limit is ", kMessagePayloadBytesMax));
  }
  const bool remote = frame.type == FrameType::kRemote;
  const size_t behind = remote                             ? frame.part_count * kRemotePartBytes
                        : frame.type == FrameType::kInline ? frame.payload_bytes
                                                           : 0;
  if (remote ? frame.part_count == 0 || frame.part_count > kGatherPartsMax
             : frame.part_count != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a frame names ", frame.part_count, " parts of a payload"));
  }
  if (kFrameHeaderBytes + header_bytes + behind != frame_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("a frame has ", frame_bytes, " bytes, and says ",
                                                   kFrameHeaderBytes + header_bytes + behind));
  }
  return absl::OkStatus();
}

}  // namespace

size_t FrameBytes(const Frame& frame) {
  return kFrameHeaderBytes + frame.header.size() + frame.part_count * kRemotePartBytes +
         (frame.type == FrameType::kInline ? frame.payload_bytes : 0);
}

size_t EncodeFrame(const Frame& frame, absl::Span<const absl::Span<const std::byte>> payload_parts,
                   absl::Span<std::byte> out) {
  std::byte* at = out.data();
  Put<uint32_t>(at, kMagic);
  Put<uint8_t>(at + 4, static_cast<uint8_t>(frame.type));
  Put<uint8_t>(at + 5, static_cast<uint8_t>(frame.part_count));
  Put<uint16_t>(at + 6, static_cast<uint16_t>(frame.header.size()));
  Put<uint64_t>(at + 8, frame.connection);
  Put<uint32_t>(at + 16, frame.sequence);
  Put<uint32_t>(at + 20, frame.finished);
  Put<uint32_t>(at + 24, frame.payload_bytes);
  Put<uint32_t>(at + 28, 0);
  at += kFrameHeaderBytes;
  if (!frame.header.empty()) std::memcpy(at, frame.header.data(), frame.header.size());
  at += frame.header.size();
  for (size_t i = 0; i < frame.part_count; ++i, at += kRemotePartBytes) {
    Put<uint64_t>(at, frame.parts[i].address);
    Put<uint64_t>(at + 8, frame.parts[i].key);
    Put<uint64_t>(at + 16, frame.parts[i].bytes);
  }
  if (frame.type == FrameType::kInline) {
    for (const absl::Span<const std::byte> part : payload_parts) {
      if (!part.empty()) std::memcpy(at, part.data(), part.size());
      at += part.size();
    }
  }
  return static_cast<size_t>(at - out.data());
}

absl::StatusOr<uint64_t> FrameConnection(absl::Span<const std::byte> in) {
  if (in.size() < kFrameHeaderBytes || Get<uint32_t>(in.data()) != kMagic) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message of ", in.size(), " bytes is no frame of this protocol"));
  }
  return Get<uint64_t>(in.data() + 8);
}

absl::Status DecodeFrame(absl::Span<const std::byte> in, Frame& frame) {
  const std::byte* at = in.data();
  const uint8_t type = Get<uint8_t>(at + 4);
  if (type < 1 || type > 4 || Get<uint32_t>(at + 28) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a frame has the unknown type ", type, " or reserved bytes that are not 0"));
  }
  frame.type = static_cast<FrameType>(type);
  frame.part_count = Get<uint8_t>(at + 5);
  const size_t header_bytes = Get<uint16_t>(at + 6);
  frame.connection = Get<uint64_t>(at + 8);
  frame.sequence = Get<uint32_t>(at + 16);
  frame.finished = Get<uint32_t>(at + 20);
  frame.payload_bytes = Get<uint32_t>(at + 24);
  absl::Status status = CheckSizes(frame, header_bytes, in.size());
  if (!status.ok()) return status;
  const bool message = frame.type == FrameType::kInline || frame.type == FrameType::kRemote;
  if (message ? header_bytes + frame.payload_bytes == 0 : header_bytes + frame.payload_bytes != 0) {
    return absl::InvalidArgumentError(message ? "a message has neither header nor payload"
                                              : "a note has a header or payload");
  }
  frame.header = in.subspan(kFrameHeaderBytes, header_bytes);
  frame.payload = {};
  if (frame.type == FrameType::kInline)
    frame.payload = in.subspan(kFrameHeaderBytes + header_bytes);
  if (frame.type == FrameType::kRemote)
    return DecodeParts(at + kFrameHeaderBytes + header_bytes, frame);
  return absl::OkStatus();
}

}  // namespace tideway::libfabric
