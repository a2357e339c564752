#include "optim/memory_level.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "ops/elementwise.h"

namespace palimpsest {
namespace {

std::string StateName(const std::string& slot, size_t i, size_t count) {
  return count == 1 ? slot : absl::StrCat(slot, ".", i);
}

std::string SumName(const std::string& slot) { return slot + ".sum"; }
std::string ReadingName(const std::string& slot) { return slot + ".read"; }

const Tensor& Find(const NamedTensors& from, const std::string& name) {
  const auto it = from.find(name);
  PALIMPSEST_CHECK(it != from.end()) << "the optimizer's state has no " << name;
  return it->second;
}

Tensor Take(NamedTensors& from, const std::string& name) {
  return std::exchange(const_cast<Tensor&>(Find(from, name)), Tensor());
}

Tensor ZerosLike(const Tensor& x) { return Tensor::Full(x.shape(), 0.0, x.dtype(), x.device()); }

}  // namespace

State PeekState(const std::string& slot, const NamedTensors& from) {
  if (from.contains(slot)) return {from.at(slot)};
  State state;
  while (from.contains(absl::StrCat(slot, ".", state.size())))
    state.push_back(from.at(absl::StrCat(slot, ".", state.size())));
  PALIMPSEST_CHECK(!state.empty()) << "the optimizer's state has no " << slot;
  return state;
}

State TakeState(const std::string& slot, NamedTensors& from) {
  State state = PeekState(slot, from);
  for (size_t i = 0; i < state.size(); ++i) from[StateName(slot, i, state.size())] = Tensor();
  return state;
}

void PutState(const std::string& slot, State state, NamedTensors& to) {
  for (size_t i = 0; i < state.size(); ++i)
    to[StateName(slot, i, state.size())] = std::move(state[i]);
}

NamedTensors MemoryLevel::Init(const Shape& param, DType dtype) const {
  NamedTensors tensors;
  PutState(p_.slot, p_.memory->Init(p_.dims(param), dtype, RandomStream(0, p_.slot)), tensors);
  const Tensor zero = Tensor::Full(param, 0.0, dtype);
  if (p_.period > 1) tensors[SumName(p_.slot)] = zero;
  if (p_.holds_reading) tensors[ReadingName(p_.slot)] = zero;
  return tensors;
}

std::optional<Signal> MemoryLevel::Gather(const Signal& signal, int64_t step,
                                          NamedTensors& state) const {
  if (p_.period == 1) return signal;
  Signal gathered = signal;
  gathered.gradient = Add(Take(state, SumName(p_.slot)), signal.gradient);
  const bool writes = Writes(step);
  state[SumName(p_.slot)] = writes ? ZerosLike(gathered.gradient) : gathered.gradient;
  if (!writes) return {};
  return gathered;
}

std::optional<int64_t> MemoryLevel::Phase(int64_t step) const {
  if (p_.period == 1) return {};
  return Writes(step);
}

Tensor MemoryLevel::Update(const Signal& signal, const LevelStep& now,
                           NamedTensors& tensors) const {
  const std::optional<Signal> written = Gather(signal, now.step, tensors);
  State state = TakeState(p_.slot, tensors);
  const Signal& seen = written ? *written : signal;
  if (written && !p_.holds_reading && p_.in_one_pass) {
    if (std::optional<Tensor> read = p_.in_one_pass(state, seen, now)) {
      PutState(p_.slot, std::move(state), tensors);
      return Output(*read);
    }
  }
  State ahead;
  if (p_.lookahead && p_.looks_first) ahead = p_.lookahead(state, seen, now);
  if (written) state = p_.write(state, *written, now);
  if (p_.lookahead && !p_.looks_first) ahead = p_.lookahead(state, seen, now);
  Tensor read;
  if (p_.holds_reading) {
    read = Take(tensors, ReadingName(p_.slot));
    tensors[ReadingName(p_.slot)] = written ? Output(p_.read(state, signal, now)) : read;
  } else {
    read = Output(p_.read(ahead.empty() ? state : ahead, signal, now));
  }
  PutState(p_.slot, std::move(state), tensors);
  return read;
}

std::optional<PairRequest> MemoryLevel::ListenTo(const Tensor& param, double tokens,
                                                 const Hypers& hypers,
                                                 const NamedTensors& state) const {
  if (!p_.listen) return {};
  return p_.listen(param, tokens, hypers, PeekState(p_.slot, state));
}

}  // namespace palimpsest
