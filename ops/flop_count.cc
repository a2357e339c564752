#include "ops/flop_count.h"

namespace palimpsest {
namespace {

thread_local constinit FlopCount* innermost = nullptr;

}  // namespace

FlopCount::FlopCount() : outer_(innermost) { innermost = this; }
FlopCount::~FlopCount() { innermost = outer_; }

void FlopCount::Add(int64_t flops) {
  for (FlopCount* count = innermost; count != nullptr; count = count->outer_)
    count->flops_ += flops;
}

}  // namespace palimpsest
