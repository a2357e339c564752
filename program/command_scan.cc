#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/tape.h"
#include "memory_rules/rule.h"
#include "program/commands.h"
#include "program/rule_args.h"
#include "train/device.h"
#include "train/safetensors.h"

namespace palimpsest {
namespace {

// What a scan reads and writes, by name: the tensors of a file.
class ScanFile {
 public:
  ScanFile(std::string path, NamedTensors tensors, const MemoryRule& rule)
      : path_(std::move(path)), tensors_(std::move(tensors)), rule_(rule) {}

  // Everything the scan needs, checked: names, shapes, dtypes, finite values.
  absl::Status Read(bool gradients) {
    for (const char* name : {"q", "k", "v"}) {
      if (absl::Status s = Take(name, {}); !s.ok()) return s;
      if (tensors_.at(name).rank() != 4) return Wrong(name, "[batch, time, heads, dim]");
    }
    seq.q = tensors_.at("q"), seq.k = tensors_.at("k"), seq.v = tensors_.at("v");
    const int64_t batch = seq.q.dim(0), time = seq.q.dim(1), heads = seq.q.dim(2),
                  pairs = time * rule_.pairs(), value_heads = seq.v.dim(2);
    if (seq.k.shape() != Shape{batch, pairs, heads, seq.q.dim(3)})
      return Wrong("k", ToString({batch, pairs, heads, seq.q.dim(3)}));
    if (seq.v.dim(0) != batch || seq.v.dim(1) != pairs || heads == 0 || value_heads % heads != 0)
      return Wrong("v",
                   absl::StrCat("[", batch, ",", pairs, ", a multiple of ", heads, ", value]"));
    if (absl::Status s = ReadSequences(batch, time); !s.ok()) return s;
    if (absl::Status s = ReadGates(batch, time, pairs); !s.ok()) return s;
    if (absl::Status s = ReadState(gradients, batch * value_heads); !s.ok()) return s;
    if (gradients) {
      if (absl::Status s = Take("dy", {batch, time, value_heads, seq.v.dim(3)}); !s.ok()) return s;
      dy = tensors_.at("dy");
    }
    return CheckAll();
  }

  // All but cu_seqlens, which the host reads.
  void MoveTo(Device device) {
    const auto move = [&](Tensor& x) { x = x ? CopyTo(x, device) : x; };
    for (Tensor* x : {&seq.q, &seq.k, &seq.v, &dy}) move(*x);
    for (auto& [name, gate] : seq.gates) move(gate);
    for (Tensors* xs : {&state, &dstate}) std::for_each(xs->begin(), xs->end(), move);
  }

  Sequence seq;
  State state;
  Tensor dy;
  Tensors dstate;

 private:
  absl::Status Error(const std::string& problem) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", problem));
  }
  absl::Status Wrong(const std::string& name, const std::string& expected) const {
    return Error(
        absl::StrCat("tensor ", name, " is ", Describe(tensors_.at(name)), ", not ", expected));
  }
  // The tensor is there, of this shape if one is given.
  absl::Status Take(const std::string& name, const Shape& shape) {
    used_.push_back(name);
    if (tensors_.count(name) == 0) {
      std::vector<std::string> names;
      for (const auto& [other, x] : tensors_) names.push_back(other);
      return Error(absl::StrCat("has no tensor ", name, "; it has: ", absl::StrJoin(names, ", ")));
    }
    if (!shape.empty() && tensors_.at(name).shape() != shape) return Wrong(name, ToString(shape));
    return absl::OkStatus();
  }

  absl::Status ReadSequences(int64_t batch, int64_t time) {
    const auto it = tensors_.find("cu_seqlens");
    sequences_ = batch;
    if (it == tensors_.end()) return absl::OkStatus();
    used_.emplace_back("cu_seqlens");
    const std::vector<double> bounds = it->second.ToVector();
    if (IsFloat(it->second.dtype()) || it->second.rank() != 1 || bounds.size() < 2 || batch != 1 ||
        bounds.front() != 0 || bounds.back() != time ||
        !std::is_sorted(bounds.begin(), bounds.end()))
      return Wrong("cu_seqlens",
                   absl::StrCat("integers that rise from 0 to ", time, ", in a batch of one"));
    seq.cu_seqlens = it->second;
    sequences_ = static_cast<int64_t>(bounds.size()) - 1;
    return absl::OkStatus();
  }

