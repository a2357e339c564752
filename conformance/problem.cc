#include "conformance/problem.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "conformance/gradients.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/layout.h"

namespace palimpsest {
namespace {

// Values around where a fresh layer has the gate: a rule may be stable nowhere else.
Tensor RandomGate(const GateSpec& spec, const Shape& shape, const RandomStream& stream) {
  if (spec.kind == GateKind::kKey)
    return RandomNormal(shape, stream, DType::kF64, 1.0 / std::sqrt(shape.back()));
  const Tensor uniform = RandomUniform(shape, stream, DType::kF64);
  const Tensor around_1 = Add(Mul(uniform, 1.4), 0.3);
  return Mul(around_1, spec.kind == GateKind::kLogDecay ? 3.0 * std::log(spec.init) : spec.init);
}

}  // namespace

std::shared_ptr<const MemoryRule> RuleOf(const RuleConfig& config) {
  absl::StatusOr<std::unique_ptr<MemoryRule>> rule = MakeMemoryRule(config);
  PALIMPSEST_CHECK(rule.ok()) << rule.status();
  return std::move(*rule);
}

Problem MakeProblem(const RuleConfig& config, const ProblemSize& n, uint64_t seed) {
  Problem p{RuleOf(config), {}, {}};
  const int64_t key_heads = n.key_heads == 0 ? n.heads : n.key_heads;
  const RandomStream stream(seed, "problem");
  uint64_t next = 0;
  const auto normal = [&](const Shape& shape, double scale) {
    return RandomNormal(shape, stream.Fork(next++), DType::kF64, scale);
  };
  const double unit = 1.0 / std::sqrt(static_cast<double>(n.key));
  p.seq.q = normal({n.batch, n.time, key_heads, n.key}, unit);
  const int64_t pairs = n.time * p.rule->pairs();
  p.seq.k = normal({n.batch, pairs, key_heads, n.key}, unit);
  p.seq.v = normal({n.batch, pairs, n.heads, n.value}, 1.0);
  for (const GateSpec& spec : p.rule->gates()) {
    Shape shape = {n.batch, spec.per_token ? n.time : pairs, n.heads};
    if (spec.scope == GateScope::kKeyChannel) shape.push_back(n.key);
    if (spec.scope == GateScope::kValueChannel) shape.push_back(n.value);
    p.seq.gates[spec.name] = RandomGate(spec, shape, stream.Fork(next++));
  }
  p.state = p.rule->Init({n.batch * n.heads, n.key, n.value}, DType::kF64, stream.Fork(next++));
  for (Tensor& s : p.state) s = Add(s, normal(s.shape(), 0.3 * unit));
  return p;
}

Tensors Problem::Inputs() const {
  Tensors x = {seq.q, seq.k, seq.v};
  for (const auto& [name, gate] : seq.gates) x.push_back(gate);
  x.insert(x.end(), state.begin(), state.end());
  return x;
}

std::vector<std::string> Problem::InputNames() const {
  std::vector<std::string> names = {"q", "k", "v"};
  for (const auto& [name, gate] : seq.gates) names.push_back("gate " + name);
  for (const std::string& name : rule->state_names()) names.push_back("state " + name);
  return names;
}

Problem Problem::With(const Tensors& inputs) const {
  Problem p{rule, {inputs[0], inputs[1], inputs[2], {}, seq.cu_seqlens}, {}};
  size_t i = 3;
  for (const auto& [name, gate] : seq.gates) p.seq.gates[name] = inputs[i++];
  p.state.assign(inputs.begin() + static_cast<int64_t>(i), inputs.end());
  return p;
}

Sequence Problem::Tokens(int64_t begin, int64_t end) const {
  const auto part = [&](const Tensor& x) {
    const int64_t each = x.dim(1) / seq.q.dim(1);
    return Slice(x, 1, begin * each, end * each);
  };
  Sequence tokens{part(seq.q), part(seq.k), part(seq.v), {}};
  for (const auto& [name, gate] : seq.gates) tokens.gates[name] = part(gate);
  return tokens;
}

Problem Problem::Batch(int64_t begin, int64_t end) const {
  Tensors inputs = Inputs();
  const int64_t batch = seq.q.dim(0);
  for (Tensor& x : inputs) x = Slice(x, 0, begin * x.dim(0) / batch, end * x.dim(0) / batch);
  return With(inputs);
}

Problem Problem::WithGate(const std::string& name, double value) const {
  Problem p = *this;
  Tensor& gate = p.seq.gates.at(name);
  gate = Tensor::Full(gate.shape(), value, gate.dtype(), gate.device());
  return p;
}

Problem Problem::CastTo(DType dtype) const {
  Tensors inputs = Inputs();
  for (Tensor& x : inputs) x = Cast(x, dtype);
  return With(inputs);
}

Problem Problem::CopyTo(Device device) const { return With(CopyAllTo(Inputs(), device)); }

Tensors Flat(const ScanResult& result) {
  Tensors flat = {result.y};
  flat.insert(flat.end(), result.state.begin(), result.state.end());
  return flat;
}

std::string NameOf(Form form) {
  return form == Form::kSteps ? "steps" : form == Form::kChunks ? "chunks" : "composed chunks";
}

Tensors RunForm(const Problem& p, Form form, int64_t chunk) {
  std::optional<ComposedScope> composed;
  if (form == Form::kComposed) composed.emplace();
  const ScanMode mode = form == Form::kSteps ? ScanMode::kSteps : ScanMode::kChunks;
  return Flat(Scan(*p.rule, p.seq, p.state, {.mode = mode, .chunk = chunk}));
}

bool AllFinite(const Tensors& xs) {
  return std::all_of(xs.begin(), xs.end(), [](const Tensor& x) { return AllFinite(x); });
}

}  // namespace palimpsest
