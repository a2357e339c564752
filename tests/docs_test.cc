// That documents which are generated are those of this program.
#include <gtest/gtest.h>

#include "tests/program_testing.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

TEST(Docs, RulesAreAsTheProgramHasThem) {
  const ProcessResult r = Palimpsest({"rules", "--markdown"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(r.out == ReadFile("docs/rules.md"))
      << "docs/rules.md is stale: bazel-bin/train/palimpsest rules --markdown > docs/rules.md";
}

}  // namespace
}  // namespace palimpsest
