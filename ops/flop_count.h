#ifndef OPS_FLOP_COUNT_H_
#define OPS_FLOP_COUNT_H_

#include <cstdint>

namespace palimpsest {

// While alive, counts the arithmetic of ops on this thread: two for each term of a matrix product
// or triangular solve, one for each element of an elementwise op and for each that a sum takes.
// Fused kernels do not come here: run their composed forms (ComposedScope).
class FlopCount {
 public:
  FlopCount();
  ~FlopCount();
  FlopCount(const FlopCount&) = delete;
  FlopCount& operator=(const FlopCount&) = delete;

  int64_t flops() const { return flops_; }
  // Adds to every count that is alive.
  static void Add(int64_t flops);

 private:
  int64_t flops_ = 0;
  FlopCount* const outer_;
};

}  // namespace palimpsest

#endif  // OPS_FLOP_COUNT_H_
