#ifndef TRAIN_METRICS_FILE_H_
#define TRAIN_METRICS_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace palimpsest {

// A run's metrics.jsonl: one object a line, each with a "step" and, last, a "crc32c" of its own
// (sealed_text.h).
class MetricsFile {
 public:
  // Opens `path` for what comes after `step` or, with `evaluate`, for its evaluation too.
  // Lines of these, which are about to be made again, are removed; damaged ones are moved to
  // `path`.damaged; those that are no objects are not ours, and stay.
  static absl::StatusOr<std::unique_ptr<MetricsFile>> Open(const std::string& path, int64_t step,
                                                           bool evaluate);
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  // A line is written whole or not at all.
  absl::Status Append(const nlohmann::ordered_json& metrics);
  // Everything so far is on disk.
  absl::Status Sync();

  // As it was opened: the last line of a training step, null if there is none; whether there is an
  // evaluation of `step`; and what was damaged.
  const nlohmann::json& last_step() const { return last_step_; }
  bool evaluated() const { return evaluated_; }
  const std::vector<std::string>& damaged() const { return damaged_; }

 private:
  explicit MetricsFile(std::string path) : path_(std::move(path)) {}
  absl::Status Clean(int64_t step, bool evaluate);

  const std::string path_;
  int fd_ = -1;
  nlohmann::json last_step_;
  bool evaluated_ = false;
  std::vector<std::string> damaged_;
};

}  // namespace palimpsest

#endif  // TRAIN_METRICS_FILE_H_
