#include "tasks/generated.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ops/loss.h"

namespace palimpsest {
namespace {

Example Draw(const Segment& segment, Split split, const RandomStream& stream) {
  Draws draws(stream);
  const int64_t choices = segment.length - segment.min_length + 1;
  const int64_t length = segment.min_length + (choices > 1 ? draws.Below(choices) : 0);
  Example example = segment.task->Make(length, split, draws);
  PALIMPSEST_CHECK(static_cast<int64_t>(example.tokens.size()) <= segment.length)
      << segment.task->Describe() << ": " << example.tokens.size() << " tokens of "
      << segment.length;
  return example;
}

class GeneratedSource : public DataSource {
 public:
  GeneratedSource(const std::string& name, Segments segments, int64_t eval_examples, int64_t length,
                  uint64_t seed)
      : segments_(std::move(segments)),
        eval_examples_(eval_examples),
        length_(length),
        train_(seed, name + ".train"),
        eval_(seed, name + ".eval") {}

  int64_t vocab() const override {
    int64_t vocab = 0;
    for (const auto* part : {&segments_.train, &segments_.eval})
      for (const Segment& segment : *part) vocab = std::max(vocab, segment.task->vocab());
    return vocab;
  }

  int64_t longest() const override {
    int64_t longest = length_;
    for (const Segment& segment : segments_.eval) longest = std::max(longest, segment.length);
    return longest;
  }

  Examples TrainBatch(int64_t step, int64_t batch) const override {
    Examples examples = Pad(batch, length_, /*with_slices=*/false);
    for (int64_t i = 0; i < batch; ++i) {
      const int64_t n = step * batch + i;
      const Segment& segment = segments_.train[n % segments_.train.size()];
      Copy(Draw(segment, Split::kTrain, train_.Fork(n)), i, 0, &examples);
    }
    return examples;
  }

  int64_t eval_examples() const override { return eval_examples_ * NumSegments(); }

  Examples EvalBatch(int64_t begin, int64_t end) const override {
    PALIMPSEST_CHECK(0 <= begin && begin <= end && end <= eval_examples())
        << "[" << begin << ", " << end << ") of " << eval_examples() << " examples";
    int64_t length = 0;
    for (int64_t i = begin; i < end; ++i) length = std::max(length, EvalSegment(i).length);
    Examples examples = Pad(end - begin, length, !slices().empty());
    for (int64_t i = begin; i < end; ++i) {
      const auto first_slice = i / eval_examples_ * PartNames().size();
      Copy(Draw(EvalSegment(i), Split::kEval, eval_.Fork(i)), i - begin, first_slice, &examples);
    }
    return examples;
  }

  std::vector<int64_t> eval_ends() const override {
    std::vector<int64_t> ends;
    for (int64_t i = 1; i <= NumSegments(); ++i) ends.push_back(i * eval_examples_);
    return ends;
  }

  std::vector<std::string> slices() const override {
    std::vector<std::string> names;
    for (const Segment& segment : segments_.eval) {
      for (const std::string& part : PartNames()) {
        std::vector<std::string> words;
        if (NumSegments() > 1) words.push_back(segment.name);
        if (!part.empty()) words.push_back(part);
        names.push_back(absl::StrJoin(words, ","));
      }
    }
    if (names.size() == 1) names.clear();
    return names;
  }

  std::string Describe() const override { return segments_.train[0].task->Describe(); }
  std::string Fingerprint() const override { return segments_.train[0].task->Fingerprint(); }
  std::string Text(int32_t token) const override { return segments_.train[0].task->Text(token); }
  bool is_text() const override { return segments_.train[0].task->is_text(); }

 private:
  int64_t NumSegments() const { return static_cast<int64_t>(segments_.eval.size()); }
  const Segment& EvalSegment(int64_t i) const { return segments_.eval[i / eval_examples_]; }

  std::vector<std::string> PartNames() const {
    const std::vector<std::string> parts = segments_.eval[0].task->parts();
    return parts.empty() ? std::vector<std::string>{""} : parts;
  }

  static Examples Pad(int64_t count, int64_t length, bool with_slices) {
    const Shape shape = {count, length};
    return {Tensor::Full(shape, 0, DType::kI32), Tensor::Full(shape, kIgnoreLabel, DType::kI32),
            with_slices ? Tensor::Full(shape, 0, DType::kI32) : Tensor()};
  }

  static void Copy(const Example& example, int64_t row, size_t first_slice, Examples* examples) {
    const int64_t offset = row * examples->tokens.dim(1);
    std::copy(example.tokens.begin(), example.tokens.end(),
              examples->tokens.mutable_data<int32_t>() + offset);
    std::copy(example.labels.begin(), example.labels.end(),
              examples->labels.mutable_data<int32_t>() + offset);
    if (!examples->slices) return;
    int32_t* slices = examples->slices.mutable_data<int32_t>() + offset;
    for (size_t t = 0; t < example.parts.size(); ++t)
      slices[t] = static_cast<int32_t>(first_slice) + example.parts[t];
  }

  const Segments segments_;
  const int64_t eval_examples_, length_;
  const RandomStream train_, eval_;
};

}  // namespace

namespace {

// Of a length that is not `length`'s.
absl::Status CheckAs(const char* field, const Task& task, int64_t length) {
  const absl::Status status = CheckTaskLength(task, length);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat(field, " ", length, ": ", std::string(status.message())));
}

}  // namespace

absl::Status CheckTaskLength(const Task& task, int64_t length) {
  if (length >= 1 && length <= kMostTaskSize) return task.CheckLength(length);
  return absl::InvalidArgumentError(
      absl::StrCat("length is ", length, ", must be from 1 to ", kMostTaskSize));
}

absl::StatusOr<Segments> SegmentsByLength(std::shared_ptr<const Task> task,
                                          const DataConfig& config, int64_t length) {
  const int64_t min_length = config.min_length() > 0 ? config.min_length() : length;
  if (min_length > length)
    return absl::InvalidArgumentError(
        absl::StrCat("min_length is ", min_length, ", must be at most length ", length));
  Segments segments{.train = {{task, min_length, length}}, .eval = {}};
  absl::Status status = CheckTaskLength(*task, length);
  if (status.ok()) status = CheckAs("min_length", *task, min_length);
  if (config.eval_length().empty()) segments.eval.push_back({task, min_length, length});
  for (const int64_t eval_length : config.eval_length()) {
    if (status.ok()) status = CheckAs("eval_length", *task, eval_length);
    segments.eval.push_back({task, eval_length, eval_length, absl::StrCat("length=", eval_length)});
  }
  if (!status.ok()) return status;
  return segments;
}

std::unique_ptr<DataSource> MakeGeneratedSource(const std::string& name, Segments segments,
                                                int64_t eval_examples, int64_t length,
                                                uint64_t seed) {
  return std::make_unique<GeneratedSource>(name, std::move(segments), eval_examples, length, seed);
}

}  // namespace palimpsest
