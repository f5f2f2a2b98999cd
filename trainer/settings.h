// Settings: everything that tideway-train can be told, and how it is kept in a run's folder.
//
// A run's folder holds run.json. Every process of the run reads it, so that all of them agree, and --resume starts from it.
// What only says how one process takes part (its role, its addresses) is not kept.
#ifndef TIDEWAY_TRAINER_SETTINGS_H_
#define TIDEWAY_TRAINER_SETTINGS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/gpt_config.h"
#include "trainer/schedule.h"

namespace tideway::trainer {

struct Settings {
  // --- how this process takes part (not kept) ---
  std::string role = "local";        // local | server | worker
  std::vector<std::string> connect;  // worker: the servers' URIs, in the order of their indices
  std::vector<std::string> listen;   // server
  int server_index = 0;              // server
  int worker_index = 0;              // worker: which of --slow is its own, and its name
  std::string name;                  // worker; empty: worker-<index>
  std::string out = "tideway-run";   // folder
  std::string resume;                // folder of a former run
  std::string run_file;              // run.json to start from
  bool plain = false;
  bool restart_workers = false;
  bool continued = false;  // a child of a resumed run: start from snapshot and checkpoint

  // --- the run (kept) ---
  int workers = 2;
  int servers = 1;
  std::vector<std::string> data;
  double held_out_percent = 5.0;
  GptConfig model;
  int batch = 8;  // windows
  uint64_t seed = 1;
  int64_t steps = 5000;  // inner steps per worker, on average
  Schedule schedule;

  std::string method = "async";  // one of Methods()
  std::string outer;             // outer optimizer; empty: the method's
  std::string staleness = "accept";
  int inner_steps = 50;  // H
  bool dylu = true;
  bool grace = true;
  std::string codec = "int8:block=256";
  std::string codec_down = "bf16";
  std::string pull_differences;  // codec; empty: pulls bring the whole parameters
  bool error_feedback = true;
  double residual_decay = 1.0;
  double momentum_correction = 0.0;
  int overlap = 0;               // inner steps
  std::string merge = "rebase";  // rebase | alpha
  int64_t fragment_bytes = 1 << 20;

  std::string transport = "tcp";  // of a local run: a scheme, a provider or auto
  std::vector<double> slow;       // how many times slower each worker is; missing ones: 1
  int threads = 1;                // of LibTorch, per worker
  int eval_batches = 4;           // of 64 windows, while training
  double eval_seconds = 5.0;
  double snapshot_seconds = 30.0;
  std::string prompt = "\n";
  int sample_bytes = 600;
};

// The names that --method takes.
const std::vector<std::string>& Methods();

// Fills codec, decay and outer optimizer of a preset ("slow-link"). InvalidArgument for another name.
absl::Status ApplyPreset(const std::string& preset, Settings* settings);

// Everything that can be seen to be wrong without opening a file or a socket, as one sentence.
absl::Status ValidateSettings(const Settings& settings);

// The outer optimizer that is used: the one given, or the method's own for this number of workers.
std::string OuterOptimizerSpec(const Settings& settings);

std::string WorkerName(const Settings& settings);

std::string ToJson(const Settings& settings);
// Takes the kept values; the others stay as they are in `settings`. DataLoss, naming the value, for a damaged file.
absl::Status FromJson(const std::string& text, Settings* settings);

// Kept values as flags and text, for the report.
std::vector<std::pair<std::string, std::string>> SettingRows(const Settings& settings);

// The values that decide which parameters, data and schedule a run has: a resumed run can't change them. Names the first
// that differs, or is empty.
std::string FirstFixedDifference(const Settings& before, const Settings& now);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_SETTINGS_H_
