#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "core/parallel.h"
#include "nlohmann/json.hpp"
#include "program/commands.h"
#include "program/rule_args.h"
#include "program/rule_bench.h"
#include "train/device.h"
#include "train/progress.h"

namespace palimpsest {
namespace {

// "64,128"; `usual` if there is nothing.
absl::StatusOr<std::vector<int64_t>> ParseSizes(const std::string& flag, const std::string& text,
                                                std::vector<int64_t> usual) {
  if (text.empty()) return usual;
  std::vector<int64_t> sizes;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ','))) {
    int64_t size = 0;
    if (!absl::SimpleAtoi(part, &size) || size <= 0)
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag, "=", text, ": must be sizes from 1 on, as in 64,128"));
    sizes.push_back(size);
  }
  return sizes;
}

absl::StatusOr<std::vector<DType>> ParseDTypes(const std::string& text) {
  std::vector<DType> dtypes;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ','))) {
    const size_t before = dtypes.size();
    for (DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
      if (part == NameOf(dtype)) dtypes.push_back(dtype);
    }
    if (dtypes.size() == before)
      return absl::InvalidArgumentError(
          absl::StrCat("--dtype=", text, ": must be of f64, f32, bf16"));
  }
  return dtypes;
}

// A size, and what a token of it costs, all heads together.
struct Job {
  BenchSize size;
  TokenFlops flops;
  double all_flops() const { return flops.both * static_cast<double>(size.time); }
};

Job JobOf(const RuleConfig& rule, const BenchSize& n) {
  TokenFlops flops = CountFlops(rule, n.dim, n.dim, std::min(n.chunk, n.time));
  flops.forward *= static_cast<double>(n.heads), flops.both *= static_cast<double>(n.heads);
  return {n, flops};
}

std::string Describe(const BenchSize& n) {
  return absl::StrCat("time ", n.time, " dim ", n.dim, " chunk ", n.chunk, " heads ", n.heads, " ",
                      std::string(NameOf(n.dtype)));
}

double PerSecond(const BenchSize& n, double seconds) {
  return static_cast<double>(n.time) / seconds;
}

void PrintHeader() {
  std::printf(
      "%d threads, one sequence; tokens/s of the best run (the median)\n\n"
      "%-14s %6s %4s %5s %5s %5s  %-15s %-15s %8s %8s %8s %8s\n",
      NumThreads(), "rule", "time", "dim", "chunk", "heads", "dtype", "forward", "and backward",
      "state", "peak", "FLOPs", "both");
}

std::string TokensPerSecond(const BenchSize& n, const Timing& t) {
  return absl::StrFormat("%s (%s)", FormatCount(PerSecond(n, t.best)),
                         FormatCount(PerSecond(n, t.median)));
}

void PrintLine(const RuleConfig& rule, const Job& job, const BenchResult& r) {
  const BenchSize& n = job.size;
  std::printf("%-14s %6d %4d %5d %5d %5s  %-15s %-15s %8s %8s %8s %8s\n", Title(rule).c_str(),
              static_cast<int>(n.time), static_cast<int>(n.dim), static_cast<int>(n.chunk),
              static_cast<int>(n.heads), NameOf(n.dtype), TokensPerSecond(n, r.forward).c_str(),
              TokensPerSecond(n, r.both).c_str(), FormatBytes(r.state_bytes).c_str(),
              FormatBytes(r.peak_bytes).c_str(), FormatCount(job.flops.forward).c_str(),
              FormatCount(job.flops.both).c_str());
  std::fflush(stdout);
}

nlohmann::json Json(const BenchSize& n, const Timing& t) {
  return {{"best_seconds", t.best},
          {"median_seconds", t.median},
          {"runs", t.runs},
          {"tokens_per_second", PerSecond(n, t.best)}};
}

nlohmann::json Json(const RuleConfig& rule, const Job& job, const BenchResult& r) {
  const BenchSize& n = job.size;
  return {{"rule", rule.name},
          {"params", rule.params},
          {"options", rule.options},
          {"threads", NumThreads()},
          {"time", n.time},
          {"dim", n.dim},
          {"chunk", n.chunk},
          {"heads", n.heads},
          {"dtype", NameOf(n.dtype)},
          {"forward", Json(n, r.forward)},
          {"forward_backward", Json(n, r.both)},
          {"state_bytes", r.state_bytes},
          {"peak_bytes", r.peak_bytes},
          {"flops_per_token", job.flops.forward},
          {"flops_per_token_forward_backward", job.flops.both}};
}

