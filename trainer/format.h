// Numbers for people, and text that is safe inside HTML.
#ifndef TIDEWAY_TRAINER_FORMAT_H_
#define TIDEWAY_TRAINER_FORMAT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace tideway::trainer {

std::string Bytes(double bytes);       // "1.4 MB": decimal units, three significant digits
std::string Count(double count);       // "12.3k"
std::string Duration(double seconds);  // "2m05s"; "--" where unknown (negative or not finite)
std::string Fixed(double value, int digits);  // "--" where not finite

// Printable text: valid UTF-8 stays, every other byte becomes a middle dot.
std::string Printable(absl::string_view text);
std::string EscapeHtml(absl::string_view text);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_FORMAT_H_
