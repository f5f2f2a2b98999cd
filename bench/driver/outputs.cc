#include "bench/driver/outputs.h"

#include <filesystem>
#include <fstream>
#include <ostream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "bench/driver/report.h"

namespace bench {

using Json = nlohmann::json;

absl::Status WriteText(const std::string& file, const std::string& text, std::ostream& out) {
  if (file == "-") {
    out << text;
    return absl::OkStatus();
  }
  std::ofstream opened(file);
  opened << text;
  opened.close();
  if (!opened.fail()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("can't write ", file));
}

std::string RunText(const Json& run) {
  return run.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::Status WriteOutputs(const Json& run, const Outputs& outputs, std::ostream& out) {
  absl::Status status;
  if (!outputs.json.empty()) status.Update(WriteText(outputs.json, RunText(run), out));
  if (!outputs.csv.empty()) status.Update(WriteText(outputs.csv, RunCsv(run), out));
  if (!outputs.html.empty()) status.Update(WriteText(outputs.html, RunHtml(run), out));
  if (outputs.svg.empty()) return status;
  std::error_code ignored;  // writing tells
  std::filesystem::create_directories(outputs.svg, ignored);
  for (const NamedPicture& picture : RunPictures(run)) {
    status.Update(
        WriteText(absl::StrCat(outputs.svg, "/", picture.name, ".svg"), picture.svg, out));
  }
  return status;
}

}  // namespace bench
