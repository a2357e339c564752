#include "memory_rules/plugin.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "memory_rules/child_process.h"
#include "memory_rules/plugin_abi.h"
#include "memory_rules/registry.h"

namespace palimpsest {
namespace {

// Loading takes milliseconds, where the machine is free.
constexpr int kSeconds = 60;

std::vector<Plugin>& Loaded() {
  static auto* loaded = new std::vector<Plugin>;
  return *loaded;
}

absl::Status Error(const std::string& what) { return absl::InvalidArgumentError(what); }

absl::Status CheckAbi(const std::string& path) {
  const absl::StatusOr<int32_t> abi = ReadPluginAbi(path);
  if (!abi.ok()) return abi.status();
  if (*abi == kPalimpsestPluginAbi) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("has plugin ABI ", *abi, ", and this program has ", kPalimpsestPluginAbi,
                   ": rebuild the plugin with this program's headers"));
}

// What the loader says: without the path, and with symbols as they are written.
std::string LoaderError(const std::string& path) {
  const char* error = dlerror();
  std::string text = error == nullptr ? "" : error;
  if (text.rfind(path + ": ", 0) == 0) text.erase(0, path.size() + 2);
  const size_t at = text.find("_Z");
  if (at == std::string::npos) return text;
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(text.c_str() + at, nullptr, nullptr, &status), std::free);
  if (status == 0) text.replace(at, std::string::npos, name.get());
  return text;
}

// Runs the plugin's static initialisers; its rules, unregistered.
absl::StatusOr<std::vector<RuleEntry>> Open(const std::string& path) {
  void* handle = nullptr;
  std::vector<RuleEntry> rules =
      CaptureMemoryRules([&] { handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL); });
  if (handle == nullptr) {
    return Error(absl::StrCat("cannot be loaded: ", LoaderError(path),
                              "; was it built with the headers and libraries of this program?"));
  }
  return rules;
}

absl::Status Register(std::vector<RuleEntry> rules) {
  if (rules.empty()) return Error("registers no rule: it has no PALIMPSEST_MEMORY_RULE");
  std::vector<std::string> taken = MemoryRuleNames();
  for (const RuleEntry& rule : rules) {
    if (std::find(taken.begin(), taken.end(), rule.name) != taken.end())
      return Error(absl::StrCat("registers a rule \"", rule.name,
                                "\", and there is one of that name: give it another"));
    taken.push_back(rule.name);
  }
  for (RuleEntry& rule : rules)
    RegisterMemoryRule(rule.name, std::move(rule.params), std::move(rule.factory));
  return absl::OkStatus();
}

// A rule as it is by default says what it is and makes a memory.
absl::Status CheckRule(const std::string& name) {
  const absl::StatusOr<std::unique_ptr<MemoryRule>> rule = MakeMemoryRule({.name = name});
  if (!rule.ok()) return rule.status();
  if (*rule == nullptr) return Error(absl::StrCat("makes nothing of its rule ", name));
  (*rule)->equation(), (*rule)->source(), (*rule)->gates();
  const MemoryDims dims{.batch = 2, .key = 4, .value = 3};
  const State state = (*rule)->Init(dims, DType::kF32, RandomStream(0, "plugin"));
  const size_t names = (*rule)->state_names().size();
  if (state.size() == names) return absl::OkStatus();
  return Error(absl::StrCat("has a rule ", name, " with ", names, " state_names, whose Init makes ",
                            state.size(), " tensors"));
}

// All of a plugin that loading may run, in a child process.
absl::Status Rehearse(const std::string& path) {
  return RunInChild(kSeconds, [&](ChildReport* report) {
    report->SetDoing("while it was loaded");
    absl::StatusOr<std::vector<RuleEntry>> rules = Open(path);
    if (!rules.ok()) return rules.status();
    std::vector<std::string> names;
    for (const RuleEntry& rule : *rules) names.push_back(rule.name);
    if (absl::Status s = Register(*std::move(rules)); !s.ok()) return s;
    for (const std::string& name : names) {
      report->SetDoing(absl::StrCat("in Init of its rule ", name));
      if (absl::Status s = CheckRule(name); !s.ok()) return s;
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<Plugin> Load(const std::string& path) {
  if (absl::Status s = CheckAbi(path); !s.ok()) return s;
  if (absl::Status s = Rehearse(path); !s.ok()) return s;
  absl::StatusOr<std::vector<RuleEntry>> rules = Open(path);
  if (!rules.ok()) return rules.status();
  Plugin plugin{.path = path, .rules = {}};
  for (const RuleEntry& rule : *rules) plugin.rules.push_back(rule.name);
  if (absl::Status s = Register(*std::move(rules)); !s.ok()) return s;
  Loaded().push_back(plugin);
  return plugin;
}

}  // namespace

absl::StatusOr<Plugin> LoadPlugin(const std::string& path) {
  std::error_code error;
  for (const Plugin& plugin : Loaded()) {
    if (std::filesystem::equivalent(plugin.path, path, error)) return plugin;
  }
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  absl::StatusOr<Plugin> plugin = Load(absolute.lexically_normal().string());
  if (plugin.ok()) return plugin;
  return absl::Status(plugin.status().code(),
                      absl::StrCat("plugin ", path, " ", std::string(plugin.status().message())));
}

const std::vector<Plugin>& LoadedPlugins() { return Loaded(); }

}  // namespace palimpsest
