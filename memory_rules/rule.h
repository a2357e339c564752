#ifndef MEMORY_RULES_RULE_H_
#define MEMORY_RULES_RULE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/random.h"
#include "core/tensor.h"

namespace palimpsest {

// What a gate's values mean, hence how a layer makes them of a projection.
enum class GateKind {
  kLogDecay,    // <= 0: the logarithm of a keep factor.
  kStrength01,  // in (0, 1)
  kStrength02,  // in (0, 2)
  kPositive,    // > 0
  kKey,         // Another key, per key channel: the key times a number in (0, 1) a head.
};
// One number a head, or one for each channel of the key or of the value.
enum class GateScope { kHead, kKeyChannel, kValueChannel };

struct GateSpec {
  std::string name;
  GateKind kind;
  GateScope scope = GateScope::kHead;
  double init = 0.5;       // The value (of a log gate: its exponential) a fresh layer starts near.
  bool per_token = false;  // Where a token brings several pairs: one for all of them.
  bool constant = false;   // By default a learnt number, not a function of the token.
  std::string meaning = {};
};

// The gate log_keep of most rules: how much of the memory a token keeps.
inline GateSpec KeepGate(GateScope scope = GateScope::kHead) {
  return {.name = "log_keep",
          .kind = GateKind::kLogDecay,
          .scope = scope,
          .init = 0.99,
          .meaning = "how much of the memory a token keeps"};
}

struct MemoryDims {
  int64_t batch;  // Independent memories: batch times heads.
  int64_t key, value;
};

using Gates = std::map<std::string, Tensor>;
// The tensors of a memory in an order the rule chooses; the first axis of each is
// MemoryDims::batch.
using State = Tensors;

// Pairs written at once. Rules see heads folded into the batch. A token brings the rule's `pairs`;
// a gradient brings one per row.
struct Block {
  Tensor k, v;  // [batch, pairs, key], [batch, pairs, value]
  Gates gates;  // [batch, pairs or 1] or, per channel, [batch, pairs or 1, channels]
};

// The same over time: [batch, time, dim], gates [batch, time(, channels)]. k, v and the gates of
// pairs are pairs times as long as q.
struct Rows {
  Tensor q = {}, k = {}, v = {};
  Gates gates = {};
};

// The public layout: [batch, time, heads, dim], gates [batch, time, heads(, channels)], lengths as
// above. q and k may have fewer heads than v: each then serves a group of consecutive value heads.
// With `cu_seqlens` (integer [sequences + 1], from 0 to time; batch is 1), best on the host, which
// reads it, several sequences are packed along time.
struct Sequence {
  Tensor q = {}, k = {}, v = {};
  Gates gates = {};
  Tensor cu_seqlens = {};
  // Within a scan: q, k and v of bf16 as they came, where those above are the same in f32.
  Tensors narrow = {};
};

struct ScanResult {
  Tensor y;  // Rows: [batch, time, value]; Sequence: [batch, time, heads, value]
  State state;
  // Of anchored rules: the state at the start of the chunk the scan ended in.
  State anchor = {};
};

// Which state a token reads: the one it leaves, the one it found, or the anchor.
enum class ReadFrom { kAfterWrite, kBeforeWrite, kAnchor };

// A memory learns the map key -> value online: a sequence layer when scanned over tokens, a
// momentum when scanned over optimizer steps.
class MemoryRule {
 public:
  virtual ~MemoryRule() = default;
  virtual std::string equation() const = 0;  // One line, as in the header of the rule's file.
  virtual std::string source() const { return ""; }  // Who published it.
  virtual std::vector<GateSpec> gates() const = 0;
  virtual std::vector<std::string> state_names() const = 0;
  // Pairs a token brings, written one after the other.
  virtual int64_t pairs() const { return 1; }
  // A fresh memory, on the host. Weights that must not start at zero are drawn from `stream`, alike
  // for all of the batch.
  virtual State Init(const MemoryDims& dims, DType dtype, const RandomStream& stream) const = 0;
  // What a rule makes of a layer's tokens before anything is written, in the public layout: gates
  // made of other gates, features of keys. Token by token.
  virtual Sequence Prepare(Sequence seq) const { return seq; }
  // The definition, as the paper states it: the oracle of everything faster. `anchor` is the state
  // at the start of the chunk, where some rules measure their error.
  virtual State Step(const State& state, const State& anchor, const Block& block) const = 0;
  virtual Tensor Read(const State& state,
                      const Tensor& q) const = 0;  // [batch, pairs, key] -> [.., value]
  virtual ReadFrom read_from() const { return ReadFrom::kAfterWrite; }
  // Whether Step uses `anchor`: then the chunk length is part of the model.
  virtual bool anchored() const { return false; }
  // What happens to an anchored rule's state after the last token of a full chunk.
  virtual State EndChunk(State state, const State& /*anchor*/) const { return state; }
  // A chunk, or what is left of it, in matrix products. By default, the steps.
  virtual ScanResult Chunk(const Rows& chunk, const State& state, const State& anchor) const;
  // A whole sequence, none packed, heads alike: `phase` tokens of its first chunk were seen before,
  // from `anchor` on. By default, one Chunk after the other.
  virtual ScanResult Chunks(const Sequence& seq, State state, State anchor, int64_t chunk,
                            int64_t phase) const;
  // The sequences that seq.cu_seqlens packs, all at once; nothing where there is no way to, and
  // each is scanned by itself.
  virtual std::optional<ScanResult> PackedChunks(const Sequence& /*seq*/, const State& /*state*/,
                                                 int64_t /*chunk*/) const {
    return std::nullopt;
  }
};

enum class ScanMode { kSteps, kChunks };
struct ScanOptions {
  ScanMode mode = ScanMode::kChunks;
  int64_t chunk = 64;
  // To continue an anchored rule inside a chunk: how many of its tokens are done, and the `anchor`
  // returned with the state. Other rules may be continued anywhere without.
  int64_t phase = 0;
  State anchor = {};
};

// Runs `rule` over `seq` from `state` ([batch * heads, ...], or [sequences * heads, ...] when
// packed) and returns the readings and the state after. q, k and v may be bf16 where state and
// gates are f32.
ScanResult Scan(const MemoryRule& rule, const Sequence& seq, State state,
                const ScanOptions& options = {});

// Reads without writing, every token from `state` as it stands. q as in a Sequence, and so the
// result: [batch, time, value heads, value], in q's dtype.
Tensor Recall(const MemoryRule& rule, const State& state, const Tensor& q);

// InvalidArgument, with every shape, where Scan would stop the program: tokens, gates or a state
// that do not fit, a rule with an anchor continued inside a chunk without it.
absl::Status ValidateScan(const MemoryRule& rule, const Sequence& seq, const State& state,
                          const ScanOptions& options = {});

// A rule by name. Its parameters are maps, so a new rule needs no new message.
struct RuleConfig {
  std::string name;
  std::map<std::string, double> params = {};
  std::map<std::string, std::string> options = {};  // Parameters that are choices, by name.
};

// A parameter a rule takes, with its default and the values it may have.
struct ParamSpec {
  std::string name;
  double value, min, max;
  bool integer = false;
  std::string meaning = {};
  std::vector<std::string> choices = {};  // The value is an index of these.
};

// NotFound names the known rules; InvalidArgument the parameters the rule takes.
absl::StatusOr<std::unique_ptr<MemoryRule>> MakeMemoryRule(const RuleConfig& config);
std::vector<std::string> MemoryRuleNames();
absl::StatusOr<std::vector<ParamSpec>> MemoryRuleParams(const std::string& name);

}  // namespace palimpsest

#endif  // MEMORY_RULES_RULE_H_