class Bench : public Command {
 public:
  std::string name() const override { return "bench"; }
  std::string summary() const override { return "measure how fast memory rules are"; }
  std::string usage() const override { return "bench [--rule=R [NAME=VALUE ...]] [--json]"; }
  std::string examples() const override {
    return "  palimpsest bench                       every rule at one size\n"
           "  palimpsest bench --rule=gated_delta --time=4096 --dim=64,128 --heads=8\n"
           "\n"
           "Each line is a scan of one sequence in chunks. State: what a sequence carries\n"
           "on, of all heads. Peak: the most that forward and backward hold besides their\n"
           "inputs. FLOPs, both: a token, of all heads, forward and with backward: counted\n"
           "while the chunkwise form runs composed of ops, two for each term of a product\n"
           "and one for each element of what is elementwise. Fused kernels do less.\n";
  }
  void AddFlags(Flags* flags) override {
    flags->Add("rule", "R", &rule_, "the rule; every one without")
        .Add("time", "T,..", &time_, "tokens (1024,4096; of every rule 1024)")
        .Add("dim", "D,..", &dim_, "channels of keys and values (64,128; of every rule 64)")
        .Add("chunk", "C,..", &chunk_, "tokens handled together (64, and 16 with an anchor)")
        .Add("heads", "H,..", &heads_, "heads")
        .Add("dtype", "NAME,..", &dtype_, "of the tokens: f64, f32, bf16")
        .Add("seconds", "S", &seconds_, "leave out sizes that would take a rule longer")
        .Add("device", "NAME", &device_, "cpu or cuda")
        .Add("tf32", "", &tf32_, "on cuda, f32 products round their operands to TF32")
        .Add("json", "", &json_, "everything, as JSON");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& args) override {
    const absl::StatusOr<std::vector<RuleConfig>> rules = ParseRules(rule_, args);
    if (!rules.ok()) return rules.status();
    std::vector<std::vector<BenchSize>> sizes;
    for (const RuleConfig& rule : *rules) {
      absl::StatusOr<std::vector<BenchSize>> of_rule = Sizes(rule);
      if (!of_rule.ok()) return of_rule.status();
      sizes.push_back(*std::move(of_rule));
    }
    nlohmann::json all = nlohmann::json::array();
    if (!json_) PrintHeader();
    for (size_t i = 0; i < sizes.size(); ++i) MeasureAll((*rules)[i], sizes[i], &all);
    if (json_) std::printf("%s\n", all.dump(2).c_str());
    return 0;
  }

 private:
  // Leaves out what would take too long, as the FLOPs and what was measured before say.
  void MeasureAll(const RuleConfig& rule, const std::vector<BenchSize>& sizes,
                  nlohmann::json* all) const {
    Progress progress(stderr);
    double spent = 0.0, flops = 0.0;
    for (const BenchSize& size : sizes) {
      progress.ShowNow({Title(rule), Describe(size)});
      const Job job = JobOf(rule, size);
      if (spent > 0.0 && spent + job.all_flops() * spent / flops > seconds_) {
        progress.Print(absl::StrCat(Title(rule), ": left out, longer than --seconds=", seconds_,
                                    ": ", Describe(size)));
        continue;
      }
      const auto begin = std::chrono::steady_clock::now();
      const BenchResult result = BenchRule(rule, size);
      spent += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      flops += job.all_flops();
      progress.Clear();
      if (json_) {
        all->push_back(Json(rule, job, result));
      } else {
        PrintLine(rule, job, result);
      }
    }
  }

  // Every combination of the flags.
  absl::StatusOr<std::vector<BenchSize>> Sizes(const RuleConfig& rule) const {
    using List = std::vector<int64_t>;
    const bool one = !rule_.empty();
    const int64_t usual_chunk = UsualChunk(**MakeMemoryRule(rule));
    const absl::StatusOr<List> times =
        ParseSizes("time", time_, one ? List{1024, 4096} : List{1024});
    const absl::StatusOr<List> dims = ParseSizes("dim", dim_, one ? List{64, 128} : List{64});
    const absl::StatusOr<List> chunks = ParseSizes("chunk", chunk_, {usual_chunk});
    const absl::StatusOr<List> heads = ParseSizes("heads", heads_, {});
    const absl::StatusOr<std::vector<DType>> dtypes = ParseDTypes(dtype_);
    for (const auto* list : {&times, &dims, &chunks, &heads}) {
      if (!list->ok()) return list->status();
    }
    if (!dtypes.ok()) return dtypes.status();
    const absl::StatusOr<Device> device = DeviceNamed(device_, tf32_);
    if (!device.ok()) return device.status();
    std::vector<BenchSize> sizes;
    for (DType dtype : *dtypes)
      for (int64_t head : *heads)
        for (int64_t dim : *dims)
          for (int64_t chunk : *chunks)
            for (int64_t time : *times) sizes.push_back({time, dim, chunk, head, dtype, *device});
    return sizes;
  }

  std::string rule_, time_, dim_, chunk_, heads_ = "4", dtype_ = "f32", device_ = "cpu";
  double seconds_ = 60.0;
  bool json_ = false, tf32_ = false;
};

}  // namespace

Command& BenchCommand() {
  static Bench command;
  return command;
}

}  // namespace palimpsest
