#ifndef ABLATION_REPORT_LEVELS_H_
#define ABLATION_REPORT_LEVELS_H_

#include <string>
#include <vector>

#include "ablation/run_set.h"
#include "report/heat_map.h"
#include "report/table.h"

namespace palimpsest {

// A statistic of a level: PATH.update_ratio, PATH.updates.
bool IsOfLevel(const std::string& statistic);

// How much each level is updated (|write| / |weights|, mean over seeds) as training goes on: a map
// for each row that has levels.
std::vector<HeatMap> LivenessMaps(const RunSet& runs);
// Of each level: how often and how much, and whether it is dead. Without rows where no model has
// levels.
Table LivenessTable(const RunSet& runs);

}  // namespace palimpsest

#endif  // ABLATION_REPORT_LEVELS_H_
