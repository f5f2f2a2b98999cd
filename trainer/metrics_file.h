// metrics.jsonl: one JSON object per line, flushed line by line, so that it can be followed while the run goes on.
#ifndef TIDEWAY_TRAINER_METRICS_FILE_H_
#define TIDEWAY_TRAINER_METRICS_FILE_H_

#include <fstream>
#include <string>

#include "absl/status/status.h"

namespace tideway::trainer {

class MetricsFile {
 public:
  absl::Status Open(const std::string& path, bool append);
  void Add(const std::string& json_line);
  // Unavailable where a line could not be written.
  absl::Status status() const;

 private:
  std::string path_;
  std::ofstream file_;
};

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_METRICS_FILE_H_
