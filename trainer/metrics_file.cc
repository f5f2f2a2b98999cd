#include "trainer/metrics_file.h"

#include "absl/strings/str_cat.h"

namespace tideway::trainer {

absl::Status MetricsFile::Open(const std::string& path, bool append) {
  path_ = path;
  file_.open(path, append ? std::ios::app : std::ios::trunc);
  return status();
}

void MetricsFile::Add(const std::string& json_line) { file_ << json_line << std::endl; }

absl::Status MetricsFile::status() const {
  if (file_) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("Can't write ", path_, "."));
}

}  // namespace tideway::trainer
