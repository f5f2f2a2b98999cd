#include "core/sync/stager.h"

#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/wire/payload_scan.h"

namespace tideway::sync {
namespace {

absl::Status Bad(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("version: ", what));
}

}  // namespace

absl::Status Stager::Begin(const wire::WeightFrameHeader& announced,
                           absl::Span<const std::byte> payload, const WeightCopy* in_use,
                           WeightCopy* staged) {
  Abandon();
  const size_t tensors = table_->layout().tensors().size();
  const bool whole = announced.from == 0;
  if (payload.size() != tensors * sizeof(uint64_t)) {
    return Bad(
        absl::StrCat("has ", payload.size(), " bytes of checksums for ", tensors, " tensors"));
  }
  if (announced.epoch == 0 || announced.to <= announced.from) {
    return Bad(absl::StrCat("leads from ", announced.from, " to ", announced.to));
  }
  const uint64_t chunks = table_->chunks().size();
  const uint64_t frames_max = kWeightLinksMax * table_->runs().size();
  if (whole ? announced.count != chunks : announced.count > frames_max) {
    return Bad(absl::StrCat("claims ", announced.count, " frames for ", chunks, " chunks"));
  }
  if (!whole && in_use == nullptr) return Bad("starts from a version that is not here");
  announced_ = announced;
  checksums_.resize(tensors);
  std::memcpy(checksums_.data(), payload.data(), payload.size());
  in_use_ = in_use;
  staged_ = staged;
  frames_ = 0;
  link_from_ = link_to_ = announced.from;
  next_chunk_ = 0;
  touched_.assign(chunks, Touched::kNot);
  finished_ = 0;
  return absl::OkStatus();
}

absl::Status Stager::CountFrame(const wire::WeightFrameHeader& header) {
  if (header.epoch != announced_.epoch) return Bad("a frame is of another epoch");
  if (frames_ >= announced_.count) return Bad("more frames came than were announced");
  ++frames_;
  return absl::OkStatus();
}

absl::Status Stager::TakeChanges(const wire::WeightFrameHeader& header,
                                 absl::Span<const std::byte> payload) {
  if (absl::Status status = CountFrame(header); !status.ok()) return status;
  if (announced_.from == 0) return Bad("changes came where the whole was announced");
  if (header.from != link_from_ || header.to != link_to_) {
    // The next difference. What is skipped changed nothing, or the checksums will tell.
    if (header.from < link_to_ || header.to <= header.from || header.to > announced_.to) {
      return Bad(absl::StrCat("changes from ", header.from, " to ", header.to,
                              " came behind those to ", link_to_, ", on the way to ",
                              announced_.to));
    }
    link_from_ = header.from;
    link_to_ = header.to;
    next_chunk_ = 0;
  }
  wire::WeightRecordReader reader(payload);
  if (reader.AtEnd()) return Bad("a frame of changes has no record");
  while (!reader.AtEnd()) {
    const absl::StatusOr<wire::WeightRecord> record = reader.Next();
    if (!record.ok()) return record.status();
    absl::Status status = TakeRecord(*record, link_to_ == announced_.to);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Stager::TakeRecord(const wire::WeightRecord& record, bool last_link) {
  const std::optional<size_t> number = table_->Find(record.tensor, record.chunk);
  if (!number.has_value() || *number < next_chunk_) {
    return Bad(absl::StrCat("chunk ", record.chunk, " of tensor number ", record.tensor,
                            " does not exist, or came before"));
  }
  next_chunk_ = *number + 1;
  const Chunk& chunk = table_->chunks()[*number];
  BringUp(*number);
  staged_->contents[*number] = ++last_content_;
  const absl::Status applied = codec_->version_difference()->Apply(
      record.difference, chunk.word_bytes, staged_->chunk(chunk));
  if (!applied.ok()) {
    return Bad(
        absl::StrCat(table_->layout().tensors()[chunk.tensor].ToString(), ": ", applied.message()));
  }
  // Where it changes again, hashing now would be for nothing.
  touched_[*number] = last_link ? Touched::kHashed : Touched::kUnhashed;
  if (last_link) staged_->hashes[*number] = wire::HashBytes(staged_->chunk(chunk));
  return absl::OkStatus();
}

absl::Status Stager::TakeWhole(const wire::WeightFrameHeader& header,
                               absl::Span<const std::byte> payload) {
  if (absl::Status status = CountFrame(header); !status.ok()) return status;
  if (announced_.from != 0 || header.to != announced_.to) {
    return Bad("a whole chunk came that was not announced");
  }
  const std::optional<size_t> number = table_->Find(header.tensor, header.chunk);
  if (!number.has_value() || *number != next_chunk_) {
    return Bad(absl::StrCat("chunk ", header.chunk, " of tensor number ", header.tensor,
                            " came out of turn"));
  }
  const Chunk& chunk = table_->chunks()[*number];
  if (payload.size() != chunk.bytes) {
    return Bad(
        absl::StrCat("a chunk of ", payload.size(), " bytes came where there are ", chunk.bytes));
  }
  ++next_chunk_;
  std::memcpy(staged_->chunk(chunk).data(), payload.data(), chunk.bytes);
  staged_->contents[*number] = ++last_content_;
  staged_->hashes[*number] = wire::HashBytes(staged_->chunk(chunk));
  touched_[*number] = Touched::kHashed;
  return absl::OkStatus();
}

size_t Stager::BringUp(size_t number) {
  if (touched_[number] != Touched::kNot) return 0;
  const uint64_t wanted = in_use_->contents[number];
  if (wanted != 0 && staged_->contents[number] == wanted) return 0;
  const Chunk& chunk = table_->chunks()[number];
  std::memcpy(staged_->chunk(chunk).data(), in_use_->chunk(chunk).data(), chunk.bytes);
  staged_->contents[number] = wanted;
  staged_->hashes[number] = in_use_->hashes[number];
  return chunk.bytes;
}

absl::StatusOr<bool> Stager::FinishSome(size_t bytes_max) {
  size_t bytes = 0;
  while (finished_ < table_->chunks().size() && bytes < bytes_max) {
    const size_t number = finished_++;
    const Chunk& chunk = table_->chunks()[number];
    bytes += BringUp(number);
    if (touched_[number] == Touched::kUnhashed) {
      staged_->hashes[number] = wire::HashBytes(staged_->chunk(chunk));
      bytes += chunk.bytes;
    }
  }
  if (finished_ < table_->chunks().size()) return false;
  const std::vector<uint64_t> checksums = TensorChecksums(*table_, staged_->hashes);
  for (size_t tensor = 0; tensor < checksums.size(); ++tensor) {
    if (checksums[tensor] == checksums_[tensor]) continue;
    return absl::DataLossError(absl::StrCat(table_->layout().tensors()[tensor].ToString(),
                                            " of version ", announced_.to,
                                            " is not what the publisher has: checksum mismatch"));
  }
  return true;
}

}  // namespace tideway::sync
