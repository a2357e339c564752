// The linear recurrence of each device against the CPU's in f64, which linear_chunk_test checks.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "core/allocator.h"
#include "core/random.h"
#include "core/tensor.h"
#include "gtest/gtest.h"
#include "kernels/linear_chunk.h"

namespace palimpsest {
namespace {

enum class Erase { kNothing, kKey, kOther };

struct Case {
  int64_t batch, time, heads, key, value, chunk;
  Erase erase = Erase::kKey;
  LinearDecay decay = LinearDecay::kNumber;
  bool gated = true;
  double log_keep = -0.5;
  std::vector<int64_t> starts = {};  // Of packed sequences, as many as the batch.

  // Of rows and gates.
  int64_t row_batch() const { return starts.empty() ? batch : 1; }
};

std::ostream& operator<<(std::ostream& os, const Case& c) {
  return os << "batch " << c.batch << " time " << c.time << " heads " << c.heads << " key " << c.key
            << " value " << c.value << " chunk " << c.chunk << " erase "
            << static_cast<int>(c.erase) << " decay " << static_cast<int>(c.decay) << " gated "
            << c.gated << " log keep " << c.log_keep << " packed " << !c.starts.empty();
}

// Named tensors of the arguments, of the outputs or of the gradients.
using Values = std::map<std::string, Tensor>;

bool IsRow(const std::string& name) {
  return name == "q" || name == "k" || name == "v" || name == "e" || name == "y";
}
DType TypeOf(const std::string& name, DType dtype) {
  return dtype == DType::kBf16 && !IsRow(name) ? DType::kF32 : dtype;
}

Tensor Random(const std::string& name, const Shape& shape, double mean, double scale) {
  std::vector<double> x = RandomNormal(shape, RandomStream(1, name), DType::kF64, scale).ToVector();
  for (double& value : x) value += mean;
  return Tensor::FromVector(shape, x, DType::kF64);
}

Values Inputs(const Case& c) {
  const Shape gates = {c.row_batch(), c.time, c.heads}, state = {c.batch * c.heads, c.value, c.key};
  const auto rows = [&](int64_t dim) { return Shape{c.row_batch(), c.time, c.heads, dim}; };
  const double unit = 1.0 / std::sqrt(static_cast<double>(c.key));
  Values in = {{"q", Random("q", rows(c.key), 0, unit)},
               {"k", Random("k", rows(c.key), 0, unit / 2)},
               {"v", Random("v", rows(c.value), 0, 1)},
               {"state", Random("state", state, 0, 1)}};
  if (c.erase == Erase::kOther) in["e"] = Random("e", rows(c.key), 0, unit);
  if (c.decay == LinearDecay::kMomentum) in["momentum"] = Random("momentum", state, 0, 1);
  if (!c.gated) return in;
  in["write_scale"] = Random("write_scale", gates, 0.5, 0.2);
  if (c.erase != Erase::kNothing) in["erase_scale"] = Random("erase_scale", gates, 0.5, 0.2);
  in["log_keep"] =
      Random("log_keep", c.decay == LinearDecay::kChannels ? rows(c.key) : gates, c.log_keep, 0.2);
  if (c.decay == LinearDecay::kMomentum) {
    in["log_eta"] = Random("log_eta", gates, -0.7, 0.2);
    in["beta"] = Random("beta", gates, 0.5, 0.2);
  }
  return in;
}

// Each converted to f64 of the nearest numbers of `dtype`, or to it and on `device`.
Values Converted(const Values& values, DType dtype, Device device) {
  Values converted;
  for (const auto& [name, x] : values) {
    converted[name] =
        CopyTo(Tensor::FromVector(x.shape(), x.ToVector(), TypeOf(name, dtype)), device);
  }
  return converted;
}

const void* Raw(const Values& values, const std::string& name) {
  const auto it = values.find(name);
  return it == values.end() ? nullptr : it->second.raw();
}
void* Raw(Values& values, const std::string& name) {
  const auto it = values.find(name);
  return it == values.end() ? nullptr : it->second.mutable_raw();
}

LinearChunkArgs Args(const Case& c, const Values& in, DType dtype, const int64_t* starts) {
  return {.dtype = dtype,
          .batch = c.batch,
          .time = c.time,
          .heads = c.heads,
          .key = c.key,
          .value = c.value,
          .chunk = c.chunk,
          .q = Raw(in, "q"),
          .k = Raw(in, "k"),
          .v = Raw(in, "v"),
          .e = Raw(in, c.erase == Erase::kKey ? "k" : "e"),
          .erase_scale = Raw(in, "erase_scale"),
          .write_scale = Raw(in, "write_scale"),
          .decay = c.decay,
          .log_keep = Raw(in, "log_keep"),
          .log_eta = Raw(in, "log_eta"),
          .beta = Raw(in, "beta"),
          .state = Raw(in, "state"),
          .momentum = Raw(in, "momentum"),
          .starts = starts};
}

// Where the kernels write, not yet written.
Values Blank(const Values& like, DType dtype, Device device) {
  Values blank;
  for (const auto& [name, x] : like)
    blank[name] = Tensor::Full(x.shape(), NAN, TypeOf(name, dtype), device);
  return blank;
}

// The outputs and, if there are cotangents of them, the gradients, named d_... .
Values Results(const Case& c, const Values& inputs, const Values& cotangents, DType dtype,
               Device device) {
  const Values in = Converted(inputs, dtype, device), dout = Converted(cotangents, dtype, device);
  const Tensor starts =
      CopyTo(Tensor::From<int64_t>({static_cast<int64_t>(c.starts.size())}, c.starts), device);
  const LinearChunkArgs args =
      Args(c, in, dtype, c.starts.empty() ? nullptr : starts.data<int64_t>());
  Values like = {{"y", inputs.at("v")}, {"state", inputs.at("state")}};
  if (inputs.contains("momentum")) like["momentum"] = inputs.at("momentum");
  Values out = Blank(like, dtype, device), grads = Blank(inputs, dtype, device);
  // Packed sequences leave some of it empty.
  Tensor saved = Tensor::Full({args.places(), c.heads, args.states(), c.key, c.value},
                              c.starts.empty() ? NAN : 0.0, TypeOf("saved", dtype), device);
  linear_chunk(device, args,
               {.y = Raw(out, "y"),
                .last_state = Raw(out, "state"),
                .last_momentum = Raw(out, "momentum"),
                .saved = saved.mutable_raw()});
  linear_chunk_vjp(device, args,
                   {.saved = saved.raw(),
                    .dy = Raw(dout, "y"),
                    .dlast_state = Raw(dout, "state"),
                    .dlast_momentum = Raw(dout, "momentum"),
                    .dq = Raw(grads, "q"),
                    .dk = Raw(grads, "k"),
                    .dv = Raw(grads, "v"),
                    .dstate = Raw(grads, "state"),
                    .dmomentum = Raw(grads, "momentum"),
                    .de = Raw(grads, "e"),
                    .derase_scale = Raw(grads, "erase_scale"),
                    .dwrite_scale = Raw(grads, "write_scale"),
                    .dlog_keep = Raw(grads, "log_keep"),
                    .dlog_eta = Raw(grads, "log_eta"),
                    .dbeta = Raw(grads, "beta")});
  for (const auto& [name, x] : grads) out["d_" + name] = x;
  out["saved"] = saved;
  return out;
}

Values Cotangents(const Case& c) {
  const Shape state = {c.batch * c.heads, c.value, c.key};
  Values dout = {{"y", Random("dy", {c.row_batch(), c.time, c.heads, c.value}, 0, 1)},
                 {"state", Random("dstate", state, 0, 1)}};
  if (c.decay == LinearDecay::kMomentum) dout["momentum"] = Random("dmomentum", state, 0, 1);
  return dout;
}

double Norm(const std::vector<double>& x) {
  double sum = 0.0;
  for (double value : x) sum += value * value;
  return std::sqrt(sum);
}

double Tolerance(const std::string& name, DType dtype) {
  if (dtype == DType::kF64) return 1e-12;
  if (dtype == DType::kF32) return 1e-5;
  // Near those of flash-linear-attention's tests.
  if (name.substr(0, 2) != "d_") return 0.005;
  const std::string of = name.substr(2);
  return IsRow(of) || of == "state" || of == "momentum" ? 0.01 : 0.02;
}

// Against the CPU in f64 of the same numbers, relative to each tensor's size.
void ExpectNear(const Case& c, const Values& in, const Values& dout, DType dtype, Device device) {
  const Values rounded = Converted(in, dtype, Device::kCpu),
               drounded = Converted(dout, dtype, Device::kCpu);
  const Values want = Results(c, rounded, drounded, DType::kF64, Device::kCpu),
               got = Results(c, in, dout, dtype, device);
  for (const auto& [name, x] : want) {
    const std::vector<double> a = x.ToVector();
    std::vector<double> b = got.at(name).ToVector();
    ASSERT_EQ(a.size(), b.size()) << name;
    for (size_t i = 0; i < a.size(); ++i) b[i] -= a[i];
    // Where nothing is left of what cancels, its rounding is.
    const double least = 0.05 * std::sqrt(static_cast<double>(a.size()));
    EXPECT_LE(Norm(b), Tolerance(name, dtype) * std::max(Norm(a), least))
        << name << " of " << c << ", " << dtype;
  }
}

class LinearChunkDevice : public testing::TestWithParam<std::tuple<Device, Case>> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(device())) GTEST_SKIP() << "there is no device " << device();
  }
  static Device device() { return std::get<0>(GetParam()); }
  static const Case& shape() { return std::get<1>(GetParam()); }
};

