#ifndef CORE_OP_SCOPE_H_
#define CORE_OP_SCOPE_H_

#include <string>

namespace palimpsest {

// Names the op in progress on this thread: failed checks, out-of-memory reports and tape nodes take
// the name from here. `name` must outlive the scope (a literal, in practice).
class OpScope {
 public:
  explicit OpScope(const char* name) : name_(name), outer_(innermost_) { innermost_ = this; }
  ~OpScope() { innermost_ = outer_; }
  OpScope(const OpScope&) = delete;
  OpScope& operator=(const OpScope&) = delete;

  // The innermost op; "" outside of any.
  static const char* Current() { return innermost_ == nullptr ? "" : innermost_->name_; }
  // All of them, innermost first: "matmul in softmax in backward".
  static std::string Trace();

 private:
  static thread_local constinit OpScope* innermost_;
  const char* name_;
  OpScope* outer_;
};

}  // namespace palimpsest

#endif  // CORE_OP_SCOPE_H_
