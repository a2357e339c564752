#ifndef MEMORY_RULES_PLUGIN_H_
#define MEMORY_RULES_PLUGIN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace palimpsest {

// Rules in a shared object: of memory_rule_plugin() in memory_rules/defs.bzl, or of any compiler,
//   g++ -std=c++20 -O2 -shared -fPIC -I<this source tree> my_rule.cc -o libmy_rule.so
// It holds nothing of the framework: what it uses it finds in the program that loads it, which must
// depend on //memory_rules:plugin to offer all of core, ops and memory_rules.
struct Plugin {
  std::string path;  // Absolute.
  std::vector<std::string> rules;
};

// Loads a plugin for the rest of the process; its rules are then known by name like those built in.
// One that is loaded already is only returned. Before a line of it runs here, its ABI number (see
// registry.h) is read in the file, and a child process loads it and makes every rule and a fresh
// memory of it: what is missing, no plugin, of another ABI, has no rule or one whose name is taken,
// crashes or hangs is an error, and this process is as it was. Not for several threads at once.
absl::StatusOr<Plugin> LoadPlugin(const std::string& path);

// In the order in which they were loaded.
const std::vector<Plugin>& LoadedPlugins();

}  // namespace palimpsest

#endif  // MEMORY_RULES_PLUGIN_H_
