#include "ablation/sweep_testing.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "ablation/sweep.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

constexpr char kTiny[] = R"(
  title: "tiny"
  set: "data={ mqar { vocab: 32 pairs: 2 } eval_examples: 4 }"
  set: "model={ width: 8 block { memory { rule { name: \"delta\" } heads: 1 } mlp { kind: NONE } } }"
  set: "length=16" set: "batch=1800" set: "steps=3" )";

constexpr char kScript[] = R"(#!/bin/bash
for arg in "$@"; do
  case $arg in
    --config=*) config=${arg#*=} ;;
    --run_dir=*) dir=${arg#*=} ;;
  esac
done
echo "$@" >>"$dir/starts"
starts=$(wc -l <"$dir/starts")
complete() {
  cp "$config" "$dir/config.textproto"
  cat >"$dir/summary.json" <<END
{"status": "complete", "step": 3, "tokens": 9, "loss": 0.5, "val_loss": 0.25, "val_accuracy": 0.5,
 "seconds": 1.5, "tokens_per_second": 6, "parameters": 7, "non_embedding_parameters": 5,
 "state_bytes": 8, "flops_per_token": 10, "version": "fake"}
END
  exit 0
}
what=$(sed -n 's/^grad_accumulation: //p' "$config")
echo "this is $what"
case $what in
  1) complete ;;
  3) echo 'palimpsest: the loss is nan' >&2; exit 3 ;;
  4) ((starts > 1)) && complete; exit 4 ;;
  9) ((starts > 1)) && complete; kill -9 $$ ;;
  8) kill -SEGV $$ ;;
  6) exit 0 ;;
  75 | 100)
    ((starts > 1)) && complete
    touch "$dir/begun"
    [ $what = 75 ] && echo '{"step": 2, "loss": 0.5}' >"$dir/metrics.jsonl"
    trap 'exit 75' TERM
    while :; do sleep 0.02; done ;;
  *) exit 1 ;;
esac
)";

}  // namespace

SweepPlan TinyPlan(const std::string& more) {
  const absl::StatusOr<Sweep> sweep = ParseSweep(kTiny + more, "tiny");
  EXPECT_TRUE(sweep.ok()) << sweep.status();
  absl::StatusOr<SweepPlan> plan = PlanSweep(*sweep, {});
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *std::move(plan);
}

SweepProgram FakeProgram(const std::string& dir) {
  const std::string path = dir + "/fake";
  WriteFile(path, kScript);
  std::filesystem::permissions(path, std::filesystem::perms(0755));
  return {.path = path, .plugins = {}};
}

std::unique_ptr<SweepDir> FakeSweep(const std::string& dir, const SweepPlan& plan) {
  absl::StatusOr<std::unique_ptr<SweepDir>> sweep = SweepDir::Open(dir + "/sweep");
  EXPECT_TRUE(sweep.ok()) << sweep.status();
  const absl::Status status =
      (*sweep)->Prepare(&plan, FakeProgram(dir), OnChange::kRefuse, OnChange::kRefuse);
  EXPECT_TRUE(status.ok()) << status;
  return *std::move(sweep);
}

}  // namespace palimpsest
