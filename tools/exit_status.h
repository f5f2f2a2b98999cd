// Exit statuses of the tideway program, the same for every command.
#ifndef TIDEWAY_TOOLS_EXIT_STATUS_H_
#define TIDEWAY_TOOLS_EXIT_STATUS_H_

namespace tideway::tools {

inline constexpr int kDoneStatus = 0;
inline constexpr int kFailedStatus = 1;  // it was tried, and there is nothing to show for it
inline constexpr int kUsageStatus = 2;   // the command line asks for what does not exist

}  // namespace tideway::tools

#endif  // TIDEWAY_TOOLS_EXIT_STATUS_H_
