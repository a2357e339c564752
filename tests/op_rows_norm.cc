#include <cmath>

#include "ops/loss.h"
#include "ops/norm.h"
#include "ops/softmax.h"
#include "tests/op_suite.h"

namespace palimpsest {
namespace {

// Large, or the gradient of a single number's direction is a difference of nearly equal ones.
constexpr double kEps = 0.1;

std::vector<Inputs> Rows() {
  return {Reals({{2, 3}}), Reals({{1}}),        Reals({{0, 4}}),
          Reals({{5, 0}}), Reals({{3, 2, 65}}), Reals({{129, 513}})};
}

// The same with parameters of the last axis.
std::vector<Inputs> WithParameters(int parameters) {
  std::vector<Inputs> cases = Rows();
  for (Inputs& inputs : cases) {
    const Shape row = {inputs[0].shape.back()};
    inputs = inputs + Reals(std::vector<Shape>(parameters, row), 0.5, 1.5);
  }
  return cases;
}

std::vector<Inputs> Labelled() {
  const auto with = [](const Shape& logits, int classes) {
    const Shape rows(logits.begin(), logits.end() - 1);
    return Reals({logits}, -4, 4) + Drawn(
                                        {rows},
                                        [=](double u) {
                                          return u < 0.2 ? kIgnoreLabel
                                                         : std::floor((u - 0.2) / 0.8 * classes);
                                        },
                                        true);
  };
  return {with({5, 3}, 3), with({7}, 7),    with({2, 3, 65}, 65),
          with({0, 4}, 4), with({6, 1}, 1), with({129, 513}, 513)};
}

const std::vector<OpRow> kRows = {
    {.name = "softmax",
     .cases = Rows(),
     .f = [](const Tensors& x) { return Softmax(x[0]); },
     .bad = {Reals({{}})}},
    {.name = "log_softmax",
     .cases = Rows(),
     .f = [](const Tensors& x) { return LogSoftmax(x[0]); },
     .bad = {Reals({{}})}},
    {.name = "rms_norm",
     .cases = WithParameters(1),
     .f = [](const Tensors& x) { return RmsNorm(x[0], x[1], kEps); },
     .bad = {Reals({{2, 3}, {4}})}},
    {.name = "rms_norm_plain",
     .cases = Rows(),
     .f = [](const Tensors& x) { return RmsNorm(x[0], {}, kEps); }},
    {.name = "layer_norm",
     .cases = WithParameters(2),
     .f = [](const Tensors& x) { return LayerNorm(x[0], x[1], x[2]); },
     .bad = {Reals({{2, 3}, {2}, {2}})}},
    {.name = "layer_norm_plain",
     .cases = Rows(),
     .f = [](const Tensors& x) { return LayerNorm(x[0]); }},
    {.name = "layer_norm_bias",
     .cases = WithParameters(1),
     .f = [](const Tensors& x) { return LayerNorm(x[0], {}, x[1]); }},
    {.name = "l2_normalize",
     .cases = Rows(),
     .f = [](const Tensors& x) { return L2Normalize(x[0], kEps); },
     .bad = {Reals({{}})}},
    {.name = "rms_norm_eps",
     .cases = {Reals({{4, 3}}), Reals({{3, 2, 65}})},
     .f = [](const Tensors& x) { return RmsNorm(x[0]); }},
    {.name = "l2_normalize_eps",
     .cases = {Reals({{4, 3}}), Reals({{3, 2, 65}})},
     .f = [](const Tensors& x) { return L2Normalize(x[0]); }},
    {.name = "cross_entropy",
     .cases = Labelled(),
     .f = [](const Tensors& x) { return CrossEntropy(x[0], x[1]); },
     .bad = {Reals({{2, 3}}) + Ints({{3}}, 0, 2)}},
};

PALIMPSEST_OP_ROWS(Norm, kRows);

}  // namespace
}  // namespace palimpsest
