#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "conformance/checks.h"
#include "conformance/rounding.h"
#include "core/allocator.h"
#include "ops/elementwise.h"

namespace palimpsest {
namespace {

constexpr double kExtremes = 1e-10, kF32 = 4e-5, kF32Room = 1e30;
// What flash-linear-attention's tests allow gradients: tensor cores take what is made on the way in
// bf16, too.
constexpr double kBf16 = 0.008, kBf16GateGradients = 0.02;

std::vector<double> Extremes(GateKind kind) {
  if (kind == GateKind::kLogDecay) return {0.0, -20.0, -1e4};
  const bool strength = kind == GateKind::kStrength01 || kind == GateKind::kStrength02;
  return strength ? std::vector<double>{0.0, 1.0, 2.0} : std::vector<double>{0.0, 1.0};
}

double Largest(const Results& results) {
  double largest = 0.0;
  for (const Result& r : results) {
    for (double x : r.value.ToVector()) largest = std::max(largest, std::abs(x));
  }
  return largest;
}

Tensors CastAll(Tensors xs, DType dtype) {
  for (Tensor& x : xs) x = Cast(x, dtype);
  return xs;
}

Results InF64(Results results) {
  for (Result& r : results) r.value = Cast(r.value, DType::kF64);
  return results;
}

// Poisons new memory of a device and of the host while alive.
class PoisonScope {
 public:
  explicit PoisonScope(Device device) : device_(device) { Set(true); }
  ~PoisonScope() { Set(false); }
  PoisonScope(const PoisonScope&) = delete;
  PoisonScope& operator=(const PoisonScope&) = delete;

 private:
  void Set(bool poison) const {
    Allocator::Of(Device::kCpu).SetPoison(poison);
    Allocator::Of(device_).SetPoison(poison);
  }
  const Device device_;
};

}  // namespace

void CheckExtremes(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  constexpr int64_t kTime = 35, kChunk = 16;
  const Problem normal = MakeProblem(rule, {.batch = 1, .time = kTime, .heads = 1});
  for (const GateSpec& spec : normal.rule->gates()) {
    for (double value : Extremes(spec.kind)) {
      const Problem p = normal.WithGate(spec.name, value), there = p.CopyTo(at.device);
      const Results steps = WithGradients(p, Form::kSteps, kChunk);
      const Moved moved(p, 0x1p-53, steps, [](const Problem& rounded) {
        return WithGradients(rounded, Form::kSteps, kChunk);
      });
      for (Form form : kForms) {
        if (at.Skips(form)) continue;
        const std::string where =
            absl::StrCat("gate ", spec.name, " ", value, ", ", Where(form, kChunk, kTime));
        const bool reference = form == Form::kSteps && at.device == Device::kCpu;
        const Results results = reference ? steps : WithGradients(there, form, kChunk);
        MeasureFinite(results, where, out);
        // Where the rule itself diverges, f32 has no room for it.
        if (Largest(steps) < kF32Room)
          MeasureFinite(WithGradients(there.CastTo(DType::kF32), form, kChunk), where + ", f32",
                        out);
        Compare(results, steps, where, kExtremes, moved, out);
      }
    }
  }
}

void CheckPoison(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  constexpr int64_t kTime = 21, kChunk = 16;
  const Problem p = MakeProblem(rule, {.time = kTime}).CopyTo(at.device);
  for (Form form : kForms) {
    if (at.Skips(form)) continue;
    const Results clean = WithGradients(p, form, kChunk);
    const PoisonScope poison(at.device);
    CompareBits(WithGradients(p, form, kChunk), clean, Where(form, kChunk, kTime), out);
  }
}

void CheckF32(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  constexpr int64_t kChunk = 16;
  for (const ProblemSize& size :
       {ProblemSize{.batch = 1, .time = 80, .heads = 2, .key = 16, .value = 16},
        ProblemSize{.batch = 1, .time = 20, .heads = 1, .key = 60, .value = 100}}) {
    const Problem p = MakeProblem(rule, size);
    const Problem rounded = p.CastTo(DType::kF32), exact = rounded.CastTo(DType::kF64);
    for (Form form : {Form::kSteps, Form::kChunks}) {
      if (at.Skips(form)) continue;
      const Tensors dys = RandomLike(RunForm(rounded, form, kChunk), 1);
      const Tensors exact_dys = CastAll(dys, DType::kF64);
      const Results reference = WithGradients(exact, form, kChunk, exact_dys);
      const Moved moved(exact, 0x1p-24, reference, [&](const Problem& other) {
        return WithGradients(other, form, kChunk, exact_dys);
      });
      Compare(WithGradients(rounded.CopyTo(at.device), form, kChunk, dys), reference,
              absl::StrCat(Where(form, kChunk, size.time), ", keys of ", size.key, ", values of ",
                           size.value),
              kF32, moved, out);
    }
  }
}

// Tokens in bf16, gates and state in f32, against f64 of the same numbers.
void CheckBf16(const RuleConfig& rule, const CheckScope& at, Measurements* out) {
  constexpr int64_t kTime = 80, kChunk = 16;
  Problem p = MakeProblem(rule, {.batch = 1, .time = kTime, .heads = 2, .key = 16, .value = 16})
                  .CastTo(DType::kF32);
  for (Tensor* x : {&p.seq.q, &p.seq.k, &p.seq.v}) *x = Cast(*x, DType::kBf16);
  const Problem exact = p.CastTo(DType::kF64);
  for (Form form : {Form::kSteps, Form::kChunks}) {
    if (at.Skips(form)) continue;
    const Tensors dys = RandomLike(RunForm(p, form, kChunk), 1);
    const Results reference = WithGradients(exact, form, kChunk, CastAll(dys, DType::kF64));
    const auto bound = [](const std::string& name) {
      return absl::StartsWith(name, "gradient of gate ") ? kBf16GateGradients : kBf16;
    };
    Compare(InF64(WithGradients(p.CopyTo(at.device), form, kChunk, dys)), reference,
            Where(form, kChunk, kTime), bound, out);
  }
}

}  // namespace palimpsest