TEST_P(LinearChunkDevice, IsTheCpus) {
  const Values in = Inputs(shape()), dout = Cotangents(shape());
  for (DType dtype : {DType::kF64, DType::kF32, DType::kBf16})
    ExpectNear(shape(), in, dout, dtype, device());
}

TEST_P(LinearChunkDevice, NoCotangentIsZero) {
  const Values in = Inputs(shape());
  for (const auto& [name, dout] : Cotangents(shape()))
    ExpectNear(shape(), in, {{name, dout}}, DType::kF64, device());
}

TEST_P(LinearChunkDevice, AgainTheSameBits) {
  const Values in = Inputs(shape()), dout = Cotangents(shape());
  for (DType dtype : {DType::kF32, DType::kBf16}) {
    const Values one = Results(shape(), in, dout, dtype, device()),
                 other = Results(shape(), in, dout, dtype, device());
    for (const auto& [name, x] : one) EXPECT_EQ(x.ToVector(), other.at(name).ToVector()) << name;
  }
}

// Tokens [begin, end) of a batch of one.
Tensor Between(const Tensor& x, int64_t begin, int64_t end) {
  Shape shape(x.shape().begin() + 1, x.shape().end());
  const Tensor part = x.WithShape(shape).Rows(begin, end);
  shape = part.shape();
  shape.insert(shape.begin(), 1);
  return part.WithShape(shape);
}

