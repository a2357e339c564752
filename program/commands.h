#ifndef PROGRAM_COMMANDS_H_
#define PROGRAM_COMMANDS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "program/flags.h"

namespace palimpsest {

// A command of the program: `palimpsest NAME arguments`.
class Command {
 public:
  virtual ~Command() = default;
  virtual std::string name() const = 0;
  virtual std::string summary() const = 0;
  virtual std::string usage() const = 0;     // What follows "palimpsest ".
  virtual std::string examples() const = 0;  // Whole lines.
  virtual void AddFlags(Flags* flags) = 0;
  // `rest`: the arguments that are no flags. Returns the exit code.
  virtual absl::StatusOr<int> Run(const std::vector<std::string>& rest) = 0;
};

Command& TrainCommand();
Command& AblateCommand();
Command& EvalCommand();
Command& GenerateCommand();
Command& ParamsCommand();
Command& CompareCommand();
Command& RulesCommand();
Command& ScanCommand();
Command& TasksCommand();
Command& OptimCommand();
Command& CoordsCommand();
Command& CheckCommand();
Command& BenchCommand();

}  // namespace palimpsest

#endif  // PROGRAM_COMMANDS_H_
