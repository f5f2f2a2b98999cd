#include "bench/driver/stages.h"

#include <algorithm>
#include <map>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace bench {
namespace {

using Json = nlohmann::json;

constexpr size_t kRow = 7;
using Row = std::array<int64_t, kRow>;

absl::StatusOr<std::vector<Row>> RowsOf(const Json& answer, const char* side) {
  const absl::Status bad =
      absl::InternalError(absl::StrCat("a program's answer has no times of the ", side));
  const auto it = answer.find(side);
  if (it == answer.end() || !it->is_array()) return bad;
  std::vector<Row> rows;
  rows.reserve(it->size());
  for (const Json& json : *it) {
    if (!json.is_array() || json.size() != kRow) return bad;
    Row& row = rows.emplace_back();
    for (size_t i = 0; i < kRow; ++i) {
      if (!json[i].is_number_integer()) return bad;
      row[i] = json[i].get<int64_t>();
    }
  }
  return rows;
}

}  // namespace

absl::StatusOr<std::vector<FragmentTimes>> JoinStages(const Json& client, const Json& server) {
  const auto at_client = RowsOf(client, "client");
  if (!at_client.ok()) return at_client.status();
  const auto at_server = RowsOf(server, "server");
  if (!at_server.ok()) return at_server.status();
  std::map<int64_t, const Row*> by_sequence;
  for (const Row& row : *at_server) by_sequence[row[0]] = &row;
  std::vector<FragmentTimes> joined;
  for (const auto& [sequence, fragment, bytes, begun, encode_begun, encoded, acknowledged] :
       *at_client) {
    const auto found = by_sequence.find(sequence);
    if (found == by_sequence.end() || (*found->second)[1] != fragment) continue;
    const auto& [same, also, arrived, landed, apply_begun, decoded, stepped] = *found->second;
    FragmentTimes& times =
        joined.emplace_back(FragmentTimes{.sequence = sequence,
                                          .fragment = fragment,
                                          .bytes = bytes,
                                          .at_ns = {begun, encode_begun, encoded, arrived, landed,
                                                    apply_begun, decoded, stepped, acknowledged}});
    // The two ends' notes fit to about a hundred nanoseconds; no stage takes less than nothing.
    for (size_t i = 1; i < times.at_ns.size(); ++i) {
      times.at_ns[i] = std::max(times.at_ns[i], times.at_ns[i - 1]);
    }
  }
  return joined;
}

}  // namespace bench
