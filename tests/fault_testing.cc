#include "tests/fault_testing.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <sstream>

#include "nlohmann/json.hpp"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

void ExpectSameBits(const NamedTensors& found, const NamedTensors& expected) {
  ASSERT_TRUE(MatchTensors("it", "tensors", found, expected).ok());
  for (const auto& [name, x] : expected)
    EXPECT_EQ(std::memcmp(x.raw(), found.at(name).raw(), x.bytes()), 0) << name;
}

}  // namespace

ProcessResult TrainWithFault(const std::vector<std::string>& args, const std::string& dir,
                             const std::string& fault, int* calls) {
  const std::string count = ScratchDir() + "/count";
  // AddressSanitizer would have the first place in the list of libraries.
  std::vector<std::string> command = {"/usr/bin/env",
                                      "LD_PRELOAD=tests/fault_shim.so",
                                      "ASAN_OPTIONS=verify_asan_link_order=0",
                                      "FAULT_DIR=" + dir,
                                      "FAULT=" + fault,
                                      "FAULT_COUNT=" + count};
  for (const std::string& arg : PalimpsestCommand(args)) command.push_back(arg);
  const ProcessResult result = RunProcess(command);
  if (calls != nullptr) *calls = std::atoi(ReadFile(count).c_str());
  return result;
}

std::vector<std::string> RunToBreak::Args(const std::vector<std::string>& more) const {
  std::vector<std::string> args =
      TrainArgs({"steps=4", "eval_every=2", "checkpoint_every=2", "threads=1"});
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

std::vector<std::string> RunToBreak::Resume(const std::vector<std::string>& more) const {
  std::vector<std::string> args = Args(more);
  args.emplace_back("--resume");
  return args;
}

RunResult ResultOf(const std::string& run_dir) {
  absl::StatusOr<FoundCheckpoint> found = LoadNewestCheckpoint(run_dir + "/checkpoints");
  if (!found.ok()) {
    ADD_FAILURE() << found.status();
    return {};
  }
  RunResult result{std::move(found->checkpoint), {}};
  std::istringstream text(ReadFile(run_dir + "/metrics.jsonl"));
  for (std::string line; std::getline(text, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) continue;
    nlohmann::json kept;
    for (const char* field : {"step", "loss", "grad_norm", "val_loss", "val_accuracy"})
      if (json.contains(field)) kept[field] = json[field];
    result.metrics.push_back(kept.dump());
  }
  return result;
}

void ExpectSameBits(const RunResult& found, const RunResult& expected) {
  EXPECT_EQ(found.newest.step, expected.newest.step);
  ExpectSameBits(found.newest.params, expected.newest.params);
  ExpectSameBits(found.newest.optimizer, expected.newest.optimizer);
}

}  // namespace palimpsest
