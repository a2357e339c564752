#ifndef TRAIN_RUN_DIR_H_
#define TRAIN_RUN_DIR_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "train/metrics_file.h"

namespace palimpsest {

// What is left of a run:
//   config.textproto   the resolved config, sealed (sealed_text.h)
//   version            of the program
//   metrics.jsonl      see metrics_file.h
//   summary.json       once the run is complete, see run_summary.h
//   checkpoints/       see checkpoint.h
//   tensorboard/       see tensorboard_log.h
//   lock               held while training
class RunDir {
 public:
  // Makes `path`, and locks it against other processes. Unless `resume`, it must not hold a run:
  // AlreadyExists says what to do.
  static absl::StatusOr<std::unique_ptr<RunDir>> Open(const std::string& path, bool resume);
  ~RunDir();
  RunDir(const RunDir&) = delete;
  RunDir& operator=(const RunDir&) = delete;

  absl::Status WriteConfig(const std::string& config, const std::string& version);
  // Opens metrics.jsonl for what comes after `step` and, with `evaluate`, for its evaluation too.
  absl::Status OpenMetrics(int64_t step, bool evaluate);
  MetricsFile& metrics() { return *metrics_; }

  const std::string& path() const { return path_; }
  std::string checkpoints() const;

 private:
  RunDir(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  const std::string path_;
  int lock_ = -1;
  std::unique_ptr<MetricsFile> metrics_;
};

std::string RunConfigPath(const std::string& run);
std::string RunCheckpoints(const std::string& run);
// There are checkpoint files, valid or not.
bool HasCheckpoints(const std::string& run);

}  // namespace palimpsest

#endif  // TRAIN_RUN_DIR_H_
