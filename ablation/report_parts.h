#ifndef ABLATION_REPORT_PARTS_H_
#define ABLATION_REPORT_PARTS_H_

#include <map>
#include <string>
#include <vector>

#include "ablation/report.h"
#include "report/table.h"

namespace palimpsest {

// Lines and tables that every form of the report has. Plain text: whoever shows it escapes it.

// In a sentence or two what came out.
std::string Conclusion(const Report& report);
// "model.block.0.memory.rule.name: delta, gated_delta", a field each, of RunSet.varied.
std::vector<std::string> FieldLines(const std::map<std::string, std::vector<std::string>>& varied);
// The fields of `row` that are not as in the baseline's config.
Table ConfigDifferences(const RunSet& runs, const RunRow& row, const std::string& baseline);
// Commands, a line each.
std::string HowToReproduce(const Report& report);
// Which versions of the program the runs are of.
std::vector<std::string> Programs(const RunSet& runs);

}  // namespace palimpsest

#endif  // ABLATION_REPORT_PARTS_H_
