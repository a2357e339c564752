#include "tasks/testing.h"

#include "google/protobuf/text_format.h"
#include "ops/loss.h"

namespace palimpsest {

DataConfig ParseData(const std::string& text) {
  DataConfig config;
  PALIMPSEST_CHECK(google::protobuf::TextFormat::ParseFromString(text, &config)) << text;
  return config;
}

std::unique_ptr<DataSource> TaskSource(const std::string& text, int64_t length, uint64_t seed) {
  auto source = MakeDataSource(ParseData(text), length, seed);
  PALIMPSEST_CHECK(source.ok()) << source.status();
  return *std::move(source);
}

std::string TaskError(const std::string& text, int64_t length) {
  return std::string(MakeDataSource(ParseData(text), length, 0).status().message());
}

std::vector<int32_t> Ints(const Tensor& x) {
  if (!x) return {};
  return {x.data<int32_t>(), x.data<int32_t>() + x.size()};
}

std::vector<Row> Rows(const DataSource& source, const Examples& examples) {
  const std::vector<int32_t> tokens = Ints(examples.tokens), labels = Ints(examples.labels);
  const int64_t length = examples.tokens.dim(1);
  std::vector<Row> rows(examples.tokens.dim(0));
  for (size_t i = 0; i < rows.size(); ++i) {
    int64_t size = length;
    while (size > 0 && tokens[i * length + size - 1] == 0 &&
           labels[i * length + size - 1] == kIgnoreLabel)
      --size;
    for (int64_t t = 0; t < size; ++t) {
      const int32_t token = tokens[i * length + t], label = labels[i * length + t];
      rows[i].tokens.push_back(token);
      rows[i].labels.push_back(label);
      rows[i].token_text.push_back(source.Text(token));
      rows[i].label_text.push_back(label == kIgnoreLabel ? "." : source.Text(label));
    }
  }
  return rows;
}

std::vector<Row> EvalRows(const DataSource& source, int64_t count) {
  return Rows(source, source.EvalBatch(0, count));
}

}  // namespace palimpsest
