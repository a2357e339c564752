#include "ablation/sweep.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "ablation/sweep_axis.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/file.h"
#include "train/config.h"
#include "train/file.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

constexpr size_t kMostRows = 10000;

absl::Status In(const std::string& where, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(where, ": ", std::string(status.message())));
}

// One value of every axis.
using Combination = std::vector<const SweepPoint*>;

std::vector<Combination> Combinations(const std::vector<SweepPoints>& axes) {
  std::vector<Combination> all = {{}};
  for (const SweepPoints& axis : axes) {
    std::vector<Combination> longer;
    for (const Combination& row : all) {
      for (const SweepPoint& point : axis) {
        longer.push_back(row);
        longer.back().push_back(&point);
      }
    }
    all = std::move(longer);
  }
  return all;
}

// What rows an exclude leaves out: those with all of its labels.
absl::Status Exclude(const std::string& text, std::vector<Combination>* rows) {
  std::vector<std::string> labels = absl::StrSplit(text, ',');
  for (std::string& label : labels) absl::StripAsciiWhitespace(&label);
  const auto matches = [&](const Combination& row) {
    return std::all_of(labels.begin(), labels.end(), [&](const std::string& label) {
      return std::any_of(row.begin(), row.end(),
                         [&](const SweepPoint* point) { return point->label == label; });
    });
  };
  if (std::erase_if(*rows, matches) > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("exclude \"", text,
                   "\" leaves out no row; rows are named as \"rule=delta, "
                   "momentum=on\" (--dry_run lists them)"));
}

std::string RowName(const Combination& row, const Sweep& sweep) {
  if (row.empty()) return sweep.title();
  return absl::StrJoin(
      row, ", ", [](std::string* out, const SweepPoint* point) { out->append(point->label); });
}

absl::StatusOr<TrainConfig> RowConfig(const Sweep& sweep, const Combination& row,
                                      const std::vector<std::string>& overrides) {
  std::vector<std::string> bases(sweep.base().begin(), sweep.base().end());
  std::vector<std::string> sets(sweep.set().begin(), sweep.set().end());
  for (const SweepPoint* point : row) {
    bases.insert(bases.end(), point->bases.begin(), point->bases.end());
    sets.insert(sets.end(), point->sets.begin(), point->sets.end());
  }
  sets.insert(sets.end(), overrides.begin(), overrides.end());
  if (const absl::Status s = LoadConfig(bases, {}).status(); !s.ok()) return In("base", s);
  return LoadConfig(bases, sets);
}

absl::Status CheckNames(const std::vector<SweepRow>& rows) {
  std::set<std::string> names;
  for (const SweepRow& row : rows) {
    if (names.insert(row.name).second) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("axis and variant: two rows are named \"", row.name, "\""));
  }
  return absl::OkStatus();
}

absl::Status CheckBaseline(const Sweep& sweep, const std::vector<SweepRow>& rows) {
  if (!sweep.has_baseline()) return absl::OkStatus();
  std::vector<std::string> names;
  for (const SweepRow& row : rows) names.push_back(row.name);
  if (std::find(names.begin(), names.end(), sweep.baseline()) != names.end())
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("baseline: there is no row ", NameAndKnown(sweep.baseline(), names)));
}

}  // namespace

absl::StatusOr<Sweep> ParseSweep(const std::string& text, const std::string& file) {
  Sweep sweep;
  if (absl::Status s = ParseTextProto(text, file, &sweep); !s.ok()) return s;
  return sweep;
}

absl::StatusOr<Sweep> LoadSweep(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFileToString(path);
  if (!text.ok()) return text.status();
  absl::StatusOr<Sweep> sweep = ParseSweep(*text, path);
  if (!sweep.ok()) return sweep;
  const std::filesystem::path file(path);
  if (!sweep->has_title()) sweep->set_title(file.stem().string());
  const auto from_here = [&](auto* bases) {
    for (std::string& base : *bases) base = JoinPath(file.parent_path().string(), base);
  };
  from_here(sweep->mutable_base());
  for (Sweep::Variant& variant : *sweep->mutable_variant()) from_here(variant.mutable_base());
  for (Sweep::Axis& axis : *sweep->mutable_axis()) {
    for (Sweep::Variant& variant : *axis.mutable_variant()) from_here(variant.mutable_base());
  }
  return sweep;
}

absl::StatusOr<std::vector<SweepRow>> ExpandSweep(const Sweep& sweep,
                                                  const std::vector<std::string>& overrides) {
  const absl::StatusOr<std::vector<SweepPoints>> axes = SweepAxes(sweep);
  if (!axes.ok()) return axes.status();
  size_t count = 1;
  for (const SweepPoints& axis : *axes) {
    count *= axis.size();
    if (count > kMostRows)
      return absl::InvalidArgumentError(
          absl::StrCat("the axes make more than ", kMostRows, " rows: cut it into several sweeps"));
  }
  const absl::StatusOr<std::vector<uint64_t>> seeds = SweepSeeds(sweep);
  if (!seeds.ok()) return seeds.status();
  std::vector<Combination> combinations = Combinations(*axes);
  for (const std::string& text : sweep.exclude()) {
    if (absl::Status s = Exclude(text, &combinations); !s.ok()) return s;
  }
  if (combinations.empty()) return absl::InvalidArgumentError("exclude leaves out every row");
  std::vector<SweepRow> rows;
  for (const Combination& row : combinations) {
    const std::string name = RowName(row, sweep);
    absl::StatusOr<TrainConfig> config = RowConfig(sweep, row, overrides);
    if (!config.ok()) return In(absl::StrCat("row \"", name, "\""), config.status());
    config->set_seed(seeds->front());
    rows.push_back({name, *std::move(config)});
  }
  if (absl::Status s = CheckNames(rows); !s.ok()) return s;
  if (absl::Status s = CheckBaseline(sweep, rows); !s.ok()) return s;
  return rows;
}

absl::StatusOr<std::vector<uint64_t>> SweepSeeds(const Sweep& sweep) {
  constexpr int64_t kMostSeeds = 100000;
  if (sweep.seed_size() > 0 && sweep.has_seeds())
    return absl::InvalidArgumentError("seed and seeds: give the seeds or their number, not both");
  std::vector<uint64_t> seeds(sweep.seed().begin(), sweep.seed().end());
  if (std::set<uint64_t>(seeds.begin(), seeds.end()).size() < seeds.size())
    return absl::InvalidArgumentError(
        absl::StrCat("seed: one is there twice in ", absl::StrJoin(seeds, ", ")));
  if (!seeds.empty()) return seeds;
  if (sweep.seeds() < 1 || sweep.seeds() > kMostSeeds)
    return absl::InvalidArgumentError(
        absl::StrCat("seeds is ", sweep.seeds(), ", must be in [1, ", kMostSeeds, "]"));
  for (int64_t seed = 1; seed <= sweep.seeds(); ++seed) seeds.push_back(seed);
  return seeds;
}

}  // namespace palimpsest
