#ifndef CORE_TAPE_H_
#define CORE_TAPE_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "core/tensor.h"

namespace palimpsest {

// One input of an op and its vector-Jacobian product, written with ops so that outer tapes can
// record and differentiate it in turn. An empty result means no gradient.
struct Arg {
  Tensor input;
  std::function<Tensor(const Tensor& dy)> vjp;
};

// One of an op that adds its gradient to what there is as cheaply as it makes it: gives sum + dx,
// or dx where `sum` is empty; `sum` itself where there is no gradient. It may write to sum's buffer
// if that is Unique and no tape tracks it.
struct ArgOnto {
  Tensor input;
  std::function<Tensor(const Tensor& dy, Tensor sum)> vjp;
};

// All gradients of an op at once, one per input; `dys` has one cotangent per output, empty where
// nothing depends on that output.
using JointVjp = std::function<Tensors(const Tensors& dys)>;

// Every op ends in one of these. The node takes its name from the innermost OpScope.
Tensor Record(Tensor out, std::vector<Arg> args);
Tensor RecordOnto(Tensor out, std::vector<ArgOnto> args);
Tensors Record(Tensors outs, Tensors inputs, JointVjp vjp);

// A fused op: `fused_vjp` runs kernels and need not be differentiable. `composed` is the same
// function of `inputs` in ops: its oracle in tests, and what derivatives of the gradient go
// through.
Tensors RecordFused(Tensors outs, Tensors inputs, JointVjp fused_vjp,
                    std::function<Tensors(const Tensors& inputs)> composed);

// While alive, fused ops on this thread run as their composed forms, forward and backward: a
// program's oracle.
class ComposedScope {
 public:
  ComposedScope();
  ~ComposedScope();
  static bool Active();
  ComposedScope(const ComposedScope&) = delete;
  ComposedScope& operator=(const ComposedScope&) = delete;
};

// A define-by-run tape on this thread. It records from construction to its (only) Gradient, or to
// destruction. Tapes nest; each records every op that depends on what it watches.
class Tape {
 public:
  enum class Lifetime { kOneGradient, kPersistent };
  explicit Tape(Lifetime lifetime = Lifetime::kOneGradient);
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  void Watch(const Tensor& x);
  void Watch(absl::Span<const Tensor> xs);
  void Watch(std::initializer_list<Tensor> xs) { Watch(absl::Span<const Tensor>(xs)); }
  void Watch(const NamedTensors& xs);

  // The gradient of sum_i <ys_i, dys_i> for each source; zeros where nothing depends on it. `dys`
  // default to ones. Frees each node as it passes unless persistent. A gradient must not flow back
  // into its own tape (an error): use an outer tape.
  Tensors Gradient(absl::Span<const Tensor> ys, absl::Span<const Tensor> sources,
                   absl::Span<const Tensor> dys = {});
  Tensors Gradient(const Tensor& y, absl::Span<const Tensor> sources, Tensor dy = {});
  NamedTensors Gradient(const Tensor& y, const NamedTensors& sources);

  // x is watched or was made of what is.
  bool Tracks(const Tensor& x) const { return tracked_.contains(x.id()); }

 private:
  friend struct Recorder;
  // Gives away what input i has of its gradient already.
  using TakeSum = absl::FunctionRef<Tensor(size_t i)>;
  struct Node {
    const char* op;
    std::vector<uint64_t> outs;
    std::vector<uint64_t> inputs;
    std::vector<Shape> shapes;  // Of the inputs, for checking gradients.
    std::function<Tensors(const Tensors& dys, TakeSum take_sum)> vjp;
  };
  void Deactivate();

  const Lifetime lifetime_;
  bool active_ = true, in_gradient_ = false;
  absl::flat_hash_set<uint64_t> tracked_;
  absl::flat_hash_set<uint64_t> own_gradients_;
  std::vector<Node> nodes_;  // In creation order, hence topological.
};

// Some live tape tracks x, so what is made of x will be recorded.
bool IsTracked(const Tensor& x);

// Runs f while the tapes live now record nothing (tapes made inside do). Adds to `captured` each
// tensor that one of them tracks and f uses: what a recomputation of f depends on.
Tensors RunUnrecorded(absl::FunctionRef<Tensors()> f, Tensors* captured = nullptr);

// Sums of cotangents, in place if `a` is no one else's. Set by the ops, which core does not know.
using AccumulateFn = Tensor (*)(Tensor a, const Tensor& b);
bool SetAccumulate(AccumulateFn fn);

bool AllFinite(const Tensor& x);

// While alive, looks at each op's outputs and gradients on this thread and remembers the first that
// is not finite. Slow: for replaying a step that went wrong.
class FiniteWatch {
 public:
  FiniteWatch();
  ~FiniteWatch();
  // "matmul gave f32 [2,3]" or "the gradient of exp ..."; "" if all was finite.
  const std::string& first() const { return first_; }

 private:
  friend struct Recorder;
  void Look(const char* what, const char* op, const Tensor& x);
  std::string first_;
  FiniteWatch* outer_;
};

}  // namespace palimpsest

#endif  // CORE_TAPE_H_
