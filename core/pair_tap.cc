#include "core/pair_tap.h"

#include <utility>

#include "core/check.h"

namespace palimpsest {
namespace {

thread_local PairTap* innermost = nullptr;

}  // namespace

PairTap::PairTap() : outer_(std::exchange(innermost, this)) {}

PairTap::~PairTap() {
  PALIMPSEST_CHECK(innermost == this) << "taps end in another order than they began in";
  innermost = outer_;
}

PairTap* PairTap::Of(const Tensor& weight) {
  PairTap* tap = innermost;
  while (tap != nullptr && !tap->Knows(weight)) tap = tap->outer_;
  return tap;
}

}  // namespace palimpsest