// The part of each tensor that is of a packed sequence.
Values OfSequence(const Case& c, const Values& values, int64_t i) {
  Values part;
  for (const auto& [name, x] : values) {
    if (name == "saved") continue;
    const bool state =
        name.find("state") != std::string::npos || name.find("momentum") != std::string::npos;
    part[name] =
        state ? x.Rows(i * c.heads, (i + 1) * c.heads) : Between(x, c.starts[i], c.starts[i + 1]);
  }
  return part;
}

// A case's number, and the device.
std::string TestName(const testing::TestParamInfo<LinearChunkDevice::ParamType>& info) {
  return std::to_string(info.index) + "_" + testing::PrintToString(std::get<Device>(info.param));
}

class PackedLinearChunk : public LinearChunkDevice {};

TEST_P(PackedLinearChunk, IsEachSequenceByItself) {
  const Values in = Inputs(shape()), dout = Cotangents(shape()),
               packed = Results(shape(), in, dout, DType::kF32, device());
  for (int64_t i = 0; i < shape().batch; ++i) {
    Case one = shape();
    one.batch = 1, one.time = one.starts[i + 1] - one.starts[i], one.starts = {};
    const Values want = Results(one, OfSequence(shape(), in, i), OfSequence(shape(), dout, i),
                                DType::kF32, device());
    for (const auto& [name, x] : OfSequence(shape(), packed, i))
      EXPECT_EQ(x.ToVector(), want.at(name).ToVector()) << name << " of sequence " << i;
  }
}

TEST_P(PackedLinearChunk, IsTheCpus) {
  const Values in = Inputs(shape()), dout = Cotangents(shape());
  for (DType dtype : {DType::kF64, DType::kBf16}) ExpectNear(shape(), in, dout, dtype, device());
}

std::vector<Case> PackedCases() {
  std::vector<Case> cases;
  for (LinearDecay decay : {LinearDecay::kNumber, LinearDecay::kChannels, LinearDecay::kMomentum}) {
    cases.push_back({5, 61, 2, 8, 12, 16, Erase::kKey, decay, true, -0.5, {0, 0, 5, 37, 37, 61}});
    cases.push_back({2, 33, 1, 8, 8, 32, Erase::kNothing, decay, true, -0.5, {0, 32, 33}});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Devices, PackedLinearChunk,
                         testing::Combine(testing::Values(Device::kCpu, Device::kCuda,
                                                          Device::kSimulatedCuda),
                                          testing::ValuesIn(PackedCases())),
                         TestName);

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (LinearDecay decay : {LinearDecay::kNumber, LinearDecay::kChannels, LinearDecay::kMomentum}) {
    for (Erase erase : {Erase::kNothing, Erase::kKey, Erase::kOther}) {
      const std::vector<Case> sizes = {
          {1, 64, 1, 32, 32, 64}, {2, 100, 2, 16, 24, 16}, {1, 17, 2, 60, 1, 64},
          {1, 3, 1, 1, 60, 3},    {1, 4, 2, 8, 8, 1},      {1, 65, 1, 65, 70, 33},
          {1, 0, 2, 4, 4, 16},    {0, 5, 2, 4, 4, 16},     {2, 5, 1, 4, 0, 16}};
      for (Case c : sizes) {
        c.erase = erase, c.decay = decay;
        cases.push_back(c);
      }
    }
    cases.push_back({1, 10, 1, 8, 8, 8, Erase::kKey, decay, false});
    cases.push_back({1, 17, 1, 256, 200, 64, Erase::kKey, decay});
    // Nothing is kept, or nearly all.
    for (double log_keep : {-std::numeric_limits<double>::infinity(), -200.0, -20.0, 0.0})
      cases.push_back({1, 50, 1, 16, 16, 48, Erase::kOther, decay, true, log_keep});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Devices, LinearChunkDevice,
                         testing::Combine(testing::Values(Device::kCpu, Device::kCuda,
                                                          Device::kSimulatedCuda),
                                          testing::ValuesIn(Cases())),
                         TestName);

}  // namespace
}  // namespace palimpsest
