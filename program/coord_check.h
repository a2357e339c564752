#ifndef PROGRAM_COORD_CHECK_H_
#define PROGRAM_COORD_CHECK_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "report/plot.h"
#include "train/config.pb.h"

namespace palimpsest {

// What one part of a model puts out ("blocks.0.mixer", ForwardOptions::observe) at one step of
// training, at each width: averages over elements and seeds.
struct Coordinate {
  std::string part;
  int64_t step;                // From 1, which no update was before.
  std::vector<double> size;    // mean |x_t|
  std::vector<double> change;  // mean |x_t - x_{t-1}|; of step 1 none.
};

struct CoordCheckOptions {
  std::vector<int64_t> widths;
  int64_t steps = 4, seeds = 1;
  // Called before each run.
  std::function<void(int64_t width, int64_t seed)> before = {};
};

// Trains the config's model at each width, on one batch again and again (Yang et al. 2022, appendix
// D.1; nn/mup.h's AtWidth). Parts come in the order they run, steps in theirs.
absl::StatusOr<std::vector<Coordinate>> CheckCoordinates(const TrainConfig& config,
                                                         const CoordCheckOptions& options);

// Of log2 sizes against log2 widths, by least squares. Not finite where a size is 0 or not finite.
double Slope(const std::vector<int64_t>& widths, const std::vector<double>& sizes);

// A plot of each step: sizes against widths.
std::vector<Plot> PlotCoordinates(const std::string& title, const std::vector<int64_t>& widths,
                                  const std::vector<Coordinate>& coordinates);

}  // namespace palimpsest

#endif  // PROGRAM_COORD_CHECK_H_
