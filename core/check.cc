#include "core/check.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/op_scope.h"

namespace palimpsest {

CheckFailure::CheckFailure(const char* file, int line, const char* condition) {
  message_ << file << ":" << line << ": ";
  if (const std::string trace = OpScope::Trace(); !trace.empty()) message_ << "[" << trace << "] ";
  message_ << "check failed: " << condition << ": ";
}

CheckFailure::~CheckFailure() {
  std::fprintf(stderr, "%s\n", message_.str().c_str());
  std::fflush(stderr);
  std::abort();
}

}  // namespace palimpsest
