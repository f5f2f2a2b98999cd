// For tests of TCP's bytes: a message's bytes as the specification has them, and a bare socket that says and hears any bytes.

#ifndef TIDEWAY_TRANSPORTS_TCP_RAW_CLIENT_H_
#define TIDEWAY_TRANSPORTS_TCP_RAW_CLIENT_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "tideway/uri.h"
#include "transports/common/raw_peer.h"
#include "transports/tcp/frame.h"

namespace tideway::tcp {

inline std::string Frame(const std::string& header, const std::string& payload) {
  std::byte prefix[kPrefixBytes];
  EncodePrefix({header.size(), payload.size()}, absl::MakeSpan(prefix));
  return absl::StrCat(std::string(reinterpret_cast<const char*>(prefix), kPrefixBytes), header,
                      payload);
}

// A bare socket that says to a server what it likes, and is heard: for servers that are still there.
class RawClient : public RawSocket {
 public:
  explicit RawClient(const Uri& uri) : RawSocket(ConnectTo(*uri.port)) {}
  void Write(const std::string& bytes) const { EXPECT_TRUE(TryWrite(bytes)); }
  bool AwaitClosed() const { return AwaitClosedInSilence(); }
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_RAW_CLIENT_H_
