#ifndef OPS_OPS_H_
#define OPS_OPS_H_

// All of the ops, for code that is made of them.
#include "ops/attention.h"
#include "ops/channel_sum.h"
#include "ops/checkpoint.h"
#include "ops/conv.h"
#include "ops/delta_residual.h"
#include "ops/dropout.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/loss.h"
#include "ops/newton_schulz.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "ops/rope.h"
#include "ops/softmax.h"

#endif  // OPS_OPS_H_
