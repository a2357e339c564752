#include "tests/plugin_building.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/subprocess.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

std::string Compile(std::vector<std::string> command, const std::vector<std::string>& args,
                    const std::string& out) {
  const std::string root = std::filesystem::current_path().string();
  command.insert(command.begin(), {"/usr/bin/g++", "-std=c++20", "-fPIC", "-I" + root});
  command.insert(command.end(), args.begin(), args.end());
  command.insert(command.end(), {"-o", out});
  const ProcessResult result = RunProcess(command);
  EXPECT_EQ(result.code, 0) << result.err;
  return out;
}

}  // namespace

std::string BuildPlugin(const std::vector<std::string>& args) {
  return Compile({"-shared"}, args, ScratchDir() + "/libplugin.so");
}

std::string BuildObject(const std::vector<std::string>& args) {
  return Compile({"-c"}, args, ScratchDir() + "/object.o");
}

std::string Source(const std::string& text) {
  const std::string path = ScratchDir() + "/source.cc";
  WriteFile(path, text);
  return path;
}

}  // namespace palimpsest
