// Uri: `scheme://host:port?key=value&key=value`, the address of a listener.
//
//   tcp://127.0.0.1:5000      tcp://[::1]:0      tcp://head-node:5000?congestion=cubic      inproc://server-0
//
// The host of an IPv6 address stands in brackets. Which parameters exist is the transport's business; one that
// it does not know is refused with the list of those it knows. Errors are INVALID_ARGUMENT and show the grammar.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_URI_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_URI_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tideway {

struct Uri {
  std::string scheme;
  std::string host;              // without brackets
  std::optional<uint16_t> port;  // 0: any free port
  std::map<std::string, std::string> params;

  static absl::StatusOr<Uri> Parse(absl::string_view text);
  std::string ToString() const;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_URI_H_
