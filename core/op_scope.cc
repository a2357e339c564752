#include "core/op_scope.h"

namespace palimpsest {

thread_local constinit OpScope* OpScope::innermost_ = nullptr;

std::string OpScope::Trace() {
  std::string trace;
  for (const OpScope* scope = innermost_; scope != nullptr; scope = scope->outer_) {
    if (!trace.empty()) trace += " in ";
    trace += scope->name_;
  }
  return trace;
}

}  // namespace palimpsest
