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

enum class Gating { kNone, kNumber, kChannels, kMomentum };
enum class Erase { kNothing, kKey, kOther };

struct Case {
  int64_t batch, time, heads, key, value, chunk;
  Erase erase = Erase::kKey;
  Gating gating = Gating::kNumber;
};

std::ostream& operator<<(std::ostream& os, const Case& c) {
  return os << "batch " << c.batch << " time " << c.time << " heads " << c.heads << " key " << c.key
            << " value " << c.value << " chunk " << c.chunk << " erase "
            << static_cast<int>(c.erase) << " gating " << static_cast<int>(c.gating);
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
  const bool gated = c.gating != Gating::kNone;
  if (gated) in["write_scale"] = Random("write_scale", gates, 0.5, 0.2);
  if (gated && c.erase != Erase::kNothing)
    in["erase_scale"] = Random("erase_scale", gates, 0.5, 0.2);
  if (c.erase == Erase::kOther) in["e"] = Random("e", gates * c.key, 0, unit);
  if (gated) {
    in["log_keep"] =
        Random("log_keep", gates * (c.gating == Gating::kChannels ? c.key : 1), -0.5, 0.2);
  }
  if (c.gating == Gating::kMomentum) {
    in["log_eta"] = Random("log_eta", gates, -0.7, 0.2);
    in["beta"] = Random("beta", gates, 0.5, 0.2);
    in["momentum"] = Random("momentum", state, 0, 1);
  }
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
          .e = Data(in, c.erase == Erase::kKey ? "k" : "e"),
          .erase_scale = Data(in, "erase_scale"),
          .write_scale = Data(in, "write_scale"),
          .decay = c.gating == Gating::kChannels   ? LinearDecay::kChannels
                   : c.gating == Gating::kMomentum ? LinearDecay::kMomentum
                                                   : LinearDecay::kNumber,
          .log_keep = Data(in, "log_keep"),
          .log_eta = Data(in, "log_eta"),
          .beta = Data(in, "beta"),
          .state = Data(in, "state"),
          .momentum = Data(in, "momentum")};
}

// y and the states, not yet filled.
Values Blank(const Values& in) {
  Values out = {{"y", std::vector<double>(in.at("v").size(), NAN)}};
  for (const char* name : {"state", "momentum"}) {
    if (in.contains(name)) out[name] = std::vector<double>(in.at(name).size(), NAN);
  }
  return out;
}

// The definition, token by token, for one row m of M and s of S.
void StepRow(const LinearChunkArgs& a, const Values& in, int64_t row, int64_t v, double* m,
             double* s, double* y) {
  const auto gate = [](const void* x, int64_t i, double otherwise) {
    return x == nullptr ? otherwise : static_cast<const double*>(x)[i];
  };
  const auto at = [&](const void* x) { return static_cast<const double*>(x) + row * a.key; };
  double found = 0.0;
  for (int64_t i = 0; a.e != nullptr && i < a.key; ++i) found += m[i] * at(a.e)[i];
  const double r = gate(a.write_scale, row, 1) * in.at("v")[row * a.value + v] -
                   gate(a.erase_scale, row, 1) * found;
  *y = 0.0;
  for (int64_t i = 0; i < a.key; ++i) {
    const double log_keep =
        gate(a.log_keep, a.decay == LinearDecay::kChannels ? row * a.key + i : row, 0);
    double write = r * at(a.k)[i];
    if (s != nullptr) {
      s[i] = std::exp(gate(a.log_eta, row, 0)) * s[i] + write;
      write = gate(a.beta, row, 1) * s[i];
    }
    m[i] = std::exp(log_keep) * m[i] + write;
    *y += m[i] * at(a.q)[i];
  }
}

Values Steps(const Case& c, const Values& in) {
  Values out = Blank(in);
  for (auto& [name, x] : out) {
    if (name != "y") x = in.at(name);
  }
  const LinearChunkArgs a = Args(c, in);
  for (int64_t n = 0; n < c.batch * c.heads; ++n) {
    for (int64_t t = 0; t < c.time; ++t) {
      const int64_t row = (n / c.heads * c.time + t) * c.heads + n % c.heads;
      for (int64_t v = 0; v < c.value; ++v) {
        const int64_t at = (n * c.value + v) * c.key;
        StepRow(a, in, row, v, out["state"].data() + at,
                out.contains("momentum") ? out["momentum"].data() + at : nullptr,
                &out["y"][row * c.value + v]);
      }
    }
  }
  return out;
}

