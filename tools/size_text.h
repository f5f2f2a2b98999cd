// A size for people, in the largest unit that makes it a whole number, since sizes are mostly limits: "64 MiB", "256 B".
#ifndef TIDEWAY_TOOLS_SIZE_TEXT_H_
#define TIDEWAY_TOOLS_SIZE_TEXT_H_

#include <cstddef>
#include <string>

namespace tideway::tools {

std::string SizeText(size_t bytes);

}  // namespace tideway::tools

#endif  // TIDEWAY_TOOLS_SIZE_TEXT_H_
