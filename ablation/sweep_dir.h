#ifndef ABLATION_SWEEP_DIR_H_
#define ABLATION_SWEEP_DIR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ablation/sweep.pb.h"
#include "ablation/sweep_manifest.h"
#include "ablation/sweep_plan.h"
#include "ablation/sweep_program.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "train/config.pb.h"

namespace palimpsest {

// What to do where a sweep that goes on finds another config or program than it was begun with.
enum class OnChange { kRefuse, kFrozen, kNew };

// NotFound if `path` holds no sweep that was begun.
absl::Status CheckHoldsSweep(const std::string& path);

// A sweep's folder. All that its runs depend on is written before the first of them starts:
//   sweep.json       the manifest, last
//   sweep.textproto  the sweep it was made of
//   program          a copy of the program, and plugins/ of its plugins
//   configs/         ID-sSEED.textproto, a resolved config for each run
//   runs/            ID-sSEED/, the runs; what each printed is in its log
//   lock             held by whoever runs it
class SweepDir {
 public:
  // Makes `path` and locks it: Unavailable while another process runs the sweep.
  static absl::StatusOr<std::unique_ptr<SweepDir>> Open(const std::string& path);
  ~SweepDir();
  SweepDir(const SweepDir&) = delete;
  SweepDir& operator=(const SweepDir&) = delete;

  // Freezes `plan` and `program` in a new folder. In one that was begun, both must be what it was
  // begun with, or a flag says which to take; without a plan it goes on with what is frozen.
  // FailedPrecondition says what differs and what to do.
  absl::Status Prepare(const SweepPlan* plan, const SweepProgram& program, OnChange config,
                       OnChange changed_program);

  const std::string& path() const { return path_; }  // Absolute.
  const Sweep& sweep() const { return sweep_; }
  const SweepManifest& manifest() const { return manifest_; }
  std::string RunPath(const SweepManifest::Run& run) const;
  std::string ConfigPath(const SweepManifest::Run& run) const;
  absl::StatusOr<TrainConfig> Config(const SweepManifest::Run& run) const;
  absl::Status SetStatus(size_t row, size_t run, const std::string& status);

 private:
  SweepDir(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  absl::Status Load();
  // That nobody has touched what was frozen.
  absl::Status CheckProgram() const;
  absl::Status CheckConfigs() const;
  absl::Status Freeze(const SweepPlan& plan);
  absl::Status TakeProgram(const SweepProgram& program, const std::string& hash);
  std::string Difference(const SweepPlan& plan) const;

  const std::string path_;
  const int lock_;
  Sweep sweep_;
  SweepManifest manifest_;
};

}  // namespace palimpsest

#endif  // ABLATION_SWEEP_DIR_H_