double* MutableData(Values& values, const std::string& name) {
  const auto it = values.find(name);
  return it == values.end() ? nullptr : it->second.data();
}

Values Outputs(const Case& c, const Values& in, std::vector<double>* saved = nullptr) {
  const LinearChunkArgs a = Args(c, in);
  Values out = Blank(in);
  if (saved != nullptr) saved->assign(a.chunks() * a.states() * in.at("state").size(), NAN);
  linear_chunk(Device::kCpu, a,
               {.y = out["y"].data(),
                .last_state = out["state"].data(),
                .last_momentum = MutableData(out, "momentum"),
                .saved = saved == nullptr ? nullptr : saved->data()});
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
  const auto to = [&](const std::string& name) { return MutableData(grads, name); };
  linear_chunk_vjp(Device::kCpu, Args(c, in),
                   {.saved = saved.data(),
                    .dy = Data(douts, "y"),
                    .dlast_state = Data(douts, "state"),
                    .dlast_momentum = Data(douts, "momentum"),
                    .dq = to("q"),
                    .dk = to("k"),
                    .dv = to("v"),
                    .dstate = to("state"),
                    .dmomentum = to("momentum"),
                    .de = to("e"),
                    .derase_scale = to("erase_scale"),
                    .dwrite_scale = to("write_scale"),
                    .dlog_keep = to("log_keep"),
                    .dlog_eta = to("log_eta"),
                    .dbeta = to("beta")});
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
  Values sum;
  for (const auto& [name, dout] : douts) {
    const Values one = Gradients(c, in, {{name, dout}});
    sum = sum.empty() ? one : Plus(sum, 1.0, one);
  }
  const Values difference = Plus(sum, -1.0, Gradients(c, in, douts));
  EXPECT_LT(std::sqrt(Dot(difference, difference)), 1e-12 * (1.0 + std::sqrt(Dot(sum, sum))));
}

// The memory tiles lie in is kept from call to call.
TEST_P(LinearChunk, NothingIsLeftOfTheCallBefore) {
  const Case& c = GetParam();
  const Values in = Inputs(c), douts = Direction(Steps(c, in), "dout");
  const int threads = NumThreads();
  SetNumThreads(1);
  const Values y = Outputs(c, in), grads = Gradients(c, in, douts);
  Case spoilt_case = c;
  spoilt_case.batch = 1, spoilt_case.time = 64, spoilt_case.key = 128, spoilt_case.value = 128;
  spoilt_case.chunk = 64;
  Values spoilt = Inputs(spoilt_case);
  for (auto& [name, x] : spoilt) std::fill(x.begin(), x.end(), NAN);
  Gradients(spoilt_case, spoilt, Direction(Blank(spoilt), "dout"));
  EXPECT_EQ(y, Outputs(c, in));
  Gradients(spoilt_case, spoilt, Direction(Blank(spoilt), "dout"));
  EXPECT_EQ(grads, Gradients(c, in, douts));
  SetNumThreads(threads);
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

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (Gating gating : {Gating::kNone, Gating::kNumber, Gating::kChannels, Gating::kMomentum}) {
    for (Erase erase : {Erase::kNothing, Erase::kKey, Erase::kOther}) {
      const std::vector<Case> sizes = {
          {1, 64, 1, 32, 32, 64}, {2, 100, 3, 16, 24, 16}, {1, 17, 2, 60, 1, 64},
          {1, 3, 1, 1, 60, 3},    {2, 40, 2, 8, 8, 1},     {2, 70, 2, 12, 20, 33},
          {1, 65, 2, 16, 16, 64}, {1, 20, 1, 100, 60, 7},  {1, 0, 2, 4, 4, 16},
          {0, 5, 2, 4, 4, 16},    {1, 20, 3, 8, 70, 16},   {2, 5, 1, 4, 0, 16}};
      for (Case c : sizes) {
        c.gating = gating, c.erase = erase;
        cases.push_back(c);
      }
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Shapes, LinearChunk, testing::ValuesIn(Cases()));

}  // namespace
}  // namespace palimpsest
