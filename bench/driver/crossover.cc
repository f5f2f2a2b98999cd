#include "bench/driver/crossover.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/size_text.h"
#include "tools/text_table.h"

namespace bench {
namespace {

using Json = nlohmann::json;
using tideway::tools::SizeText;
using tideway::tools::TextTable;

void Decide(Winner& winner) {
  const auto best = std::max_element(winner.codecs.begin(), winner.codecs.end(),
                                     [](const LinkGoodput& a, const LinkGoodput& b) {
                                       return a.gbytes_per_s.median < b.gbytes_per_s.median;
                                     });
  winner.codec = best->codec;
  for (const LinkGoodput& other : winner.codecs) {
    if (&other != &*best && other.gbytes_per_s.high >= best->gbytes_per_s.low) {
      winner.not_told_apart.push_back(other.codec);
    }
  }
}

}  // namespace

std::vector<Winner> Winners(const std::vector<LinkGoodput>& measured) {
  std::vector<Winner> winners;
  for (const LinkGoodput& one : measured) {
    auto found = std::find_if(winners.begin(), winners.end(), [&](const Winner& winner) {
      return winner.link == one.link && winner.size_bytes == one.size_bytes;
    });
    if (found == winners.end()) {
      winners.push_back({.link = one.link, .size_bytes = one.size_bytes});
      found = winners.end() - 1;
    }
    found->codecs.push_back(one);
  }
  for (Winner& winner : winners) Decide(winner);
  return winners;
}

Json ToJson(const std::vector<Winner>& winners) {
  Json json = Json::array();
  for (const Winner& winner : winners) {
    json.push_back({{"link", winner.link},
                    {"size_bytes", winner.size_bytes},
                    {"codec", winner.codec},
                    {"not_told_apart", winner.not_told_apart}});
  }
  return json;
}

std::string CrossoverTable(const std::vector<Winner>& winners) {
  std::vector<std::string> codecs;
  for (const Winner& winner : winners) {
    for (const LinkGoodput& one : winner.codecs) {
      if (std::find(codecs.begin(), codecs.end(), one.codec) == codecs.end()) {
        codecs.push_back(one.codec);
      }
    }
  }
  std::vector<TextTable::Column> columns = {{"link"}, {"size", TextTable::kRight}};
  for (const std::string& codec : codecs) {
    columns.push_back({absl::StrCat(codec, " GB/s"), TextTable::kRight});
  }
  columns.push_back({"quickest"});
  TextTable table(std::move(columns));
  for (const Winner& winner : winners) {
    std::vector<std::string> cells = {winner.link, SizeText(winner.size_bytes)};
    for (const std::string& codec : codecs) {
      const auto one = std::find_if(winner.codecs.begin(), winner.codecs.end(),
                                    [&](const LinkGoodput& each) { return each.codec == codec; });
      cells.push_back(
          one == winner.codecs.end() ? "-" : absl::StrFormat("%.4g", one->gbytes_per_s.median));
    }
    cells.push_back(winner.not_told_apart.empty()
                        ? winner.codec
                        : absl::StrCat(winner.codec, " (not told apart: ",
                                       absl::StrJoin(winner.not_told_apart, ", "), ")"));
    table.AddRow(std::move(cells));
  }
  return table.ToString();
}

}  // namespace bench
