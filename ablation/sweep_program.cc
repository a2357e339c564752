#include "ablation/sweep_program.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/hash.h"
#include "memory_rules/plugin.h"
#include "train/atomic_file.h"
#include "train/file.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

std::string FileName(const std::string& path) { return fs::path(path).filename().string(); }

std::vector<std::string> SortedByName(std::vector<std::string> paths) {
  std::sort(paths.begin(), paths.end(),
            [](const auto& a, const auto& b) { return FileName(a) < FileName(b); });
  return paths;
}

absl::Status CopyExecutable(const std::string& from, const std::string& to) {
  const absl::StatusOr<std::string> bytes = ReadFileToString(from);
  if (!bytes.ok()) return bytes.status();
  if (absl::Status s = WriteFileAtomically(to, *bytes); !s.ok()) return s;
  std::error_code error;
  fs::permissions(to, fs::perms(0755), error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot make ", to, " executable: ", error.message()));
}

}  // namespace

absl::StatusOr<SweepProgram> ThisProgram() {
  std::error_code error;
  const fs::path path = fs::read_symlink("/proc/self/exe", error);
  if (error)
    return absl::UnavailableError(
        absl::StrCat("cannot find this program's own file: ", error.message()));
  // Through the link it is read even where a build has put another in its place.
  SweepProgram program{.path = "/proc/self/exe", .plugins = {}};
  for (const Plugin& plugin : LoadedPlugins()) program.plugins.push_back(plugin.path);
  program.plugins = SortedByName(program.plugins);
  std::set<std::string> names;
  for (const std::string& plugin : program.plugins) {
    if (!names.insert(FileName(plugin)).second)
      return absl::InvalidArgumentError(
          absl::StrCat("two plugins are named ", FileName(plugin), ": rename one"));
  }
  return program;
}

absl::StatusOr<std::string> ProgramHash(const SweepProgram& program) {
  std::vector<std::string> files = {program.path};
  files.insert(files.end(), program.plugins.begin(), program.plugins.end());
  std::string hashes;
  for (const std::string& file : files) {
    const absl::StatusOr<std::string> bytes = ReadFileToString(file);
    if (!bytes.ok()) return bytes.status();
    absl::StrAppend(&hashes, TextHash(*bytes));
  }
  return files.size() == 1 ? hashes : TextHash(hashes);
}

absl::Status CopyProgram(const SweepProgram& program, const std::string& dir) {
  const std::string plugins = JoinPath(dir, "plugins");
  std::error_code error;
  fs::remove_all(plugins, error);
  if (absl::Status s = CopyExecutable(program.path, JoinPath(dir, "program")); !s.ok()) return s;
  if (program.plugins.empty()) return absl::OkStatus();
  if (absl::Status s = MakeDirectories(plugins); !s.ok()) return s;
  for (const std::string& plugin : program.plugins) {
    if (absl::Status s = CopyExecutable(plugin, JoinPath(plugins, FileName(plugin))); !s.ok())
      return s;
  }
  return absl::OkStatus();
}

SweepProgram CopiedProgram(const std::string& dir) {
  SweepProgram program{.path = JoinPath(dir, "program"), .plugins = {}};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(JoinPath(dir, "plugins"), error))
    program.plugins.push_back(entry.path().string());
  program.plugins = SortedByName(program.plugins);
  return program;
}

}  // namespace palimpsest
