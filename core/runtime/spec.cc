#include "tideway/spec.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tideway/limits.h"

namespace tideway {
namespace {

constexpr char kGrammar[] =
    "write name:key=value,key=value, for example topk:density=0.01,values=int8";
constexpr size_t kQuotedBytesMax = 80;

absl::Status Malformed(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("'",
                                                 absl::CHexEscape(text.substr(0, kQuotedBytesMax)),
                                                 "' is malformed: ", why, "; ", kGrammar));
}

absl::Status CheckLength(absl::string_view text) {
  if (text.size() <= kSpecBytesMax) return absl::OkStatus();
  return Malformed(
      text, absl::StrCat("it has ", text.size(), " bytes and ", kSpecBytesMax, " are allowed"));
}

bool IsName(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_';
  });
}

bool IsValue(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isgraph(c) && c != ',' && c != '=';
  });
}

}  // namespace

absl::StatusOr<Spec> Spec::Parse(absl::string_view text) {
  if (absl::Status length = CheckLength(text); !length.ok()) return length;
  Spec spec;
  const size_t colon = text.find(':');
  const absl::string_view name = text.substr(0, colon);
  if (!IsName(name))
    return Malformed(text,
                     "the name is empty or has other characters than letters, digits, - and _");
  spec.name = std::string(name);
  if (colon == text.npos) return spec;
  for (absl::string_view item : absl::StrSplit(text.substr(colon + 1), ',')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(item, absl::MaxSplits('=', 1));
    if (!IsName(pair.first) || !IsValue(pair.second))
      return Malformed(text, "a parameter is not key=value");
    if (!spec.params.emplace(pair.first, pair.second).second) {
      return Malformed(text, absl::StrCat(pair.first, " stands there twice"));
    }
  }
  return spec;
}

absl::StatusOr<std::vector<Spec>> Spec::ParseChain(absl::string_view text) {
  if (absl::Status length = CheckLength(text); !length.ok()) return length;
  std::vector<Spec> chain;
  for (absl::string_view part : absl::StrSplit(text, '+')) {
    if (part.empty() && part.size() < text.size()) {
      return Malformed(text, "nothing stands on one side of a +, which joins two codecs");
    }
    absl::StatusOr<Spec> spec = Parse(part);
    if (!spec.ok()) return spec.status();
    chain.push_back(*std::move(spec));
  }
  return chain;
}

std::string Spec::ToString() const {
  if (params.empty()) return name;
  return absl::StrCat(name, ":", absl::StrJoin(params, ",", absl::PairFormatter("=")));
}

const std::string* SpecReader::Take(absl::string_view key) {
  known_.emplace(key);
  auto found = spec_.params.find(std::string(key));
  return found == spec_.params.end() ? nullptr : &found->second;
}

void SpecReader::Fail(std::string message) {
  if (error_.ok()) error_ = absl::InvalidArgumentError(absl::StrCat(spec_.name, ": ", message));
}

bool SpecReader::Has(absl::string_view key) const {
  return spec_.params.count(std::string(key)) > 0;
}

double SpecReader::Number(absl::string_view key, double fallback, double min, double max) {
  const std::string* text = Take(key);
  if (text == nullptr) return fallback;
  double value = 0;
  if (absl::SimpleAtod(*text, &value) && value >= min && value <= max) return value;
  Fail(absl::StrCat(key, "=", *text, " is no number from ", min, " to ", max));
  return fallback;
}

int64_t SpecReader::Integer(absl::string_view key, int64_t fallback, int64_t min, int64_t max) {
  const std::string* text = Take(key);
  if (text == nullptr) return fallback;
  int64_t value = 0;
  if (absl::SimpleAtoi(*text, &value) && value >= min && value <= max) return value;
  Fail(absl::StrCat(key, "=", *text, " is no whole number from ", min, " to ", max));
  return fallback;
}

std::string SpecReader::Choice(absl::string_view key, absl::string_view fallback,
                               const std::vector<std::string>& choices) {
  const std::string* text = Take(key);
  if (text == nullptr) return std::string(fallback);
  if (std::find(choices.begin(), choices.end(), *text) != choices.end()) return *text;
  Fail(absl::StrCat(key, "=", *text, " is none of ", absl::StrJoin(choices, ", ")));
  return std::string(fallback);
}

absl::Status SpecReader::Finish() const {
  if (!error_.ok()) return error_;
  for (const auto& [key, value] : spec_.params) {
    if (known_.count(key) > 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(spec_.name, " has no parameter ", key, "; ",
                     known_.empty() ? "it has none at all"
                                    : absl::StrCat("it has ", absl::StrJoin(known_, ", "))));
  }
  return absl::OkStatus();
}

}  // namespace tideway
