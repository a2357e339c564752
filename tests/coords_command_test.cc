// `palimpsest coords`: the coordinate check of muP, through the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/program_testing.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<std::string> Args(const SmallRun& run, const std::vector<std::string>& more) {
  std::vector<std::string> args = {"coords", "--config=" + run.config,
                                   "data.bytes.path=" + run.text, "model.zero_init_head=true"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST(CoordsCommand, PrintsSlopesAndDrawsThem) {
  const SmallRun run;
  const std::string plot = run.dir + "/coords.svg";
  const ProcessResult r = Palimpsest(
      Args(run, {"--widths=64,32,128", "--optimizer=adamw,sgd", "--steps=2", "--plot=" + plot}));
  EXPECT_EQ(r.code, 0) << r.err << r.out;
  EXPECT_THAT(r.out, AllOf(HasSubstr("adamw, muP from width 16, widths 32, 64, 128"),
                           HasSubstr("sgd, muP"), HasSubstr("blocks.0.mixer"), HasSubstr("step 2"),
                           HasSubstr(": ok, at most 0.15")));
  EXPECT_THAT(ReadFile(plot), AllOf(HasSubstr("<svg "), HasSubstr("adamw, step 1"),
                                    HasSubstr("sgd, step 2"), HasSubstr("blocks.0.mlp")));
}

TEST(CoordsCommand, FailsWithoutMup) {
  const SmallRun run;
  const ProcessResult r = Palimpsest(Args(run, {"--widths=32,64,128", "--standard"}));
  EXPECT_EQ(r.code, 1);
  EXPECT_THAT(r.out, AllOf(HasSubstr("standard parametrisation"), HasSubstr("FAILED, more than")));
  EXPECT_EQ(r.err, "");
}

TEST(CoordsCommand, SaysWhatIsWrong) {
  const SmallRun run;
  const struct {
    std::vector<std::string> args;
    const char* what;
  } cases[] = {{{"--widths=64"}, "a slope needs two widths or more"},
               {{"--widths=64,wide"}, "'wide' is no width"},
               {{"--widths=64,12"}, "do not grow to a whole number"},
               {{"--widths=32,64", "--steps=1"}, "--steps=1"},
               {{"--widths=32,64", "--optimizer=admw"}, "'admw'"}};
  for (const auto& [args, what] : cases) {
    const ProcessResult r = Palimpsest(Args(run, args));
    EXPECT_EQ(r.code, 1);
    EXPECT_THAT(r.err, HasSubstr(what));
  }
}

}  // namespace
}  // namespace palimpsest