  absl::Status ReadGates(int64_t batch, int64_t time, int64_t pairs) {
    for (const GateSpec& spec : rule_.gates()) {
      Shape shape = {batch, spec.per_token ? time : pairs, seq.v.dim(2)};
      if (spec.scope == GateScope::kKeyChannel) shape.push_back(seq.k.dim(3));
      if (spec.scope == GateScope::kValueChannel) shape.push_back(seq.v.dim(3));
      const std::string name = "gate." + spec.name;
      if (absl::Status s = Take(name, shape); !s.ok()) return s;
      seq.gates[spec.name] = tensors_.at(name);
    }
    return absl::OkStatus();
  }

  // The state in the file, or a fresh one.
  absl::Status ReadState(bool gradients, int64_t memories) {
    const DType dtype = seq.v.dtype() == DType::kF64 ? DType::kF64 : DType::kF32;
    if (seq.cu_seqlens) memories = sequences_ * seq.v.dim(2);
    state = rule_.Init({memories, seq.k.dim(3), seq.v.dim(3)}, dtype, RandomStream(0, "scan"));
    const std::vector<std::string> names = rule_.state_names();
    for (size_t i = 0; i < state.size(); ++i) {
      const std::string name = "state." + names[i], gradient = "d" + name;
      if (tensors_.count(name) > 0) {
        if (absl::Status s = Take(name, state[i].shape()); !s.ok()) return s;
        state[i] = tensors_.at(name);
      }
      if (!gradients) continue;
      dstate.emplace_back();
      if (tensors_.count(gradient) == 0) continue;
      if (absl::Status s = Take(gradient, state[i].shape()); !s.ok()) return s;
      dstate[i] = tensors_.at(gradient);
    }
    return absl::OkStatus();
  }

  // No stranger among the tensors, one dtype, all finite.
  absl::Status CheckAll() const {
    for (const auto& [name, x] : tensors_) {
      if (std::find(used_.begin(), used_.end(), name) == used_.end())
        return Error(absl::StrCat("tensor ", name, " is not one of: ", absl::StrJoin(used_, ", ")));
      if (name == "cu_seqlens") continue;
      const bool token = name == "q" || name == "k" || name == "v" || name == "dy";
      const DType dtype = token ? seq.v.dtype() : state[0].dtype();
      if (!IsFloat(x.dtype()) || x.dtype() != dtype)
        return Wrong(name, std::string(NameOf(IsFloat(dtype) ? dtype : DType::kF32)));
      if (!AllFinite(x))
        return Error(absl::StrCat("tensor ", name, " has values that are not finite"));
    }
    return absl::OkStatus();
  }

