// Exit statuses of tideway-train.
#ifndef TIDEWAY_TRAINER_EXIT_STATUS_H_
#define TIDEWAY_TRAINER_EXIT_STATUS_H_

#include "absl/status/status.h"

namespace tideway::trainer {

inline constexpr int kFailedStatus = 1;        // it began and could not end well
inline constexpr int kNeverStartedStatus = 2;  // what was asked for can't be done

int ExitStatus(const absl::Status& status);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_EXIT_STATUS_H_
