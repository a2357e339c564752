#include <algorithm>
#include <cstdio>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "conformance/checks.h"
#include "nlohmann/json.hpp"
#include "program/commands.h"
#include "program/rule_args.h"
#include "train/device.h"
#include "train/progress.h"

namespace palimpsest {
namespace {

constexpr int kNameWidth = 14;

// What a rule's checks found, in the order of Checks().
struct Report {
  RuleConfig rule;
  Device device;
  std::vector<Measurements> found;

  bool ok() const {
    return std::all_of(found.begin(), found.end(),
                       [](const Measurements& m) { return Failures(m).empty(); });
  }
};

int Width(const Check& check) { return std::max<int>(5, static_cast<int>(check.name.size())); }

// "3e-16", "0".
std::string Short(double x) { return x == 0.0 ? "0" : absl::StrFormat("%.0e", x); }

// A column for each check, of the worst that it measured; a line for each rule.
void PrintHeader() {
  std::printf("%-*s", kNameWidth, "rule");
  for (const Check& check : Checks()) std::printf(" %*s", Width(check), check.name.c_str());
  std::printf("\n");
}

void PrintLine(const Report& report) {
  std::printf("%-*s", kNameWidth, report.rule.name.c_str());
  for (size_t i = 0; i < Checks().size(); ++i) {
    const std::string cell = Short(Worst(report.found[i])->value);
    std::printf(" %*s", Width(Checks()[i]), cell.c_str());
  }
  std::printf("  %s\n", report.ok() ? "ok" : "FAILED");
}

std::string NameOf(Device device) {
  std::ostringstream name;
  name << device;
  return name.str();
}

// "titans_mlp depth=3", "titans_mlp depth=3 on cuda"
std::string Title(const Report& report) {
  const std::string title = Title(report.rule);
  return report.device == Device::kCpu ? title : title + " on " + NameOf(report.device);
}

// Of one rule, a line for each check.
void PrintChecks(const Report& report) {
  std::printf("%s\n\n%-9s %6s %6s\n", Title(report).c_str(), "check", "worst", "bound");
  for (size_t i = 0; i < Checks().size(); ++i) {
    const Measurement& worst = *Worst(report.found[i]);
    const std::string where = worst.value == 0.0
                                  ? absl::StrCat("all of ", report.found[i].size(), " exact")
                                  : absl::StrCat(worst.what, "; ", worst.where);
    std::printf("%-9s %6s %6s  %-6s  %s\n", Checks()[i].name.c_str(), Short(worst.value).c_str(),
                Short(worst.bound).c_str(), Failures(report.found[i]).empty() ? "ok" : "FAILED",
                where.c_str());
  }
}

void PrintFailures(const Report& report) {
  for (size_t i = 0; i < Checks().size(); ++i) {
    for (const Measurement& failure : Failures(report.found[i]))
      std::printf("%s: %s: %s\n", Title(report).c_str(), Checks()[i].name.c_str(),
                  Describe(failure).c_str());
  }
}

nlohmann::json Json(const Measurement& m) {
  nlohmann::json json = {
      {"what", m.what}, {"where", m.where}, {"value", m.value}, {"bound", m.bound}};
  if (m.step >= 0) json["step"] = m.step;
  return json;
}

nlohmann::json Json(const Report& report) {
  nlohmann::json checks = nlohmann::json::array();
  for (size_t i = 0; i < Checks().size(); ++i) {
    nlohmann::json failures = nlohmann::json::array();
    for (const Measurement& failure : Failures(report.found[i])) failures.push_back(Json(failure));
    checks.push_back({{"check", Checks()[i].name},
                      {"meaning", Checks()[i].meaning},
                      {"ok", failures.empty()},
                      {"measurements", report.found[i].size()},
                      {"worst", Json(*Worst(report.found[i]))},
                      {"failures", std::move(failures)}});
  }
  return {{"rule", report.rule.name},
          {"device", NameOf(report.device)},
          {"params", report.rule.params},
          {"options", report.rule.options},
          {"ok", report.ok()},
          {"checks", std::move(checks)}};
}

class CheckRules : public Command {
 public:
  std::string name() const override { return "check"; }
  std::string summary() const override { return "hold memory rules to what every rule must be"; }
  std::string usage() const override {
    return "check [--rule=R [NAME=VALUE ...]] [--device=NAME] [--json]";
  }
  std::string examples() const override {
    std::string text =
        "  palimpsest check                       every rule, a line each\n"
        "  palimpsest check --rule=titans_mlp depth=3\n"
        "  palimpsest check --device=cuda         on the GPU, beside the CPU in f64\n"
        "\n"
        "Prints the worst that each check measured: an error relative to the size of what\n"
        "it is in, or how many bits or numbers are wrong. Exits with 1 if one is beyond its\n"
        "bound, after a line that says in which input and at which token. The checks:\n\n";
    for (const Check& check : Checks())
      absl::StrAppendFormat(&text, "  %-9s %s\n", check.name, WrapWords(check.meaning, 68, 12));
    return text;
  }
  void AddFlags(Flags* flags) override {
    flags->Add("rule", "R", &rule_, "the rule; every one without")
        .Add("device", "NAME", &device_, "cpu or cuda")
        .Add("json", "", &json_, "everything, as JSON");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& args) override {
    const absl::StatusOr<std::vector<RuleConfig>> rules = ParseRules(rule_, args);
    if (!rules.ok()) return rules.status();
    const absl::StatusOr<Device> device = DeviceNamed(device_);
    if (!device.ok()) return device.status();
    const bool table = !json_ && rule_.empty();
    nlohmann::json all = nlohmann::json::array();
    size_t failed = 0;
    if (table) PrintHeader();
    for (const RuleConfig& rule : *rules) {
      const Report report = Measure(rule, *device);
      if (!report.ok()) ++failed;
      if (json_) {
        all.push_back(Json(report));
        continue;
      }
      if (table) {
        PrintLine(report);
      } else {
        PrintChecks(report);
      }
      PrintFailures(report);
      std::fflush(stdout);
    }
    if (json_) std::printf("%s\n", all.dump(2).c_str());
    return failed == 0 ? 0 : 1;
  }

 private:
  static Report Measure(const RuleConfig& rule, Device device) {
    std::fflush(stdout);
    Progress progress(stderr);
    Report report{rule, device, {}};
    for (const Check& check : Checks()) {
      progress.ShowNow({Title(report), check.name, check.meaning});
      check.run(rule, {.device = device}, &report.found.emplace_back());
    }
    return report;
  }

  std::string rule_, device_ = "cpu";
  bool json_ = false;
};

}  // namespace

Command& CheckCommand() {
  static CheckRules command;
  return command;
}

}  // namespace palimpsest
