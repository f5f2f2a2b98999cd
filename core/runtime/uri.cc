#include "tideway/uri.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tideway/limits.h"

namespace tideway {
namespace {

constexpr char kGrammar[] =
    "write scheme://host:port?key=value&key=value, for example tcp://127.0.0.1:5000 or "
    "tcp://[::1]:5000";

// How much of a malformed text an error repeats.
constexpr size_t kQuotedBytesMax = 80;

absl::Status Malformed(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("'",
                                                 absl::CHexEscape(text.substr(0, kQuotedBytesMax)),
                                                 "' is no address: ", why, "; ", kGrammar));
}

bool IsScheme(absl::string_view text) {
  return !text.empty() && absl::ascii_islower(static_cast<unsigned char>(text[0])) &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '+' || c == '-' ||
                  c == '.';
         });
}

bool IsHostName(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~';
  });
}

// Only the characters: whether it is an address is for the transport to find out. '%' leads to a
// zone.
bool IsIpv6(absl::string_view text) {
  return absl::StrContains(text, ':') && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == ':' || c == '.' || c == '%' || c == '-' ||
                  c == '_';
         });
}

bool IsKey(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-';
  });
}

bool IsValue(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isgraph(c) && c != '&' && c != '#';
  });
}

// Each of these takes its part off the front of `rest`, and says what is wrong with it, or nothing.
std::string TakeHost(absl::string_view& rest, Uri& uri) {
  absl::string_view host;
  if (absl::ConsumePrefix(&rest, "[")) {
    const size_t end = rest.find(']');
    if (end == rest.npos) return "the bracket of the IPv6 address is not closed";
    host = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (!IsIpv6(host)) return "what stands in brackets is no IPv6 address";
  } else {
    host = rest.substr(0, rest.find_first_of(":?"));
    rest.remove_prefix(host.size());
    if (!IsHostName(host)) return "the host is empty or has characters that a host can't have";
  }
  uri.host = std::string(host);
  return "";
}

std::string TakePort(absl::string_view& rest, Uri& uri) {
  if (!absl::ConsumePrefix(&rest, ":")) return "";
  const absl::string_view digits = rest.substr(0, rest.find('?'));
  rest.remove_prefix(digits.size());
  uint32_t port = 0;
  const bool all_digits =
      !digits.empty() && std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit);
  if (!all_digits || !absl::SimpleAtoi(digits, &port) || port > 65535) {
    return "the port is no number from 0 to 65535";
  }
  uri.port = static_cast<uint16_t>(port);
  return "";
}

std::string TakeParams(absl::string_view& rest, Uri& uri) {
  if (!absl::ConsumePrefix(&rest, "?"))
    return rest.empty() ? "" : "there is something behind the host";
  for (absl::string_view item : absl::StrSplit(rest, '&')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(item, absl::MaxSplits('=', 1));
    if (!IsKey(pair.first) || pair.first.size() == item.size())
      return "a parameter is not key=value";
    if (!IsValue(pair.second)) return "a parameter's value has characters that it can't have";
    if (!uri.params.emplace(pair.first, pair.second).second) {
      return absl::StrCat("the parameter ", pair.first, " stands there twice");
    }
  }
  return "";
}

}  // namespace

absl::StatusOr<Uri> Uri::Parse(absl::string_view text) {
  if (text.size() > kUriBytesMax) {
    return Malformed(
        text, absl::StrCat("it has ", text.size(), " bytes and ", kUriBytesMax, " are allowed"));
  }
  Uri uri;
  const size_t colon = text.find("://");
  if (colon == text.npos || !IsScheme(text.substr(0, colon))) {
    return Malformed(text, "it does not begin with a scheme such as tcp://");
  }
  uri.scheme = std::string(text.substr(0, colon));
  absl::string_view rest = text.substr(colon + 3);
  std::string why = TakeHost(rest, uri);
  if (why.empty()) why = TakePort(rest, uri);
  if (why.empty()) why = TakeParams(rest, uri);
  if (!why.empty()) return Malformed(text, why);
  return uri;
}

std::string Uri::ToString() const {
  std::string text = absl::StrCat(scheme, "://");
  const bool ipv6 = absl::StrContains(host, ':');
  absl::StrAppend(&text, ipv6 ? "[" : "", host, ipv6 ? "]" : "");
  if (port.has_value()) absl::StrAppend(&text, ":", *port);
  char separator = '?';
  for (const auto& [key, value] : params) {
    absl::StrAppend(&text, absl::string_view(&separator, 1), key, "=", value);
    separator = '&';
  }
  return text;
}

}  // namespace tideway
