#ifndef NN_SELF_MODIFYING_SCAN_H_
#define NN_SELF_MODIFYING_SCAN_H_

#include <cstdint>
#include <vector>

#include "memory_rules/rule.h"
#include "nn/self_modifying_boxes.h"

namespace palimpsest {

// What a token brings: made of it by matrices or, once a stack has been read, by boxes.
struct BoxSignals {
  Tensor q, k, v;        // [batch, time, key], batch = sequences times heads
  Tensor eta, log_keep;  // [batch, time]; no log_keep: keep is 1
};

struct BoxInputs {
  Tensor x, x_v;       // What boxes read, and that of v; empty where there is none.
  BoxSignals signals;  // Empty where a box of the stack makes them.
};

// What is learnt and never written.
struct BoxConstants {
  Tensor skip;                 // [batch, scalars, key]
  Tensor eta_bias, keep_bias;  // [batch, 1]
  Tensor log_momentum;         // [batch, 1]; empty: no momentum
  Tensors rest;                // Where a stack's tensors rest; empty: at zero.
};

struct BoxScan {
  Tensor y;            // [batch, time, key]; empty without a memory
  BoxSignals signals;  // As they were used.
  State state, anchor;
};

// eta_max sigmoid(z), and log sigmoid(z).
Tensor EtaOf(const ModelConfig::SelfModifying& config, const Tensor& z);
Tensor LogKeepOf(const Tensor& z);

// One stack over a sequence: at each token
//   k, v, q, eta, keep = what their boxes say of x at the anchor F,   y_t = memory(q_t)
//   vhat = F(v_t),   g_t = grad_F |F(k_t) - vhat|^2 / 2
//   S_t = mu S_{t-1} - eta_t g_t,   W_t - R = (W_{t-1} - R) (keep_t - eta_t x_t x_t^T) + S_t
// for each matrix W, x_t what comes into it at k_t, R where it rests (Behrouz et al. 2025, eq.
// 83-93, where R is zero); F is the stack at the chunk's start, and the config has its other forms.
// State: the stack's tensors, then S.
class SelfModifyingScan {
 public:
  // All must outlive this. `config` is resolved.
  SelfModifyingScan(const ModelConfig::SelfModifying& config, const BoxStack& stack,
                    const BoxConstants& constants)
      : config_(config), stack_(stack), constants_(constants) {}

  // kSteps: token by token, the definition. `phase` tokens of the first chunk were seen before,
  // from `anchor` on.
  BoxScan Run(const BoxInputs& in, State state, State anchor, int64_t chunk, int64_t phase,
              ScanMode mode = ScanMode::kChunks) const;

 private:
  class Written;

  SharedWeights At(const State& state) const;
  // What was written since the start, and its momenta; and back.
  State FromRest(State state) const;
  State AtRest(State written) const;
  BoxSignals Generate(const BoxInputs& in, const State& anchor) const;
  InnerFactors Gradient(const State& at, const Tensor& k, const Tensor& v) const;
  // The same of a linear stack, whose error is what it says of k - v.
  InnerFactors LinearGradient(const State& at, const Tensor& k, const Tensor& v) const;
  // As `max_error` says.
  InnerFactors Bounded(InnerFactors g) const;
  // eta [batch, time] for inputs x [batch, time, in].
  Tensor StepSize(const Tensor& eta, const Tensor& x) const;
  LinearUpdate ExactUpdate(const BoxSignals& s) const;
  std::vector<LinearUpdate> Updates(const BoxSignals& s, const State& anchor) const;
  State Step(const BoxSignals& token, const State& state, const State& anchor) const;
  BoxScan Steps(const BoxInputs& in, State state, const State& anchor) const;
  BoxScan Chunk(const BoxInputs& in, const State& state, const State& anchor) const;

  // With writes that are not differentiated: what they changed is a constant.
  static State Relinked(State written, const State& from);

  bool momentum() const { return config_.momentum() != ModelConfig::SelfModifying::NONE; }
  bool delta() const { return config_.rule() == ModelConfig::SelfModifying::DGD; }
  bool exact() const { return config_.error() == ModelConfig::SelfModifying::EXACT; }
  // Rank-one writes of a token.
  int64_t pairs() const { return config_.stop_gradient_target() ? 1 : 2; }

  const ModelConfig::SelfModifying& config_;
  const BoxStack& stack_;
  const BoxConstants& constants_;
};

}  // namespace palimpsest

#endif  // NN_SELF_MODIFYING_SCAN_H_
