#ifndef OPTIM_NAMED_CHAINS_H_
#define OPTIM_NAMED_CHAINS_H_

#include <string>

#include "optim/optimizers.h"

namespace palimpsest {

// The chains of the optimizers by name, and what is wrong with values that are in range one by one.
Chain MakeSgd(const HyperValues& values);
std::string SgdConflict(const HyperValues& values);
Chain MakeAdamW(const HyperValues& values);
Chain MakeLion(const HyperValues& values);
Chain MakeAmMgd(const HyperValues& values);
Chain MakeAmAdamW(const HyperValues& values);

Chain MakeMuon(const HyperValues& values);
Chain MakeNorMuon(const HyperValues& values);
Chain MakeAdaMuon(const HyperValues& values);
Chain MakeM3(const HyperValues& values);
std::string M3Conflict(const HyperValues& values);

Chain MakeDeltaSgd(const HyperValues& values);
Chain MakeDeltaAdamW(const HyperValues& values);
std::string DeltaAdamWConflict(const HyperValues& values);
Chain MakeDeltaMuon(const HyperValues& values);
std::string DeltaMuonConflict(const HyperValues& values);
Chain MakeDmgd(const HyperValues& values);
std::string DmgdConflict(const HyperValues& values);
Chain MakeDgd(const HyperValues& values);

}  // namespace palimpsest

#endif  // OPTIM_NAMED_CHAINS_H_
