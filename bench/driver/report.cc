#include "bench/driver/report.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "bench/driver/result.h"
#include "bench/driver/svg.h"

namespace bench {
namespace {

using Json = nlohmann::json;
using Path = std::vector<std::string>;

struct Column {
  const char* title;
  Path path;
};
const std::vector<Column>& Columns() {
  static const auto* const columns = new std::vector<Column>{
      {"goodput_gbytes_per_s", {"goodput_gbytes_per_s"}},
      {"goodput_low", {"goodput_interval", "0"}},
      {"goodput_high", {"goodput_interval", "1"}},
      {"latency_us_p50", {"latency_us", "p50"}},
      {"latency_us_p90", {"latency_us", "p90"}},
      {"latency_us_p99", {"latency_us", "p99"}},
      {"latency_us_p99.9", {"latency_us", "p99.9"}},
      {"cpu_s_per_gb", {"cpu_s_per_gb"}},
      {"workers", {"workers"}},
      {"small_push_us_p50", {"small_push_latency_us", "p50"}},
      {"small_push_us_p99", {"small_push_latency_us", "p99"}},
      {"raw_goodput_gbytes_per_s", {"raw", "goodput_gbytes_per_s"}},
      {"raw_latency_us_p50", {"raw", "latency_us", "p50"}},
      {"raw_cpu_s_per_gb", {"raw", "cpu_s_per_gb"}},
      {"ratio_to_raw", {"ratio_to_raw"}},
      {"ratio_low", {"ratio_to_raw_interval", "0"}},
      {"ratio_high", {"ratio_to_raw_interval", "1"}},
      {"cpu_ratio_to_raw", {"cpu_ratio_to_raw"}},
      {"parameters", {"parameters"}},
      {"inner_steps", {"inner_steps"}},
      {"utilisation", {"utilisation"}},
      {"utilisation_low", {"utilisation_interval", "0"}},
      {"utilisation_high", {"utilisation_interval", "1"}},
      {"waiting_share", {"waiting_share"}},
      {"step_slowdown", {"slowdown"}},
      {"communication_cpu", {"communication_cpu"}},
      {"step_slowdown_beyond_cpu", {"slowdown_beyond_cpu"}},
      {"step_cpu_increase", {"step_cpu_increase"}},
      {"bytes_per_fp32_byte", {"bytes_per_fp32_byte"}},
      {"link_bits_per_s", {"link_bits_per_s"}},
      {"link_tcp_gbytes_per_s", {"link_tcp_gbytes_per_s"}},
      {"encode_gbytes_per_s", {"encode", "gbytes_per_s"}},
      {"encode_of_memcpy", {"encode", "ratio_to_memcpy"}},
      {"encode_feedback_gbytes_per_s", {"encode_feedback", "gbytes_per_s"}},
      {"encode_feedback_of_memcpy", {"encode_feedback", "ratio_to_memcpy"}},
      {"decode_add_gbytes_per_s", {"decode_add", "gbytes_per_s"}},
      {"decode_add_of_memcpy", {"decode_add", "ratio_to_memcpy"}},
      {"memcpy_gbytes_per_s", {"memcpy", "gbytes_per_s"}},
  };
  return *columns;
}

// Names and codecs hold commas.
std::string CsvCell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

// Columns that no result has anything for are left out.
std::string HtmlTable(const Json& run) {
  std::vector<const Column*> columns;
  for (const Column& column : Columns()) {
    const auto has = [&](const Json& result) { return std::isfinite(Figure(result, column.path)); };
    if (std::any_of(run["results"].begin(), run["results"].end(), has)) columns.push_back(&column);
  }
  std::string html = "<table><tr><th>case</th>";
  for (const Column* column : columns) {
    absl::StrAppend(&html, "<th>", EscapeXml(column->title), "</th>");
  }
  html += "</tr>\n";
  for (const Json& result : run["results"]) {
    absl::StrAppend(&html, "<tr><td class=\"case\">", EscapeXml(CaseName(result)), "</td>");
    for (const Column* column : columns) {
      const double figure = Figure(result, column->path);
      absl::StrAppend(&html, "<td>", std::isfinite(figure) ? absl::StrFormat("%.4g", figure) : "",
                      "</td>");
    }
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

constexpr char kHtmlHead[] = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>tideway-bench</title><style>
body { font-family: sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222; background: white; }
svg { max-width: 100%; height: auto; margin: 0.5em 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 12px; }
th, td { border: 1px solid #ccc; padding: 2px 6px; text-align: right; }
td.case { text-align: left; white-space: nowrap; }
pre { font-size: 12px; background: #f6f6f6; padding: 1em; overflow-x: auto; }
</style></head><body><h1>tideway-bench</h1>
)";

}  // namespace

absl::StatusOr<Json> ReadRun(const std::string& file) {
  std::ifstream opened(file);
  if (!opened) return absl::NotFoundError(absl::StrCat("can't read ", file));
  std::stringstream text;
  text << opened.rdbuf();
  Json run = Json::parse(text.str(), nullptr, /*allow_exceptions=*/false);
  const auto is_result = [](const Json& result) {
    return result.is_object() && std::isfinite(Figure(result, {"size_bytes"})) &&
           !TextOf(result, "subcommand").empty();
  };
  if (run.is_object() && TextOf(run, "schema") == kSchema && run.contains("results") &&
      run["results"].is_array() &&
      std::all_of(run["results"].begin(), run["results"].end(), is_result)) {
    return run;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(file, " is no result of this tideway-bench; it lacks the schema ", kSchema));
}

std::string CaseName(const Json& result) {
  const auto whole = [&](const char* key) {
    const double number = Figure(result, {key});
    return number >= 0 && number < 0x1p53 ? static_cast<size_t>(number) : 0;
  };
  return NameOf({TextOf(result, "subcommand"), TextOf(result, "transport"), whole("size_bytes"),
                 TextOf(result, "codec"), whole("workers"), TextOf(result, "form"),
                 whole("inner_steps"), TextOf(result, "link")});
}

std::string TextOf(const Json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>() : "";
}

double Figure(const Json& result, const Path& path) {
  const Json* at = &result;
  for (const std::string& key : path) {
    if (at->is_object() && at->contains(key)) {
      at = &(*at)[key];
    } else if (at->is_array() && (key == "0" || key == "1") && at->size() == 2) {
      at = &(*at)[key == "1" ? 1 : 0];
    } else {
      return NAN;
    }
  }
  return at->is_number() ? at->get<double>() : NAN;
}

std::string RunCsv(const Json& run) {
  std::string csv = "subcommand,transport,size_bytes,codec";
  for (const Column& column : Columns()) absl::StrAppend(&csv, ",", column.title);
  csv += ",form,link\n";
  for (const Json& result : run["results"]) {
    absl::StrAppend(&csv, CsvCell(TextOf(result, "subcommand")), ",",
                    CsvCell(TextOf(result, "transport")), ",",
                    absl::StrFormat("%.0f", Figure(result, {"size_bytes"})), ",",
                    CsvCell(TextOf(result, "codec")));
    for (const Column& column : Columns()) {
      const double figure = Figure(result, column.path);
      absl::StrAppend(&csv, ",", std::isfinite(figure) ? absl::StrFormat("%.6g", figure) : "");
    }
    absl::StrAppend(&csv, ",", CsvCell(TextOf(result, "form")), ",",
                    CsvCell(TextOf(result, "link")), "\n");
  }
  return csv;
}

std::string RunHtml(const Json& run) {
  std::string html = kHtmlHead;
  Json about = run;
  about.erase("results");
  absl::StrAppend(&html, "<p>", EscapeXml(TextOf(run, "started")), ", commit ",
                  EscapeXml(TextOf(run, "commit")),
                  ". Bars are the intervals of the medians; raw is the bare library under the "
                  "transport, measured in turn.</p>\n");
  for (const NamedPicture& picture : RunPictures(run)) html += picture.svg;
  absl::StrAppend(&html, "<div class=\"wide\">", HtmlTable(run), "</div><pre>",
                  EscapeXml(about.dump(2, ' ', false, Json::error_handler_t::replace)),
                  "</pre></body></html>\n");
  return html;
}

}  // namespace bench
