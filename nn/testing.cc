#include "nn/testing.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/text_format.h"
#include "ops/ops.h"

namespace palimpsest {

ModelConfig ParseModel(const std::string& text, const std::string& more) {
  using google::protobuf::TextFormat;
  ModelConfig config;
  PALIMPSEST_CHECK(TextFormat::ParseFromString(text, &config)) << text;
  PALIMPSEST_CHECK(TextFormat::MergeFromString(more, &config)) << more;
  return config;
}

std::unique_ptr<LanguageModel> SmallModel(const std::string& block, const std::string& more,
                                          DType dtype) {
  const std::string text =
      absl::StrCat("vocab_size: 11 width: 8 layers: 2 block { ", block, " mlp { hidden: 12 } }");
  auto model = LanguageModel::Create(ParseModel(text, more), RandomStream(1, "init"), dtype);
  PALIMPSEST_CHECK(model.ok()) << model.status().ToString();
  return *std::move(model);
}

Tensor RandomTokens(int64_t batch, int64_t time, uint64_t seed) {
  const RandomStream draws(seed, "tokens");
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < batch * time; ++i)
    tokens.push_back(static_cast<int32_t>(draws.Below(i, 11)));
  return Tensor::From<int32_t>({batch, time}, tokens);
}

void Jitter(LanguageModel& model, double size) {
  const RandomStream draws(3, "jitter");
  model.ForEachParam([&](const std::string& path, Tensor& param) {
    const Tensor noise = RandomNormal(param.shape(), draws.Fork(path), param.dtype(), size);
    param = Add(param, CopyTo(noise, param.device()));
  });
}

double MaxDifference(const Tensor& a, const Tensor& b) {
  PALIMPSEST_CHECK(a.shape() == b.shape()) << a << " and " << b;
  const std::vector<double> x = a.ToVector(), y = b.ToVector();
  double difference = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double d = std::abs(x[i] - y[i]);
    difference = std::isnan(d) ? INFINITY : std::max(difference, d);
  }
  return difference;
}

}  // namespace palimpsest
