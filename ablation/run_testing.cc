#include "ablation/run_testing.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ablation/sweep_manifest.h"
#include "absl/strings/str_cat.h"
#include "train/file.h"
#include "train/file_testing.h"
#include "train/run_summary.h"
#include "train/sealed_text.h"

namespace palimpsest {
namespace {

constexpr int kSteps = 400, kLogEvery = 10, kEvalEvery = 50;

std::string ConfigText(const FakeRun& run) {
  return absl::StrCat("model { width: 64 layers: 2 block { memory { rule { name: '", run.rule,
                      "' } heads: 2 } } }\ndata { ", run.data,
                      " }\n"
                      "optimizer { name: 'adamw' lr: 0.003 }\nsteps: ",
                      kSteps, " batch: 8 length: 64 seed: ", run.seed, "\n", run.more_config);
}

// Falls towards the validation loss, with a ripple that differs by seed.
std::string MetricsText(const FakeRun& run, int steps) {
  std::string text;
  const auto add = [&](const std::string& line) { absl::StrAppend(&text, SealJson(line), "\n"); };
  for (int step = kLogEvery; step <= steps; step += kLogEvery) {
    const double ripple = 0.05 * std::sin(0.7 * step + static_cast<double>(run.seed));
    const double loss = run.val_loss + 3 * std::exp(-step / 80.0);
    add(absl::StrCat("{\"step\":", step, ",\"loss\":", loss + ripple,
                     ",\"statistics\":{\"blocks.0.mlp.levels.0.update_ratio\":",
                     1e-3 * (1 + ripple), ",\"blocks.0.mlp.levels.0.updates\":4",
                     ",\"blocks.0.mlp.levels.1.updates\":0,\"blocks.0.mixer.beta\":0.5}}"));
    const double learnt = 1 - std::exp(-step / 80.0);
    if (step % kEvalEvery == 0)
      add(absl::StrCat("{\"step\":", step, ",\"val_loss\":", loss,
                       ",\"val_accuracy\":", run.val_accuracy * learnt,
                       ",\"val_sequence_accuracy\":", run.val_accuracy * learnt / 2, "}"));
  }
  return text;
}

}  // namespace

void WriteFakeRun(const std::string& dir, const FakeRun& run) {
  ASSERT_TRUE(MakeDirectories(dir).ok());
  WriteFile(JoinPath(dir, "config.textproto"), SealTextProto(ConfigText(run)));
  WriteFile(JoinPath(dir, "version"), "v0-test\n");
  WriteFile(JoinPath(dir, "metrics.jsonl"), MetricsText(run, run.complete ? kSteps : kSteps / 2));
  if (!run.log.empty()) WriteFile(JoinPath(dir, "log"), run.log);
  if (!run.complete) return;
  const RunSummary summary{.step = kSteps,
                           .tokens = kSteps * 8 * 64,
                           .loss = run.val_loss + 0.01,
                           .val_loss = run.val_loss,
                           .val_accuracy = run.val_accuracy,
                           .val_sequence_accuracy = run.val_accuracy / 2,
                           .seconds = 61.5,
                           .tokens_per_second = 3330.1,
                           .cost = {.parameters = 123456,
                                    .non_embedding_parameters = 98304,
                                    .state_bytes = run.state_bytes,
                                    .flops_per_token = 254321},
                           .version = "v0-test"};
  ASSERT_TRUE(WriteSummary(dir, summary).ok());
}

std::string WriteFakeSweep() {
  const std::string dir = ScratchDir();
  const auto add = [&](const std::string& name, const FakeRun& run) {
    WriteFakeRun(JoinPath(dir, name), run);
  };
  add("d1", {.rule = "delta", .seed = 1, .val_loss = 1.50, .val_accuracy = 0.70});
  add("d2", {.rule = "delta", .seed = 2, .val_loss = 1.60, .val_accuracy = 0.66});
  add("d3", {.rule = "delta", .seed = 3, .val_loss = 1.55, .val_accuracy = 0.69});
  const int64_t large = 8192;
  add("g1", {"gated_delta", 1, 1.40, 0.81, large});
  add("g2", {"gated_delta", 2, 1.49, 0.77, large});
  add("g3", {"gated_delta", 3, 1.46, 0.79, large});
  add("h1", {"hebbian", 1, 2.40, 0.21, 4096});
  add("x1", {"oja", 1, 9, 0, 4096, false,
             "step 190/400  loss 9.1\npalimpsest: step 200: the loss is nan; <b>\n"});
  add("x2", {"oja", 2, 9, 0, 4096, false});
  const SweepManifest manifest{
      .title = "Rules & <recall>",
      .baseline = "rule=delta",
      .metric = "val_loss",
      .program = "0123abcd",
      .rows = {
          {"rule=delta",
           "aa",
           {{1, "d1", "complete"}, {2, "d2", "complete"}, {3, "d3", "complete"}}},
          {"rule=gated_delta",
           "bb",
           {{1, "g1", "complete"}, {2, "g2", "complete"}, {3, "g3", "complete"}}},
          {"rule=hebbian", "cc", {{1, "h1", "complete"}, {2, "h2", "waiting"}}},
          {"<script>alert('x')</script>", "dd", {{1, "x1", "non-finite"}, {2, "x2", "stopped"}}}}};
  EXPECT_TRUE(WriteSweepManifest(dir, manifest).ok());
  return dir;
}

}  // namespace palimpsest
