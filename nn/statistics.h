#ifndef NN_STATISTICS_H_
#define NN_STATISTICS_H_

#include <string>

#include "nn/mixer.h"

namespace palimpsest {

// Of all elements; of none, all 0. Nothing here is recorded.
struct Summary {
  double mean = 0.0, min = 0.0, max = 0.0;
};
Summary Summarize(const Tensor& x);
// "NAME.mean", "NAME.min", "NAME.max".
void PutSummary(const StatisticSink& statistics, const std::string& name, const Summary& summary);

// The mean length of the vectors along the last `axes` axes.
double MeanNorm(const Tensor& x, int axes);

// Of matrices [..., rows, columns]: the largest singular value s of any (by power iteration, hence
// from below), and the mean stable rank |M|_F^2 / s^2 of those that are not zero.
struct Spectrum {
  double largest = 0.0, stable_rank = 0.0;
};
Spectrum SpectrumOf(const Tensor& matrices);

}  // namespace palimpsest

#endif  // NN_STATISTICS_H_
