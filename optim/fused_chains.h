#ifndef OPTIM_FUSED_CHAINS_H_
#define OPTIM_FUSED_CHAINS_H_

#include "optim/chain.h"

namespace palimpsest {

// Chains by name, each in a pass or two over a parameter and its state.
extern const Chain::Fused kFusedSgd, kFusedAdamW, kFusedLion, kFusedAmMgd, kFusedAmAdamW;

}  // namespace palimpsest

#endif  // OPTIM_FUSED_CHAINS_H_
