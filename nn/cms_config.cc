#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "nn/config_check.h"

namespace palimpsest {
namespace {

using Cms = ModelConfig::Cms;

absl::Status ResolveLevel(const std::string& path, int64_t width, Cms::Level& level) {
  ConfigCheck check(path);
  check.Size("period", level.period(), 0);
  check.Positive("rate", level.rate());
  check.Require(level.keep() >= 0.0 && level.keep() <= 1.0, "keep", level.keep(),
                " is not between 0 and 1");
  check.Require(level.mlp().kind() != ModelConfig::Mlp::NONE, "mlp.kind",
                "NONE: a level is an MLP; leave the level out instead");
  check.Require(!level.frozen() || level.period() > 0, "frozen",
                "a level of period 0 is never written; give it a period, or leave frozen out");
  if (!check.ok()) return check.status();
  return ResolveMlp(path + ".mlp", width, *level.mutable_mlp());
}

// The next slower level ends its chunk where this one does too, and so can set it back.
absl::Status CheckNesting(const std::string& path, const Cms& cms) {
  for (int i = 0; i < cms.level_size(); ++i) {
    const int64_t period = cms.level(i).period(), slower = SlowerPeriod(cms, i);
    ConfigCheck check(absl::StrCat(path, ".level.", i));
    check.Require(slower == 0 || slower % period == 0, "period", period, " does not divide ",
                  slower, ", the period of the next slower level, as order NESTED needs");
    if (!check.ok()) return check.status();
  }
  return absl::OkStatus();
}

}  // namespace

int64_t SlowerPeriod(const Cms& cms, int level) {
  const int64_t period = cms.level(level).period();
  int64_t slower = std::numeric_limits<int64_t>::max();
  for (const Cms::Level& other : cms.level()) {
    if (period > 0 && other.period() > period) slower = std::min(slower, other.period());
  }
  return slower == std::numeric_limits<int64_t>::max() ? 0 : slower;
}

absl::Status ResolveCms(const std::string& path, int64_t width, Cms& cms) {
  ConfigCheck check(path);
  check.Require(cms.level_size() > 0, "level",
                "none given; a system has at least one, such as level { period: 64 }");
  check.Require(cms.writes() == Cms::THROUGH || !cms.project_keys(), "project_keys",
                "with writes FIRST_ORDER nothing would train the projection; leave it out, or take "
                "writes THROUGH");
  check.Require(cms.max_update() >= 0.0 && std::isfinite(cms.max_update()), "max_update",
                cms.max_update(), " is negative or not finite");
  if (!check.ok()) return check.status();
  for (int i = 0; i < cms.level_size(); ++i) {
    const absl::Status status =
        ResolveLevel(absl::StrCat(path, ".level.", i), width, *cms.mutable_level(i));
    if (!status.ok()) return status;
  }
  return cms.order() == Cms::NESTED ? CheckNesting(path, cms) : absl::OkStatus();
}

}  // namespace palimpsest
