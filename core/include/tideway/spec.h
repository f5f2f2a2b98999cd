// Spec: `name:key=value,key=value`, how codecs and outer optimizers are chosen by a string.
//
//   int8:block=256      topk:density=0.01,values=int8      delayed-nesterov:lr=0.7,momentum=0.9,n=auto
//
// Codecs may be chained by a +, from the inside out; their values have no + in them:
//
//   int8:block=256+zstd:level=3
//
// A SpecReader hands out each value once, checked against its range, and then tells which keys nobody asked
// for, so that a misspelt key is an error that names the keys that exist.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_SPEC_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_SPEC_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tideway {

struct Spec {
  std::string name;
  std::map<std::string, std::string> params;

  // INVALID_ARGUMENT, with the grammar, for an empty name or key, a key given twice, or text over kSpecBytesMax.
  static absl::StatusOr<Spec> Parse(absl::string_view text);
  // At least one. INVALID_ARGUMENT, naming the part, also where nothing stands on a side of a +.
  static absl::StatusOr<std::vector<Spec>> ParseChain(absl::string_view text);
  // Canonical text: keys in alphabetical order.
  std::string ToString() const;
};

class SpecReader {
 public:
  // Keeps a reference: `spec` outlives the reader.
  explicit SpecReader(const Spec& spec) : spec_(spec) {}

  // The value of `key`, or `fallback` where it is not given. A value that is no number or lies outside
  // [min, max] is remembered as the error that Finish returns.
  double Number(absl::string_view key, double fallback, double min, double max);
  int64_t Integer(absl::string_view key, int64_t fallback, int64_t min, int64_t max);
  // One of `choices`.
  std::string Choice(absl::string_view key, absl::string_view fallback,
                     const std::vector<std::string>& choices);
  bool Has(absl::string_view key) const;

  // The first error, among them a key that was never asked for. Call it last.
  absl::Status Finish() const;

 private:
  const std::string* Take(absl::string_view key);
  void Fail(std::string message);

  const Spec& spec_;
  std::set<std::string> known_;
  absl::Status error_;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_SPEC_H_
