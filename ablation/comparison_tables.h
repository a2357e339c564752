#ifndef ABLATION_COMPARISON_TABLES_H_
#define ABLATION_COMPARISON_TABLES_H_

#include "ablation/comparison.h"
#include "report/table.h"

namespace palimpsest {

// Mean, spread, difference to the baseline and verdict, row by row.
Table ResultTable(const Comparison& comparison);
// What each row costs: parameters, state, FLOPs, time. In the same order.
Table CostTable(const Comparison& comparison);
// Every run, and what became of it.
Table RunsTable(const RunSet& runs);
// Those that are not complete, or have damaged files, and why; without rows if all are whole.
Table LostRunsTable(const RunSet& runs);

}  // namespace palimpsest

#endif  // ABLATION_COMPARISON_TABLES_H_
