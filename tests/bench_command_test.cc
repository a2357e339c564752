// `palimpsest bench`: what it prints. How fast the rules are is no test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "nlohmann/json.hpp"
#include "tests/program_testing.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(BenchCommand, PrintsALineForEverySize) {
  const ProcessResult r =
      Palimpsest({"bench", "--rule=delta", "--time=8,16", "--dim=4", "--dtype=f64,bf16"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.err, "");
  EXPECT_THAT(r.out, AllOf(HasSubstr(" threads, one sequence"), HasSubstr("FLOPs")));
  EXPECT_EQ(std::count(r.out.begin(), r.out.end(), '\n'), 3 + 4) << r.out;
}

// Of linear attention in chunks of c: scores and their use are products of c x c, and two more are
// of rows with the state; the rest is elementwise.
TEST(BenchCommand, CountsFlopsAndBytes) {
  const ProcessResult r = Palimpsest(
      {"bench", "--rule=hebbian", "--time=64", "--dim=32", "--chunk=16", "--heads=3", "--json"});
  EXPECT_EQ(r.code, 0) << r.err;
  const nlohmann::json lines = nlohmann::json::parse(r.out);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["rule"], "hebbian");
  EXPECT_EQ(lines[0]["state_bytes"], 3 * 32 * 32 * 4);
  const double products = 3 * 2 * (2 * 16 * 32 + 2 * 32 * 32);
  EXPECT_GT(lines[0]["flops_per_token"], products);
  EXPECT_LT(lines[0]["flops_per_token"], 1.5 * products);
  EXPECT_GT(lines[0]["flops_per_token_forward_backward"],
            2 * lines[0]["flops_per_token"].get<double>());
  EXPECT_GT(lines[0]["peak_bytes"], 64 * 3 * 32 * 4);
  for (const char* run : {"forward", "forward_backward"}) {
    EXPECT_GT(lines[0][run]["best_seconds"], 0.0);
    EXPECT_GE(lines[0][run]["median_seconds"], lines[0][run]["best_seconds"]);
    EXPECT_GE(lines[0][run]["runs"], 3);
  }
}

TEST(BenchCommand, LeavesOutWhatTakesTooLong) {
  const ProcessResult r =
      Palimpsest({"bench", "--rule=delta", "--time=8,1000000000", "--dim=4", "--seconds=2"});
  EXPECT_EQ(r.code, 0);
  EXPECT_THAT(r.err, StartsWith("delta: left out, longer than --seconds=2: time 1000000000 "));
}

TEST(BenchCommand, SaysWhatIsWrong) {
  const auto error = [](const std::string& flag) {
    const ProcessResult r = Palimpsest({"bench", "--rule=delta", flag});
    EXPECT_EQ(r.code, 1);
    return r.err;
  };
  EXPECT_THAT(error("--time=8,x"), HasSubstr("--time=8,x: must be sizes from 1 on"));
  EXPECT_THAT(error("--dim=0"), HasSubstr("--dim=0: must be sizes from 1 on"));
  EXPECT_THAT(error("--dtype=f16"), HasSubstr("--dtype=f16: must be of f64, f32, bf16"));
}

}  // namespace
}  // namespace palimpsest
