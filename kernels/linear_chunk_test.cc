#include "kernels/linear_chunk.h"

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "core/random.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

struct Case {
  int64_t batch, time, heads, key, value, chunk;
  bool erases = true, erases_key = true, gated = true;
};

std::ostream& operator<<(std::ostream& os, const Case& c) {
  return os << "batch " << c.batch << " time " << c.time << " heads " << c.heads << " key " << c.key
            << " value " << c.value << " chunk " << c.chunk << " erases " << c.erases << " key "
            << c.erases_key << " gated " << c.gated;
}

// Named f64 inputs and outputs of the kernels.
using Values = std::map<std::string, std::vector<double>>;

std::vector<double> Random(const std::string& name, int64_t n, double mean, double scale) {
  const RandomStream stream(1, name);
  std::vector<double> x(n);
  for (int64_t i = 0; i < n; ++i) x[i] = mean + scale * stream.Normal(i);
  return x;
}

Values Inputs(const Case& c) {
  const int64_t gates = c.batch * c.time * c.heads, state = c.batch * c.heads * c.key * c.value;
  const double unit = 1.0 / std::sqrt(static_cast<double>(c.key));
  Values in = {{"q", Random("q", gates * c.key, 0, unit)},
               {"k", Random("k", gates * c.key, 0, unit)},
               {"v", Random("v", gates * c.value, 0, 1)},
               {"state", Random("state", state, 0, 1)}};
  if (c.gated) in["log_keep"] = Random("log_keep", gates, -0.5, 0.2);
  if (c.gated) in["write_scale"] = Random("write_scale", gates, 0.5, 0.2);
  if (c.erases && c.gated) in["erase_scale"] = Random("erase_scale", gates, 0.5, 0.2);
  if (c.erases && !c.erases_key) in["e"] = Random("e", gates * c.key, 0, unit);
  return in;
}

const double* Data(const Values& values, const std::string& name) {
  const auto it = values.find(name);
  return it == values.end() ? nullptr : it->second.data();
}

LinearChunkArgs Args(const Case& c, const Values& in) {
  return {.dtype = DType::kF64,
          .batch = c.batch,
          .time = c.time,
          .heads = c.heads,
          .key = c.key,
          .value = c.value,
          .chunk = c.chunk,
          .q = Data(in, "q"),
          .k = Data(in, "k"),
          .v = Data(in, "v"),
          .e = !c.erases      ? nullptr
               : c.erases_key ? Data(in, "k")
                              : Data(in, "e"),
          .log_keep = Data(in, "log_keep"),
          .erase_scale = Data(in, "erase_scale"),
          .write_scale = Data(in, "write_scale"),
          .state = Data(in, "state")};
}

// The definition, token by token.
Values Steps(const Case& c, const Values& in) {
  Values out = {{"y", std::vector<double>(in.at("v").size())}, {"state", in.at("state")}};
  const LinearChunkArgs a = Args(c, in);
  const auto gate = [](const void* x, int64_t i, double otherwise) {
    return x == nullptr ? otherwise : static_cast<const double*>(x)[i];
  };
  for (int64_t n = 0; n < c.batch * c.heads; ++n) {
    double* m = out["state"].data() + n * c.key * c.value;
    for (int64_t t = 0; t < c.time; ++t) {
      const int64_t row = (n / c.heads * c.time + t) * c.heads + n % c.heads;
      const auto at = [&](const void* x) { return static_cast<const double*>(x) + row * c.key; };
      for (int64_t v = 0; v < c.value; ++v, m += c.key) {
        double found = 0.0, y = 0.0;
        for (int64_t i = 0; a.e != nullptr && i < c.key; ++i) found += m[i] * at(a.e)[i];
        const double r = gate(a.write_scale, row, 1) * in.at("v")[row * c.value + v] -
                         gate(a.erase_scale, row, 1) * found;
        for (int64_t i = 0; i < c.key; ++i) {
          m[i] = std::exp(gate(a.log_keep, row, 0)) * m[i] + r * at(a.k)[i];
          y += m[i] * at(a.q)[i];
        }
        out["y"][row * c.value + v] = y;
      }
      m -= c.key * c.value;
    }
  }
  return out;
}

Values Outputs(const Case& c, const Values& in, std::vector<double>* saved = nullptr) {
  const LinearChunkArgs a = Args(c, in);
  Values out = {{"y", std::vector<double>(in.at("v").size(), NAN)},
                {"state", std::vector<double>(in.at("state").size(), NAN)}};
  if (saved != nullptr) saved->assign(a.chunks() * in.at("state").size(), NAN);
  linear_chunk(Device::kCpu, a,
               {out["y"].data(), out["state"].data(), saved == nullptr ? nullptr : saved->data()});
  return out;
}

