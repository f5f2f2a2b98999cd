#include "tideway/weights.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/wire/control.h"
#include "core/wire/payload_scan.h"

namespace tideway {
namespace {

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status CheckName(size_t index, const WeightSpec& tensor) {
  if (tensor.name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor number ", index, " has no name; give every tensor a name of its own"));
  }
  if (tensor.name.size() > kTensorNameBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the name of tensor '", tensor.name.substr(0, 40), "...' has ",
                     tensor.name.size(), " bytes; give it at most ", kTensorNameBytesMax));
  }
  if (WeightTypeName(tensor.type) == "unknown") {
    return absl::InvalidArgumentError(absl::StrCat("tensor '", tensor.name, "' has the type ",
                                                   static_cast<int>(tensor.type),
                                                   "; give it fp32, bf16 or fp16"));
  }
  return absl::OkStatus();
}

// The tensor's bytes.
absl::StatusOr<size_t> CheckShape(const WeightSpec& tensor) {
  if (tensor.shape.size() > kTensorRankMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor '", tensor.name, "' has ", tensor.shape.size(),
                     " dimensions; flatten it to at most ", kTensorRankMax));
  }
  size_t bytes = WordBytes(tensor.type);
  for (const int64_t dimension : tensor.shape) {
    if (dimension <= 0) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", tensor.name, "' has the shape ",
                                                     ShapeText(tensor.shape),
                                                     "; every dimension must be at least 1"));
    }
    if (static_cast<uint64_t>(dimension) > kWeightBytesMax / bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor '", tensor.name, "' of shape ", ShapeText(tensor.shape),
                       " is too large; a model has at most ", kWeightBytesMax, " bytes"));
    }
    bytes *= static_cast<size_t>(dimension);
  }
  return bytes;
}

void AppendU64(uint64_t value, std::string& out) {
  for (int shift = 0; shift < 64; shift += 8) {
    out.push_back(static_cast<char>((value >> shift) & 0xff));
  }
}

uint64_t Fingerprint(const std::vector<WeightSpec>& tensors) {
  std::string text = "tideway weights 1";
  for (const WeightSpec& tensor : tensors) {
    AppendU64(tensor.name.size(), text);
    text += tensor.name;
    AppendU64(static_cast<uint64_t>(tensor.type), text);
    AppendU64(tensor.shape.size(), text);
    for (const int64_t dimension : tensor.shape) {
      AppendU64(static_cast<uint64_t>(dimension), text);
    }
  }
  return wire::HashBytes(
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size()));
}

}  // namespace

absl::string_view WeightTypeName(WeightType type) {
  switch (type) {
    case WeightType::kFp32:
      return "fp32";
    case WeightType::kBf16:
      return "bf16";
    case WeightType::kFp16:
      return "fp16";
  }
  return "unknown";
}

std::string WeightSpec::ToString() const {
  // The name may come from a peer.
  return absl::StrCat("tensor '", wire::Printable(name, kTensorNameBytesMax), "' (",
                      WeightTypeName(type), " ", ShapeText(shape), ")");
}

absl::StatusOr<WeightLayout> WeightLayout::Create(std::vector<WeightSpec> tensors) {
  if (tensors.empty() || tensors.size() > kTensorsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model has ", tensors.size(), " tensors; give it 1 to ", kTensorsMax));
  }
  auto data = std::make_shared<Data>();
  data->tensors = std::move(tensors);
  for (size_t i = 0; i < data->tensors.size(); ++i) {
    const WeightSpec& tensor = data->tensors[i];
    if (absl::Status status = CheckName(i, tensor); !status.ok()) return status;
    if (!data->by_name.emplace(tensor.name, i).second) {
      return absl::InvalidArgumentError(absl::StrCat("two tensors are named '", tensor.name,
                                                     "'; give every tensor a name of its own"));
    }
    const absl::StatusOr<size_t> bytes = CheckShape(tensor);
    if (!bytes.ok()) return bytes.status();
    if (*bytes > kWeightBytesMax - data->bytes_total) {
      return absl::InvalidArgumentError(absl::StrCat("with tensor '", tensor.name,
                                                     "' the model has more than ", kWeightBytesMax,
                                                     " bytes; publish it in parts"));
    }
    data->bytes.push_back(*bytes);
    data->bytes_total += *bytes;
  }
  data->fingerprint = Fingerprint(data->tensors);
  return WeightLayout(std::move(data));
}

std::optional<size_t> WeightLayout::Find(absl::string_view name) const {
  const auto found = data_->by_name.find(name);
  if (found == data_->by_name.end()) return std::nullopt;
  return found->second;
}

std::string WeightLayout::ToString() const {
  return absl::StrCat(tensors().size(), tensors().size() == 1 ? " tensor, " : " tensors, ", bytes(),
                      " bytes");
}

absl::Status CheckSameWeights(const WeightLayout& ours, absl::string_view ours_is,
                              absl::Span<const WeightSpec> theirs, absl::string_view theirs_is) {
  const std::vector<WeightSpec>& own = ours.tensors();
  for (size_t i = 0; i < std::min(own.size(), theirs.size()); ++i) {
    if (own[i] == theirs[i]) continue;
    if (own[i].name == theirs[i].name) {
      return absl::FailedPreconditionError(absl::StrCat(
          own[i].ToString(), " of ", ours_is, " is ", WeightTypeName(theirs[i].type), " ",
          ShapeText(theirs[i].shape), " at ", theirs_is, "; give both the same types and shapes"));
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "tensor number ", i, " is ", own[i].ToString(), " at ", ours_is, " and ",
        theirs[i].ToString(), " at ", theirs_is, "; give both the same tensors in the same order"));
  }
  if (own.size() == theirs.size()) return absl::OkStatus();
  const bool more = own.size() > theirs.size();
  const WeightSpec& only = more ? own[theirs.size()] : theirs[own.size()];
  return absl::FailedPreconditionError(
      absl::StrCat(only.ToString(), " is at ", more ? ours_is : theirs_is, " and not at ",
                   more ? theirs_is : ours_is, "; give both the same tensors"));
}

std::string WeightVersionId::ToString() const {
  if (none()) return "no version";
  return absl::StrFormat("version %d of epoch %016x", version, epoch);
}

}  // namespace tideway
