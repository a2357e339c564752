#include "examples/optimizers/study.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "train/atomic_file.h"
#include "train/config.h"
#include "train/file.h"
#include "train/run_dir.h"
#include "train/trainer.h"
#include "train/training.h"

namespace palimpsest {
namespace {

constexpr char kBase[] = "adamw";
constexpr int64_t kTuningSeed = 0;
// How many factors of two from the config's rate the search may end.
constexpr int kFarthest = 5;
constexpr int kTimedRounds = 10, kTimedSteps = 5;

// What was logged by a run that ended after `steps`; nothing if it has not ended.
absl::StatusOr<std::optional<LossCurve>> ReadRun(const std::string& dir,
                                                 const TrainConfig& config) {
  const std::string metrics = JoinPath(dir, "metrics.jsonl");
  if (!FileExists(metrics)) return std::nullopt;
  const absl::StatusOr<std::string> text = ReadFileToString(metrics);
  if (!text.ok()) return text.status();
  LossCurve run;
  bool ended = false;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return absl::DataLossError(metrics + " has a line that is no object");
    if (!json.contains("val_loss")) continue;
    run.steps.push_back(json["step"].get<double>());
    run.losses.push_back(json["val_loss"].get<double>());
    ended = json["step"].get<int64_t>() >= config.steps();
  }
  if (FileExists(JoinPath(dir, "diverged"))) {
    run.steps.push_back(static_cast<double>(config.steps()));
    run.losses.push_back(INFINITY);
    ended = true;
  }
  return ended ? std::optional<LossCurve>(run) : std::nullopt;
}

class Study {
 public:
  Study(const StudyOptions& options, Progress* progress)
      : options_(options), progress_(*progress) {}

  absl::StatusOr<std::vector<OptimizerStudy>> Run() {
    if (options_.configs.empty() || options_.configs[0].first != kBase)
      return absl::InvalidArgumentError("the study compares with adamw, which is to come first");
    std::vector<OptimizerStudy> studies;
    for (const auto& [name, path] : options_.configs) {
      absl::StatusOr<TrainConfig> config = LoadConfig(path, options_.overrides);
      if (!config.ok()) return config.status();
      ApplyProcessLimits(*config);
      if (config->optimizer().has_auxiliary())
        config->mutable_optimizer()->mutable_auxiliary()->set_lr(studies[0].learning_rate);
      OptimizerStudy study;
      study.name = name;
      if (absl::Status s = Tune(*config, &study); !s.ok()) return s;
      if (absl::Status s = RunSeeds(*config, &study); !s.ok()) return s;
      studies.push_back(std::move(study));
    }
    if (absl::Status s = Time(&studies); !s.ok()) return s;
    return studies;
  }

 private:
  absl::Status Tune(TrainConfig config, OptimizerStudy* study) {
    config.set_steps(config.steps() / 2);
    config.set_eval_every(0);
    config.set_seed(kTuningSeed);
    const double start = config.optimizer().lr();
    const auto rate = [&](int exponent) { return std::ldexp(start, exponent); };
    const auto try_rate = [&](int exponent) {
      config.mutable_optimizer()->set_lr(rate(exponent));
      const absl::StatusOr<LossCurve> run =
          Once(config, absl::StrCat(study->name, "/lr_", rate(exponent)), study);
      if (run.ok()) study->tuning[rate(exponent)] = run->losses.back();
      return run.status();
    };
    int low = -1, high = 1, best = 0;
    for (int e = low; e <= high; ++e) {
      if (absl::Status s = try_rate(e); !s.ok()) return s;
    }
    while (true) {
      for (int e = low; e <= high; ++e) {
        if (study->tuning.at(rate(e)) < study->tuning.at(rate(best))) best = e;
      }
      study->learning_rate = rate(best);
      if ((best > low && best < high) || std::abs(best) == kFarthest) return absl::OkStatus();
      const int next = best == low ? --low : ++high;
      if (absl::Status s = try_rate(next); !s.ok()) return s;
    }
  }

