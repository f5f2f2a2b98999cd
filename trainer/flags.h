// The command line of tideway-train.
#ifndef TIDEWAY_TRAINER_FLAGS_H_
#define TIDEWAY_TRAINER_FLAGS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/settings.h"

namespace tideway::trainer {

struct ParsedFlags {
  Settings settings;
  // Set where the answer is a text alone: --help, --version.
  std::optional<std::string> answer;
};

// Reads the command line over the values of --resume's or --run's run.json, and checks the result. InvalidArgument, in one
// sentence, for everything that is wrong with it.
absl::StatusOr<ParsedFlags> ParseFlags(const std::vector<std::string>& arguments);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_FLAGS_H_
