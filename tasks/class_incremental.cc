#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

constexpr int64_t kQuestion = 0;
constexpr int64_t kNew = 0, kOld = 1;

// Tokens: the question mark, the names, the cues.
class ClassIncremental : public Task {
 public:
  explicit ClassIncremental(const ClassIncrementalData& config)
      : config_(config), first_cue_(1 + config.names()) {}

  int64_t vocab() const override { return first_cue_ + config_.cue_vocab(); }
  absl::Status CheckLength(int64_t length) const override {
    const absl::Status phases = CheckLengthAtLeast(
        length, 2 * PhaseSize(),
        absl::StrCat("for two phases with classes ", config_.classes(), ", shots ", config_.shots(),
                     ", questions ", config_.questions(), " and item ", config_.item()));
    if (!phases.ok()) return phases;
    const int64_t classes = length / PhaseSize() * config_.classes();
    const int64_t cues = classes * config_.cues();
    if (classes <= config_.names() && cues <= config_.cue_vocab()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "length ", length, " has phases for ", classes, " classes (classes ", config_.classes(),
        " each), which need as many names, not names ", config_.names(), ", and ", cues,
        " cues (cues ", config_.cues(), " each), not cue_vocab ", config_.cue_vocab()));
  }
  std::string Describe() const override {
    return absl::StrCat(config_.classes(), " new classes a phase of ", PhaseSize(), " tokens, ",
                        config_.shots(), " items each");
  }
  std::string Text(int32_t token) const override {
    if (token == kQuestion) return "?";
    return token < first_cue_ ? absl::StrCat("N", token) : absl::StrCat("c", token - first_cue_);
  }
  std::vector<std::string> parts() const override { return {"phase=new", "phase=old"}; }

  Example Make(int64_t length, Split, Draws& draws) const override {
    const int64_t phases = length / PhaseSize();
    const int64_t count = phases * config_.classes();
    const std::vector<int32_t> names = draws.Distinct(count, 1, first_cue_);
    const std::vector<int32_t> cues = draws.Distinct(count * config_.cues(), first_cue_, vocab());
    std::vector<Class> classes;  // Known so far.
    Example example;
    for (int64_t phase = 0; phase < phases; ++phase) {
      for (int64_t c = 0; c < config_.classes(); ++c) {
        const auto begin = cues.begin() + static_cast<int64_t>(classes.size()) * config_.cues();
        classes.push_back({names[classes.size()], {begin, begin + config_.cues()}});
      }
      Show(classes, draws, &example);
      Ask(classes, draws, &example);
    }
    return example;
  }

 private:
  struct Class {
    int32_t name;
    std::vector<int32_t> cues;
  };

  int64_t PhaseSize() const {
    return (config_.classes() * config_.shots() + config_.questions()) * (config_.item() + 1);
  }

  void AddItem(const Class& shown, Draws& draws, Example* example) const {
    for (const int32_t i : draws.Distinct(config_.item(), 0, config_.cues()))
      example->Add(shown.cues[i]);
  }

  // Each of the newest classes `shots` times, in random order.
  void Show(const std::vector<Class>& classes, Draws& draws, Example* example) const {
    const auto first = static_cast<int64_t>(classes.size()) - config_.classes();
    const int64_t items = config_.classes() * config_.shots();
    for (const int32_t i : draws.Distinct(items, 0, items)) {
      const Class& shown = classes[first + i % config_.classes()];
      AddItem(shown, draws, example);
      example->Add(shown.name);
    }
  }

  // In turn of a new and an old class; in the first phase all are new.
  void Ask(const std::vector<Class>& classes, Draws& draws, Example* example) const {
    const auto first = static_cast<int64_t>(classes.size()) - config_.classes();
    for (int64_t i = 0; i < config_.questions(); ++i) {
      const bool old = first > 0 && i % 2 == 1;
      const Class& asked =
          classes[old ? draws.Below(first) : first + draws.Below(config_.classes())];
      AddItem(asked, draws, example);
      example->Add(kQuestion, asked.name, old ? kOld : kNew);
    }
  }

  const ClassIncrementalData config_;
  const int64_t first_cue_;
};

}  // namespace

TaskOrError MakeClassIncremental(const DataConfig& data) {
  const ClassIncrementalData& config = data.class_incremental();
  constexpr int64_t kMost = 1 << 12;  // Of which products are not too large.
  absl::Status status = CheckTaskValue("classes", config.classes(), 1, kMost);
  if (status.ok()) status = CheckTaskValue("shots", config.shots(), 1, kMost);
  if (status.ok()) status = CheckTaskValue("questions", config.questions(), 2, kMost);
  if (status.ok()) status = CheckTaskValue("cues", config.cues(), 1, kMost);
  if (status.ok())
    status = CheckTaskValue("item", config.item(), 1, config.cues(),
                            absl::StrCat("with cues ", config.cues()));
  if (status.ok())
    status = CheckTaskValue("names", config.names(), 2 * config.classes(), kMostTaskSize,
                            absl::StrCat("with classes ", config.classes()));
  if (status.ok())
    status = CheckTaskValue("cue_vocab", config.cue_vocab(), config.cues(), kMostTaskSize,
                            absl::StrCat("with cues ", config.cues()));
  if (!status.ok()) return status;
  return std::make_shared<ClassIncremental>(config);
}

}  // namespace palimpsest
