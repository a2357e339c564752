#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "memory_rules/plugin.h"
#include "program/commands.h"
#include "program/program.h"
#include "train/proto_text.h"
#include "train/version.h"

namespace palimpsest {
namespace {

constexpr const char* kProgram = "palimpsest";
constexpr int kExitFailed = 1, kExitUsage = 2;

std::vector<Command*> Commands() {
  return {&TrainCommand(),  &AblateCommand(), &EvalCommand(), &GenerateCommand(), &CompareCommand(),
          &ParamsCommand(), &RulesCommand(),  &ScanCommand(), &TasksCommand(),    &OptimCommand(),
          &CoordsCommand(), &CheckCommand(),  &BenchCommand()};
}

void PrintHelp(FILE* out) {
  std::fputs("palimpsest trains models whose layers are associative memories.\n\n", out);
  for (const Command* command : Commands())
    std::fprintf(out, "  palimpsest %-9s %s\n", command->name().c_str(),
                 command->summary().c_str());
  std::fputs("  palimpsest version   name the sources this program was built from\n\n", out);
  std::fputs("palimpsest COMMAND --help says more.\n", out);
}

void PrintHelp(const Command& command, const Flags& flags) {
  std::string summary = command.summary();
  summary[0] = absl::ascii_toupper(summary[0]);
  std::printf("palimpsest %s\n\n%s.\n\n", command.usage().c_str(), summary.c_str());
  if (!flags.Help().empty()) std::printf("%s\n", flags.Help().c_str());
  std::printf("%s", command.examples().c_str());
}

int RunCommand(Command* command, const std::vector<std::string>& args) {
  bool help = false;
  std::vector<std::string> plugins;
  Flags flags;
  command->AddFlags(&flags);
  flags.Add("plugin", "PATH", &plugins, "memory rules of a shared object; may be repeated");
  const Flags own = flags;
  flags.Add("help", "", &help, "");
  const absl::StatusOr<std::vector<std::string>> rest = flags.Parse(args);
  help |= !args.empty() && args[0] == "-h";
  if (!rest.ok() && !help) return Fail(kProgram, rest.status(), kExitUsage);
  if (help) {
    PrintHelp(*command, own);
    return 0;
  }
  for (const std::string& path : plugins) {
    const absl::StatusOr<Plugin> plugin = LoadPlugin(path);
    if (!plugin.ok()) return Fail(kProgram, plugin.status(), kExitFailed);
  }
  const absl::StatusOr<int> code = command->Run(*rest);
  return code.ok() ? *code : Fail(kProgram, code.status(), kExitFailed);
}

int Main(const std::vector<std::string>& args) {
  if (args.empty()) {
    PrintHelp(stderr);
    return kExitUsage;
  }
  if (args[0] == "help" || args[0] == "--help" || args[0] == "-h") {
    PrintHelp(stdout);
    return 0;
  }
  if (args[0] == "version" || args[0] == "--version") {
    std::printf("palimpsest %s\n", Version().c_str());
    return 0;
  }
  std::vector<std::string> names;
  for (Command* command : Commands()) {
    names.push_back(command->name());
    if (command->name() == args[0]) return RunCommand(command, {args.begin() + 1, args.end()});
  }
  names.emplace_back("version");
  return Fail(kProgram,
              absl::InvalidArgumentError(
                  absl::StrCat("there is no command ", NameAndKnown(args[0], names))),
              kExitUsage);
}

}  // namespace
}  // namespace palimpsest

int main(int argc, char** argv) {
  palimpsest::StartProgram();
  return palimpsest::EndProgram("palimpsest", palimpsest::Main({argv + 1, argv + argc}));
}