  absl::Status RunSeeds(TrainConfig config, OptimizerStudy* study) {
    config.mutable_optimizer()->set_lr(study->learning_rate);
    for (int64_t seed = kTuningSeed + 1; seed <= kTuningSeed + options_.seeds; ++seed) {
      config.set_seed(static_cast<uint64_t>(seed));
      absl::StatusOr<LossCurve> run =
          Once(config, absl::StrCat(study->name, "/seed_", seed), study);
      if (!run.ok()) return run.status();
      study->runs.push_back(*std::move(run));
    }
    return absl::OkStatus();
  }

  // One run, in the folder `name` of the study's. Notes the optimizer's state bytes.
  absl::StatusOr<LossCurve> Once(TrainConfig config, const std::string& name,
                                 OptimizerStudy* study) {
    const std::string dir = JoinPath(options_.out, name);
    config.set_run_dir(dir);
    // Fills in what the run's config will have.
    const absl::StatusOr<std::unique_ptr<Trainer>> trainer = Trainer::Create(config);
    if (!trainer.ok()) return trainer.status();
    study->state_bytes = TotalBytes((*trainer)->optimizer().Init((*trainer)->params()));
    absl::StatusOr<std::optional<LossCurve>> run = ReadRun(dir, config);
    if (!run.ok()) return run.status();
    if (run->has_value()) {
      const absl::StatusOr<TrainConfig> before = LoadConfig(RunConfigPath(dir), {});
      if (!before.ok()) return before.status();
      if (absl::Status s = CheckSameRun(*before, (*trainer)->config()); !s.ok())
        return absl::Status(s.code(), absl::StrCat(dir, ": ", std::string(s.message())));
    } else {
      if (absl::Status s = Train(config, name); !s.ok()) return s;
      run = ReadRun(dir, config);
      if (!run.ok()) return run.status();
      if (!run->has_value()) return absl::DataLossError(dir + " has no end");
    }
    progress_.PrintFields({name, absl::StrFormat("val loss %.4f", (*run)->losses.back())});
    if (absl::Status s = progress_.status(); !s.ok()) return s;
    return **std::move(run);
  }

  // The least over rounds, so that what else the machine does counts for little.
  absl::Status Time(std::vector<OptimizerStudy>* studies) {
    std::vector<std::unique_ptr<Trainer>> trainers;
    for (const auto& [name, path] : options_.configs) {
      absl::StatusOr<TrainConfig> config = LoadConfig(path, options_.overrides);
      if (!config.ok()) return config.status();
      config->mutable_optimizer()->set_lr(0);  // As much work, and cannot diverge.
      auto trainer = Trainer::Create(*config);
      if (!trainer.ok()) return trainer.status();
      trainers.push_back(*std::move(trainer));
    }
    for (int round = 0; round < kTimedRounds; ++round) {
      progress_.Show({absl::StrCat("timing ", round + 1, "/", kTimedRounds)});
      for (size_t i = 0; i < trainers.size(); ++i) {
        const auto start = std::chrono::steady_clock::now();
        for (int step = 0; step < kTimedSteps; ++step) {
          if (const auto result = trainers[i]->Step(); !result.ok()) return result.status();
        }
        const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
        double& least = (*studies)[i].seconds_per_step;
        const double now = passed.count() / kTimedSteps;
        least = round == 0 ? now : std::min(least, now);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Train(const TrainConfig& config, const std::string& name) {
    progress_.ShowNow({name, absl::StrCat(config.steps(), " steps")});
    const std::unique_ptr<FILE, int (*)(FILE*)> nowhere(std::fopen("/dev/null", "w"), std::fclose);
    if (nowhere == nullptr) return absl::UnavailableError("cannot open /dev/null");
    Progress quiet(nowhere.get());
    const absl::StatusOr<TrainingResult> result = RunTraining(config, /*resume=*/true, &quiet);
    if (result.ok() && result->stopped)
      return absl::CancelledError("stopped; start it again to go on");
    // The trainer's word for a loss or gradient that is not finite: that is a result too.
    if (absl::IsInternal(result.status()))
      return WriteFileAtomically(JoinPath(config.run_dir(), "diverged"),
                                 std::string(result.status().message()) + "\n");
    return result.status();
  }

  const StudyOptions& options_;
  Progress& progress_;
};

}  // namespace

absl::StatusOr<std::vector<OptimizerStudy>> RunStudy(const StudyOptions& options,
                                                     Progress* progress) {
  return Study(options, progress).Run();
}

}  // namespace palimpsest
