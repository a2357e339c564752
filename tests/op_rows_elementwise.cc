#include <cmath>

#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "tests/op_suite.h"

namespace palimpsest {
namespace {

std::vector<Inputs> One(double low, double high) {
  return {Reals({{2, 3}}, low, high), Reals({{}}, low, high),   Reals({{0, 4}}, low, high),
          Reals({{63}}, low, high),   Reals({{65}}, low, high), Reals({{129, 513}}, low, high)};
}

// Not near the integers, where what is tested has its kinks.
std::vector<Inputs> OffIntegers() {
  const auto draw = [](double u) {
    return std::floor(u * 4) - 2 + 0.1 + 0.8 * (u * 4 - std::floor(u * 4));
  };
  return {Drawn({{2, 3}}, draw), Drawn({{0}}, draw), Drawn({{100}}, draw),
          Drawn({{129, 513}}, draw)};
}

// Every way in which two shapes broadcast.
std::vector<std::vector<Shape>> Pairs() {
  return {{{2, 3}, {2, 3}},
          {{2, 3}, {3}},
          {{}, {5}},
          {{63}, {}},
          {{4, 1, 65}, {4, 3, 1}},
          {{7, 1}, {1, 100}},
          {{2, 1, 3, 1}, {5, 1, 4}},
          {{0, 3}, {3}},
          {{2, 0}, {1, 1}},
          {{129, 513}, {513}},
          {{129, 513}, {129, 1}},
          {{129, 513}, {129, 513}}};
}

std::vector<Inputs> Two(double low, double high) {
  std::vector<Inputs> cases;
  for (const auto& pair : Pairs()) cases.push_back(Reals(pair, low, high));
  return cases;
}

// Numbers of two kinds that are never near each other.
std::vector<Inputs> Apart() {
  std::vector<Inputs> cases;
  for (const auto& pair : Pairs()) {
    cases.push_back(
        Drawn({pair[0]},
              [](double u) { return std::floor(u * 8) - 4 + 0.3 * (u * 8 - std::floor(u * 8)); }) +
        Drawn({pair[1]}, [](double u) {
          return std::floor(u * 8) - 3.5 + 0.3 * (u * 8 - std::floor(u * 8));
        }));
  }
  return cases;
}

std::vector<Inputs> Three() {
  const auto with = [](const Shape& mask, const Shape& a, const Shape& b) {
    return Ints({mask}, 0, 2) + Reals({a, b});
  };
  return {with({2, 3}, {2, 3}, {2, 3}), with({3}, {2, 3}, {}),
          with({2, 1}, {3}, {2, 3}),    with({4, 1, 1}, {3, 1}, {65}),
          with({0, 1}, {5}, {1, 1}),    with({129, 513}, {513}, {129, 1})};
}

// Two of one shape.
std::vector<Inputs> Alike() {
  std::vector<Inputs> cases;
  for (const Shape& shape : {Shape{2, 3}, {}, {0, 4}, {63}, {65}, {129, 513}})
    cases.push_back(Reals({shape}, -8, 8) + Reals({shape}));
  return cases;
}

const std::vector<Inputs> kMismatched = {Reals({{2, 3}, {4}})};

// A derivative in terms of a rounded result has as many digits as that: hence those of bf16.
template <typename F>
OpRow Unary(const char* name, std::vector<Inputs> cases, F f, double bf16_tolerance = 1.0) {
  return {.name = name,
          .cases = std::move(cases),
          .f = [f](const Tensors& x) { return f(x[0]); },
          .bf16_tolerance = bf16_tolerance};
}

template <typename F>
OpRow Binary(const char* name, std::vector<Inputs> cases, F f, double bf16_tolerance = 1.0) {
  return {.name = name,
          .cases = std::move(cases),
          .f = [f](const Tensors& x) { return f(x[0], x[1]); },
          .bf16_tolerance = bf16_tolerance,
          .bad = kMismatched};
}

#define OP(f) [](const auto&... x) { return f(x...); }

std::vector<OpRow> Rows() {
  return {
      Binary("add", Two(-2, 2), OP(Add)),
      Binary("sub", Two(-2, 2), OP(Sub)),
      Binary("mul", Two(-2, 2), OP(Mul)),
      Binary("div", Two(0.5, 2), OP(Div), 2.0),
      Binary("pow", Two(0.5, 2), OP(Pow), 3.0),
      Binary("maximum", Apart(), OP(Maximum)),
      Binary("minimum", Apart(), OP(Minimum)),
      Binary("greater", Two(-2, 2), OP(Greater)),
      Binary("greater_equal", Two(-2, 2), OP(GreaterEqual)),
      Binary("equal", Two(-2, 2), OP(Equal)),
      {.name = "where",
       .cases = Three(),
       .f = [](const Tensors& x) { return Where(x[0], x[1], x[2]); },
       .bad = {Ints({{2}}, 0, 2) + Reals({{3}, {3}})}},
      Unary("add_constant", One(-2, 2), [](const Tensor& x) { return Add(x, 0.7); }),
      Unary("mul_constant", One(-2, 2), [](const Tensor& x) { return Mul(x, -1.7); }),
      Unary("pow_square", One(-2, 2), [](const Tensor& x) { return Pow(x, 2.0); }),
      Unary("pow_cube", One(-2, 2), [](const Tensor& x) { return Pow(x, 3.0); }),
      Unary("pow_fraction", One(0.5, 2), [](const Tensor& x) { return Pow(x, -1.7); }),
      Unary("pow_zero", One(-2, 2), [](const Tensor& x) { return Pow(x, 0.0); }),
      Unary("neg", One(-2, 2), OP(Neg)),
      Unary("exp", One(-4, 4), OP(Exp)),
      Unary("log", One(0.2, 5), OP(Log)),
      Unary("sqrt", One(0.2, 5), OP(Sqrt)),
      Unary("rsqrt", One(0.2, 5), OP(Rsqrt), 2.0),
      Unary("tanh", One(-4, 4), OP(Tanh), 4.0),
      Unary("sigmoid", One(-8, 8), OP(Sigmoid), 4.0),
      Unary("silu", One(-8, 8), OP(Silu)),
      Binary("silu_mul", Alike(), OP(SiluMul)),
      Binary("sigmoid_mul", Alike(), OP(SigmoidMul)),
      Unary("gelu", One(-6, 6), OP(Gelu)),
      Unary("softplus", One(-8, 8), OP(Softplus)),
      Unary("relu", OffIntegers(), OP(Relu)),
      Unary("abs", OffIntegers(), OP(Abs)),
      Unary("sign", OffIntegers(), OP(Sign)),
      Unary("clamp", OffIntegers(), [](const Tensor& x) { return Clamp(x, -1.0, 1.0); }),
      Unary("cast_narrow", One(-2, 2),
            [](const Tensor& x) {
              return x.dtype() == DType::kF64 ? Mul(x, 2.0)
                                              : Cast(Mul(Cast(x, DType::kF64), 2.0), x.dtype());
            }),
      {.name = "broadcast_to",
       .cases = {Reals({{2, 3}}), Reals({{1, 3}}), Reals({{3}}), Reals({{}}), Reals({{2, 1}})},
       .f =
           [](const Tensors& x) {
             return BroadcastTo(x[0], {4, 2, 3});
           },
       .bad = {Reals({{4, 3}})}},
      {.name = "broadcast_large",
       .cases = {Reals({{513}}), Reals({{129, 1}}), Reals({{1, 1}})},
       .f =
           [](const Tensors& x) {
             return BroadcastTo(x[0], {129, 513});
           }},
      {.name = "sum_to",
       .cases = {Reals({{2, 3}}), Reals({{5, 2, 3}}), Reals({{4, 0, 2, 3}}),
                 Reals({{100, 65, 2, 3}})},
       .f =
           [](const Tensors& x) {
             return Tensors{SumTo(x[0], {1, 3}), SumTo(x[0], {2, 1}), SumTo(x[0], {3})};
           }},
  };
}

PALIMPSEST_OP_ROWS(Elementwise, Rows());

}  // namespace
}  // namespace palimpsest
