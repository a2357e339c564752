#include "optim/level.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "ops/elementwise.h"
#include "ops/layout.h"

namespace palimpsest {
namespace {

std::string StateName(const std::string& slot, size_t i, size_t count) {
  return count == 1 ? slot : absl::StrCat(slot, ".", i);
}

std::string SumName(const std::string& slot) { return slot + ".sum"; }

Tensor Take(NamedTensors& from, const std::string& name) {
  const auto it = from.find(name);
  PALIMPSEST_CHECK(it != from.end()) << "the optimizer's state has no " << name;
  return std::exchange(it->second, Tensor());
}

// The memory's tensors, by number.
State TakeState(const std::string& slot, NamedTensors& from) {
  if (from.contains(slot)) return {Take(from, slot)};
  State state;
  for (std::string name = slot + ".0"; from.contains(name);
       name = absl::StrCat(slot, ".", state.size())) {
    state.push_back(Take(from, name));
  }
  PALIMPSEST_CHECK(!state.empty()) << "the optimizer's state has no " << slot;
  return state;
}

void PutState(const std::string& slot, State state, NamedTensors& to) {
  for (size_t i = 0; i < state.size(); ++i)
    to[StateName(slot, i, state.size())] = std::move(state[i]);
}

}  // namespace

NamedTensors Level::Init(const Shape& param, DType dtype) const {
  NamedTensors tensors;
  PutState(slot, memory->Init(dims(param), dtype, RandomStream(0, slot)), tensors);
  if (period > 1) tensors[SumName(slot)] = Tensor::Full(param, 0.0, dtype);
  return tensors;
}

Tensor Level::Update(const Signal& signal, int64_t step, const Hypers& hypers,
                     NamedTensors& tensors) const {
  Signal written = signal;
  State state = TakeState(slot, tensors);
  const bool writes_now = (step + 1) % period == 0;
  if (period > 1) {
    written.gradient = Add(Take(tensors, SumName(slot)), signal.gradient);
    tensors[SumName(slot)] = writes_now
                                 ? Tensor::Full(written.gradient.shape(), 0.0,
                                                written.gradient.dtype(), written.gradient.device())
                                 : written.gradient;
  }
  const LevelStep now{std::max<int64_t>((step + 1) / period, 1), hypers};
  const Block block = encode(written, now);
  if (writes_now) state = memory->Step(state, state, block);
  const State ahead = lookahead ? memory->Step(state, state, block) : state;
  Tensor read = output(memory->Read(ahead, query(signal)), signal, now);
  PutState(slot, std::move(state), tensors);
  return read;
}

Tensor ScalarLike(const Tensor& scalar, const Tensor& like) {
  return CopyTo(Cast(scalar, like.dtype()), like.device());
}

Level EmaLevel(EmaOptions options) {
  absl::StatusOr<std::unique_ptr<MemoryRule>> hebbian = MakeMemoryRule({"hebbian", {}});
  PALIMPSEST_CHECK(hebbian.ok()) << hebbian.status();
  const auto keep = [name = options.keep](const LevelStep& now) { return now.hypers.at(name); };
  const auto one_minus = [](const Tensor& x) { return Add(Neg(x), 1.0); };
  if (!options.strength)
    options.strength = [=](const LevelStep& now) { return one_minus(keep(now)); };
  const auto one = [](const Tensor& like) {
    return Tensor::Full({1, 1, 1}, 1.0, like.dtype(), like.device());
  };
  return {
      .slot = options.slot,
      .memory = *std::move(hebbian),
      .dims =
          [](const Shape& param) {
            return MemoryDims{.batch = 1, .key = 1, .value = NumElements(param)};
          },
      .encode =
          [=, strength = options.strength](const Signal& s, const LevelStep& now) {
            const Tensor& g = s.gradient;
            const auto gate = [&](const Tensor& x) { return Reshape(ScalarLike(x, g), {1, 1}); };
            return Block{
                .k = one(g),
                .v = Reshape(g, {1, 1, g.size()}),
                .gates = {{"log_keep", gate(Log(keep(now)))}, {"beta", gate(strength(now))}}};
          },
      .query = [=](const Signal& s) { return one(s.gradient); },
      .output =
          [=, corrected = options.corrected](const Tensor& read, const Signal& s,
                                             const LevelStep& now) {
            const Tensor average = Reshape(read, s.gradient.shape());
            if (!corrected) return average;
            return Div(
                average,
                ScalarLike(one_minus(Pow(keep(now), static_cast<double>(now.writes))), average));
          },
      .lookahead = options.lookahead};
}

}  // namespace palimpsest