double Dot(const Values& a, const Values& b) {
  double sum = 0.0;
  for (const auto& [name, x] : a) {
    for (size_t i = 0; i < x.size(); ++i) sum += x[i] * b.at(name)[i];
  }
  return sum;
}

Values Plus(Values a, double scale, const Values& b) {
  for (auto& [name, x] : a) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += scale * b.at(name)[i];
  }
  return a;
}

Values Direction(const Values& like, const std::string& salt) {
  Values d;
  for (const auto& [name, x] : like)
    d[name] = Random(name + salt, static_cast<int64_t>(x.size()), 0, 1);
  return d;
}

Values Gradients(const Case& c, const Values& in, const Values& douts) {
  std::vector<double> saved;
  Outputs(c, in, &saved);
  Values grads;
  for (const auto& [name, x] : in) grads[name] = std::vector<double>(x.size(), NAN);
  const auto to = [&](const std::string& name) -> void* {
    return grads.contains(name) ? grads[name].data() : nullptr;
  };
  linear_chunk_vjp(Device::kCpu, Args(c, in),
                   {.saved = saved.data(),
                    .dy = Data(douts, "y"),
                    .dlast_state = Data(douts, "state"),
                    .dq = to("q"),
                    .dk = to("k"),
                    .dv = to("v"),
                    .dstate = to("state"),
                    .de = to("e"),
                    .dlog_keep = to("log_keep"),
                    .derase_scale = to("erase_scale"),
                    .dwrite_scale = to("write_scale")});
  return grads;
}

class LinearChunk : public testing::TestWithParam<Case> {};

TEST_P(LinearChunk, IsTheSteps) {
  const Case& c = GetParam();
  const Values in = Inputs(c), difference = Plus(Outputs(c, in), -1.0, Steps(c, in));
  EXPECT_LT(std::sqrt(Dot(difference, difference)),
            1e-12 * (1.0 + std::sqrt(Dot(Steps(c, in), Steps(c, in)))));
}

// One random direction through each input by itself, the outputs weighted at random.
TEST_P(LinearChunk, GradientsAreThoseOfTheSteps) {
  const Case& c = GetParam();
  const Values in = Inputs(c), douts = Direction(Steps(c, in), "dout"),
               grads = Gradients(c, in, douts);
  for (const auto& [name, x] : in) {
    Values direction = Direction(in, "din");
    for (auto& [other, d] : direction) {
      if (other != name) std::fill(d.begin(), d.end(), 0.0);
    }
    const double numeric = (Dot(Steps(c, Plus(in, 1e-5, direction)), douts) -
                            Dot(Steps(c, Plus(in, -1e-5, direction)), douts)) /
                           2e-5;
    EXPECT_NEAR(Dot(grads, direction), numeric, 1e-6 * (1.0 + std::abs(numeric))) << name;
  }
}

TEST_P(LinearChunk, NoCotangentIsZero) {
  const Case& c = GetParam();
  const Values in = Inputs(c), douts = Direction(Steps(c, in), "dout");
  Values y = douts, state = douts;
  y.erase("state"), state.erase("y");
  const Values sum = Plus(Gradients(c, in, y), 1.0, Gradients(c, in, state));
  const Values difference = Plus(sum, -1.0, Gradients(c, in, douts));
  EXPECT_LT(std::sqrt(Dot(difference, difference)), 1e-12 * (1.0 + std::sqrt(Dot(sum, sum))));
}

TEST_P(LinearChunk, TheSameForAnyThreads) {
  const Case& c = GetParam();
  const Values in = Inputs(c), douts = Direction(Steps(c, in), "dout");
  const Values many = Gradients(c, in, douts), y = Outputs(c, in);
  const int threads = NumThreads();
  SetNumThreads(1);
  EXPECT_EQ(many, Gradients(c, in, douts));
  EXPECT_EQ(y, Outputs(c, in));
  SetNumThreads(threads);
}

INSTANTIATE_TEST_SUITE_P(Shapes, LinearChunk,
                         testing::Values(Case{1, 64, 1, 32, 32, 64}, Case{2, 100, 3, 16, 24, 16},
                                         Case{1, 17, 2, 60, 1, 64}, Case{1, 3, 1, 1, 60, 3},
                                         Case{2, 40, 2, 8, 8, 1},
                                         Case{2, 70, 2, 12, 20, 33, true, false},
                                         Case{1, 65, 2, 16, 16, 64, false},
                                         Case{1, 65, 2, 16, 16, 64, true, true, false},
                                         Case{1, 20, 1, 100, 60, 7, true, false, false},
                                         Case{1, 0, 2, 4, 4, 16}, Case{0, 5, 2, 4, 4, 16}));

}  // namespace
}  // namespace palimpsest
