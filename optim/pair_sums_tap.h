#ifndef OPTIM_PAIR_SUMS_TAP_H_
#define OPTIM_PAIR_SUMS_TAP_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/pair_tap.h"
#include "optim/level.h"

namespace palimpsest {

// Makes what activation-keyed levels ask for out of the pairs of a step's backward passes, while
// these are alive: sums alone are kept, over as many passes and uses of a weight as there are.
// Weights with the same input share the work.
class PairSumsTap : public PairTap {
 public:
  struct Listener {
    std::string path;
    PairRequest request;
    DType dtype;  // Of the sums.
    bool wants_gradient;
  };
  explicit PairSumsTap(std::map<uint64_t, Listener> by_weight) : listeners_(std::move(by_weight)) {}

  // Of the passes to come: 1 for a token that counts, 0 for padding; [rows], for layers on as many.
  // An empty mask: all count.
  void Mask(Tensor mask) { mask_ = std::move(mask), last_ = {}; }

  bool Knows(const Tensor& weight) const override { return listeners_.contains(weight.id()); }
  bool See(const Tensor& weight, const Tensor& x, const Tensor& dy) override;

  // By path; of a weight that no linear layer used, nothing.
  const std::map<std::string, PairSums>& sums() const { return sums_; }
  // Parameters that are to have sums and have none.
  std::vector<std::string> Unseen() const;
  // No passes are to come: lets go of the states it was shown, so that they can change in place.
  void Close();

 private:
  // The input seen last and what was made of it: the next weights' input, more often than not.
  struct Last {
    uint64_t x = 0;
    std::string request;
    DType dtype;
    TokenKeys made;
    Tensor key_key = {};
    std::map<uint64_t, Tensor> added;  // key_key added to a sum, by that sum's id.
  };
  void Prepare(const Listener& listener, const Tensor& x);

  std::map<uint64_t, Listener> listeners_;
  Tensor mask_;
  Last last_;
  std::map<std::string, PairSums> sums_;
};

}  // namespace palimpsest

#endif  // OPTIM_PAIR_SUMS_TAP_H_
