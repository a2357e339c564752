#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "program/commands.h"
#include "program/coord_check.h"
#include "train/atomic_file.h"
#include "train/config.h"
#include "train/device.h"
#include "train/training.h"

namespace palimpsest {
namespace {

// Past this the size of a part follows the width. The first step is not held to it: logits that are
// drawn at random may shrink.
constexpr double kMostSlope = 0.15;
constexpr int64_t kFirstHeld = 2;

absl::StatusOr<std::vector<int64_t>> ParseWidths(const std::string& text) {
  std::set<int64_t> widths;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ','))) {
    int64_t width = 0;
    if (!absl::SimpleAtoi(part, &width) || width < 1)
      return absl::InvalidArgumentError(
          absl::StrCat("--widths=", text, ": '", part, "' is no width; write it as 128,256,512"));
    widths.insert(width);
  }
  if (widths.size() < 2)
    return absl::InvalidArgumentError(
        absl::StrCat("--widths=", text, ": a slope needs two widths or more"));
  return std::vector<int64_t>(widths.begin(), widths.end());
}

// A row a part, a column a step; `of` is the sizes or the changes.
void PrintSlopes(const char* title, const std::vector<int64_t>& widths, int64_t steps,
                 const std::vector<Coordinate>& all, std::vector<double> Coordinate::*of) {
  std::printf("%-22s", title);
  for (int64_t step = 1; step <= steps; ++step)
    std::printf(" %8s", absl::StrCat("step ", step).c_str());
  std::printf("\n");
  const size_t parts = all.size() / static_cast<size_t>(steps);
  for (size_t part = 0; part < parts; ++part) {
    std::printf("%-22s", all[part].part.c_str());
    for (size_t i = part; i < all.size(); i += parts) {
      const std::vector<double>& sizes = all[i].*of;
      const double slope = sizes.empty() ? NAN : Slope(widths, sizes);
      std::printf(" %8s", std::isfinite(slope) ? absl::StrFormat("%+.3f", slope).c_str() : "-");
    }
    std::printf("\n");
  }
}

class CoordsCommandImpl : public Command {
 public:
  std::string name() const override { return "coords"; }
  std::string summary() const override { return "check that sizes do not follow the width (muP)"; }
  std::string usage() const override {
    return "coords --config=FILE [--widths=W,...] [--optimizer=O,...] [field.path=value ...]";
  }
  std::string examples() const override {
    return "  palimpsest coords --config=examples/optimizers/coords.textproto --plot=coords.svg\n"
           "  palimpsest coords --config=my.textproto --optimizer=adamw,lion --standard\n"
           "\n"
           "Trains the config's model at each width for a few steps on one batch, and prints\n"
           "the slope of log2 mean|x| against log2 width of what each part puts out. Exits\n"
           "with 1 if one is past 0.15 after the first step. Heads grow with the width. The\n"
           "base is model.mup_base_width, or the config's own width. Logits shrink with the\n"
           "width until they have learnt, unless model.zero_init_head: true.\n";
  }
  void AddFlags(Flags* flags) override {
    flags->Add("config", "FILE", &config_, "the model, its data and its optimizer")
        .Add("widths", "W,...", &widths_, "at least two (128,256,512,1024,2048)")
        .Add("optimizer", "O,...", &optimizers_, "in place of the config's")
        .Add("steps", "N", &steps_, "looked at, the one before any update included (4)")
        .Add("seeds", "N", &seeds_, "averaged over (3)")
        .Add("standard", "", &standard_, "without muP: to see it fail")
        .Add("device", "NAME", &device_, "cpu or cuda; without, as the config says")
        .Add("tf32", "", &tf32_, "on cuda, f32 products round their operands to TF32")
        .Add("plot", "FILE", &plot_, "SVG to write");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& overrides) override {
    if (config_.empty()) return absl::InvalidArgumentError("coords needs --config");
    if (steps_ < kFirstHeld || seeds_ < 1)
      return absl::InvalidArgumentError(absl::StrCat("--steps=", steps_, " --seeds=", seeds_,
                                                     ": at least ", kFirstHeld, " and 1"));
    const absl::StatusOr<std::vector<int64_t>> widths = ParseWidths(widths_);
    if (!widths.ok()) return widths.status();
    absl::StatusOr<TrainConfig> config = LoadConfig(config_, WithDevice(overrides, device_, tf32_));
    if (!config.ok()) return config.status();
    if (absl::Status s = ValidateConfig(*config); !s.ok()) return s;
    ApplyProcessLimits(*config);
    ModelConfig& model = *config->mutable_model();
    if (standard_) model.clear_mup_base_width();
    if (!standard_ && model.mup_base_width() == 0) model.set_mup_base_width(model.width());
    bool passed = true;
    std::vector<Plot> plots;
    for (const std::string& optimizer : Optimizers(*config)) {
      config->mutable_optimizer()->set_name(optimizer);
      const absl::StatusOr<bool> ok = CheckOne(*config, *widths, &plots);
      if (!ok.ok()) return ok.status();
      passed = passed && *ok;
    }
    if (!plot_.empty()) {
      const std::string svg = PlotSvg(plots, static_cast<int>(steps_));
      if (absl::Status s = WriteFileAtomically(plot_, svg); !s.ok()) return s;
    }
    return passed ? 0 : 1;
  }

 private:
  std::vector<std::string> Optimizers(const TrainConfig& config) const {
    if (optimizers_.empty()) return {config.optimizer().name()};
    return absl::StrSplit(optimizers_, ',');
  }

  absl::StatusOr<bool> CheckOne(const TrainConfig& config, const std::vector<int64_t>& widths,
                                std::vector<Plot>* plots) const {
    const std::string& optimizer = config.optimizer().name();
    const int64_t base = config.model().mup_base_width();
    std::printf(
        "%s, %s, widths %s\n\n", optimizer.c_str(),
        base == 0 ? "standard parametrisation" : absl::StrCat("muP from width ", base).c_str(),
        absl::StrJoin(widths, ", ").c_str());
    const auto all = CheckCoordinates(config, {.widths = widths, .steps = steps_, .seeds = seeds_});
    if (!all.ok()) return all.status();
    PrintSlopes("slope of mean|x|", widths, steps_, *all, &Coordinate::size);
    std::printf("\n");
    PrintSlopes("of mean|x - x before|", widths, steps_, *all, &Coordinate::change);
    for (Plot& plot : PlotCoordinates(optimizer, widths, *all)) plots->push_back(std::move(plot));
    const Coordinate* worst = nullptr;
    double most = -1;
    for (const Coordinate& c : *all) {
      const double slope = std::abs(Slope(widths, c.size));
      // One that is not finite is the worst.
      if (c.step < kFirstHeld || slope <= most) continue;
      worst = &c, most = std::isfinite(slope) ? slope : INFINITY;
    }
    const bool ok = most <= kMostSlope;
    std::printf("\nsteepest after step 1: %.3f, %s at step %lld: %s %.2f\n\n", most,
                worst->part.c_str(), static_cast<long long>(worst->step),
                ok ? "ok, at most" : "FAILED, more than", kMostSlope);
    return ok;
  }

  std::string config_, widths_ = "128,256,512,1024,2048", optimizers_, device_, plot_;
  int64_t steps_ = 4, seeds_ = 3;
  bool standard_ = false, tf32_ = false;
};

}  // namespace

Command& CoordsCommand() {
  static CoordsCommandImpl command;
  return command;
}

}  // namespace palimpsest