  std::string path_;
  NamedTensors tensors_;
  const MemoryRule& rule_;
  int64_t sequences_ = 0;
  std::vector<std::string> used_;
};

NamedTensors RunScan(const MemoryRule& rule, const ScanFile& in, const ScanOptions& options,
                     bool gradients) {
  Tape tape;
  std::vector<std::pair<std::string, Tensor>> sources = {
      {"dq", in.seq.q}, {"dk", in.seq.k}, {"dv", in.seq.v}};
  for (const auto& [name, gate] : in.seq.gates) sources.emplace_back("dgate." + name, gate);
  const std::vector<std::string> names = rule.state_names();
  for (size_t i = 0; i < names.size(); ++i)
    sources.emplace_back("dstate0." + names[i], in.state[i]);
  Tensors watched;
  for (const auto& [name, x] : sources) watched.push_back(x);
  if (gradients) tape.Watch(watched);

  const ScanResult r = Scan(rule, in.seq, in.state, options);
  NamedTensors out = {{"y", r.y}};
  for (size_t i = 0; i < names.size(); ++i) out["state." + names[i]] = r.state[i];
  if (!gradients) return out;
  Tensors ys = {r.y}, dys = {in.dy};
  for (size_t i = 0; i < names.size(); ++i) {
    if (in.dstate[i]) ys.push_back(r.state[i]), dys.push_back(in.dstate[i]);
  }
  const Tensors grads = tape.Gradient(ys, watched, dys);
  for (size_t i = 0; i < grads.size(); ++i) out[sources[i].first] = grads[i];
  return out;
}

class ScanCommandImpl : public Command {
 public:
  std::string name() const override { return "scan"; }
  std::string summary() const override { return "run one memory rule over tensors from a file"; }
  std::string usage() const override {
    return "scan --rule=R --in=FILE --out=FILE [NAME=VALUE ...]";
  }
  std::string examples() const override {
    return "  palimpsest scan --rule=delta --in=x.safetensors --out=y.safetensors --grad\n"
           "  palimpsest scan --rule=titans_mlp depth=3 objective=huber ...\n"
           "\n"
           "In: q, k, v [batch, time, heads, dim], gate.NAME [batch, time, heads(,\n"
           "channels)], state.NAME (a fresh one if there is none), cu_seqlens; with\n"
           "--grad dy and dstate.NAME. Out: y, state.NAME; with --grad dq, dk, dv,\n"
           "dgate.NAME, dstate0.NAME. `palimpsest rules --json` has the names and shapes.\n";
  }
  void AddFlags(Flags* flags) override {
    flags->Add("rule", "R", &rule_, "the rule")
        .Add("in", "FILE", &in_, "safetensors to read, all of f64 or f32")
        .Add("out", "FILE", &out_, "safetensors to write")
        .Add("chunk", "C", &chunk_, "tokens handled together (64, and 16 with an anchor)")
        .Add("grad", "", &grad_, "gradients too")
        .Add("device", "NAME", &device_, "cpu or cuda")
        .Add("tf32", "", &tf32_, "on cuda, f32 products round their operands to TF32")
        .Add("steps", "", &steps_, "token by token, as the definition says");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& args) override {
    if (rule_.empty() || in_.empty() || out_.empty())
      return absl::InvalidArgumentError("scan needs --rule, --in and --out");
    if (chunk_ < 0)
      return absl::InvalidArgumentError(absl::StrCat("--chunk=", chunk_, " is negative"));
    const absl::StatusOr<RuleConfig> config = ParseRule(rule_, args);
    if (!config.ok()) return config.status();
    const absl::StatusOr<std::unique_ptr<MemoryRule>> rule = MakeMemoryRule(*config);
    if (!rule.ok()) return rule.status();
    absl::StatusOr<TensorFile> file = ReadSafetensors(in_);
    if (!file.ok()) return file.status();
    const absl::StatusOr<Device> device = DeviceNamed(device_, tf32_);
    if (!device.ok()) return device.status();
    ScanFile in(in_, std::move(file->tensors), **rule);
    if (absl::Status s = in.Read(grad_); !s.ok()) return s;
    in.MoveTo(*device);
    ScanOptions options{.mode = steps_ ? ScanMode::kSteps : ScanMode::kChunks};
    options.chunk = chunk_ > 0 ? chunk_ : UsualChunk(**rule);
    const NamedTensors out = RunScan(**rule, in, options, grad_);
    if (absl::Status s = WriteSafetensors(out_, {out, {{"rule", rule_}}}); !s.ok()) return s;
    for (const auto& [name, x] : out) std::printf("%-16s %s\n", name.c_str(), Describe(x).c_str());
    return 0;
  }

 private:
  std::string rule_, in_, out_, device_ = "cpu";
  int64_t chunk_ = 0;
  bool grad_ = false, steps_ = false, tf32_ = false;
};

}  // namespace

Command& ScanCommand() {
  static ScanCommandImpl command;
  return command;
}

}  // namespace palimpsest
