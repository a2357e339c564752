#ifndef OPTIM_MEMORY_LEVEL_H_
#define OPTIM_MEMORY_LEVEL_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "memory_rules/rule.h"
#include "optim/level.h"

namespace palimpsest {

// A level whose memory is a rule's state: how a gradient is written and how the memory is read.
struct MemoryLevelParts {
  std::string slot;  // Names its state.
  std::shared_ptr<const MemoryRule> memory;
  std::function<MemoryDims(const Shape& param)> dims = nullptr;
  using Write = std::function<State(const State&, const Signal&, const LevelStep&)>;
  Write write = nullptr;
  std::function<Tensor(const State&, const Signal&, const LevelStep&)> read = nullptr;
  // What is read is the memory as this leaves it, which is not kept: after the write (Nesterov's
  // momentum) or, if `looks_first`, instead of it (Lion).
  Write lookahead = nullptr;
  bool looks_first = false;
  // Write, lookahead and read in one pass, the memory in place; nothing where they cannot be.
  std::function<std::optional<Tensor>(State&, const Signal&, const LevelStep&)> in_one_pass =
      nullptr;
  // The memory is written at the last of every `period` steps, with the sum of their gradients.
  int64_t period = 1;
  // What is read is the memory before the write; it is kept from write to write (in SLOT.read), so
  // that reading costs nothing between them. The read-out may depend on nothing but the memory.
  bool holds_reading = false;
  // Made of the read-out before it is handed on.
  std::function<Tensor(const Tensor&)> output = nullptr;
  std::function<std::optional<PairRequest>(const Tensor& param, double tokens, const Hypers&,
                                           const State&)>
      listen = nullptr;
};

class MemoryLevel : public Level {
 public:
  explicit MemoryLevel(MemoryLevelParts parts) : p_(std::move(parts)) {}
  const MemoryRule* memory() const override { return p_.memory.get(); }
  // SLOT and, of a period, SLOT.sum: what it has gathered.
  NamedTensors Init(const Shape& param, DType dtype) const override;
  Tensor Update(const Signal& signal, const LevelStep& now, NamedTensors& state) const override;
  // Of a period: 1 where the memory is written, else 0.
  std::optional<int64_t> Phase(int64_t step) const override;
  std::optional<PairRequest> ListenTo(const Tensor& param, double tokens, const Hypers& hypers,
                                      const NamedTensors& state) const override;

 private:
  bool Writes(int64_t step) const { return (step + 1) % p_.period == 0; }
  // The signal that is written now, if one is.
  std::optional<Signal> Gather(const Signal& signal, int64_t step, NamedTensors& state) const;
  Tensor Output(const Tensor& read) const { return p_.output ? p_.output(read) : read; }

  const MemoryLevelParts p_;
};

// A level's tensors, by number: SLOT, or SLOT.0, SLOT.1 of several; taken out of `from`, or shared.
State TakeState(const std::string& slot, NamedTensors& from);
State PeekState(const std::string& slot, const NamedTensors& from);
void PutState(const std::string& slot, State state, NamedTensors& to);

}  // namespace palimpsest

#endif  // OPTIM_MEMORY_LEVEL_H_
