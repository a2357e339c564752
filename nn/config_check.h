#ifndef NN_CONFIG_CHECK_H_
#define NN_CONFIG_CHECK_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nn/model.pb.h"

namespace palimpsest {

// Large enough for any model, small enough that products of two fit.
constexpr int64_t kMaxSize = int64_t{1} << 28;
// Of the taps of a short convolution, and of learnt tokens in front of a sequence.
constexpr int64_t kMaxTaps = 4096;

// Looks at the fields of one message, and keeps the first thing wrong: InvalidArgument,
// "model.block.0.memory.heads: 5 does not divide width 128".
class ConfigCheck {
 public:
  explicit ConfigCheck(std::string path) : path_(std::move(path)) {}

  template <typename... Args>
  void Require(bool condition, const char* field, const Args&... problem) {
    if (condition || !status_.ok()) return;
    status_ = absl::InvalidArgumentError(absl::StrCat(path_, ".", field, ": ", problem...));
  }
  void Size(const char* field, int64_t value, int64_t least = 1, int64_t most = kMaxSize);
  // The product of sizes is at most kMaxSize; `fields`: "heads x key_dim".
  void Product(const char* fields, std::initializer_list<int64_t> sizes);
  void Positive(const char* field, double value);
  void Rate(const char* field, double value);  // In [0, 1).
  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }

 private:
  std::string path_;
  absl::Status status_;
};

// key_dim as given or, where that is 0, the width divided among the heads.
int64_t ResolveKeyDim(ConfigCheck& check, int64_t width, int64_t heads, int64_t key_dim);

// Fills in whichever of heads and key_dim is 0, so that all heads together are `size` long.
template <typename Part>
void ResolveHeads(ConfigCheck& check, int64_t size, Part& part) {
  if (part.heads() != 0) {
    part.set_key_dim(ResolveKeyDim(check, size, part.heads(), part.key_dim()));
  } else {
    check.Size("key_dim", part.key_dim(), 0);
    check.Require(part.key_dim() > 0, "heads", "0 needs a key_dim, here or of the model");
    if (!check.ok()) return;
    check.Require(size % part.key_dim() == 0, "key_dim", part.key_dim(), " does not divide ", size);
    part.set_heads(size / part.key_dim());
    check.Size("heads", part.heads());
  }
  check.Product("heads x key_dim", {part.heads(), part.key_dim()});
}

// Each checks one message and fills in what follows from other fields. `path`: where it stands.
absl::Status ResolveAttention(const std::string& path, int64_t width, ModelConfig::Attention& a);
absl::Status ResolveMemory(const std::string& path, int64_t width, ModelConfig::Memory& m);
absl::Status ResolveTitans(const std::string& path, int64_t width, ModelConfig::Titans& t);
absl::Status ResolveSelfModifying(const std::string& path, int64_t width,
                                  ModelConfig::SelfModifying& s);
absl::Status ResolveMlp(const std::string& path, int64_t width, ModelConfig::Mlp& mlp);
// The shortest period above that of `level`, or 0.
int64_t SlowerPeriod(const ModelConfig::Cms& cms, int level);
absl::Status ResolveCms(const std::string& path, int64_t width, ModelConfig::Cms& cms);

absl::Status ResolveResiduals(ModelConfig& model);
// The block's, with what the model's says, or else the default, where it says nothing.
ModelConfig::Residual ResidualOf(const ModelConfig& model, const ModelConfig::Block& block = {});

}  // namespace palimpsest

#endif  // NN_CONFIG_CHECK_H_
