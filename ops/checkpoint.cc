#include "ops/checkpoint.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "core/op_scope.h"
#include "core/tape.h"

namespace palimpsest {
namespace {

// The cotangents of `sources`, by running f again. Outer tapes record all of it.
Tensors Recompute(const std::function<Tensors(const Tensors&)>& f, const Tensors& inputs,
                  const Tensors& sources, const Tensors& dys) {
  Tape tape;
  tape.Watch(sources);
  const Tensors outs = f(inputs);
  PALIMPSEST_CHECK(outs.size() == dys.size())
      << outs.size() << " outputs, " << dys.size() << " the first time";
  Tensors ys, given;
  for (size_t i = 0; i < outs.size(); ++i) {
    if (dys[i]) ys.push_back(outs[i]), given.push_back(dys[i]);
  }
  return tape.Gradient(ys, sources, given);
}

}  // namespace

Tensors Checkpoint(std::function<Tensors(const Tensors& inputs)> f, const Tensors& inputs) {
  const OpScope scope("checkpoint");
  Tensors used;
  Tensors outs = RunUnrecorded([&] { return f(inputs); }, &used);
  // An input is a source once, however often it was given; an output may be one, passed through.
  Tensors sources;
  absl::flat_hash_set<uint64_t> seen;
  for (const Tensors* xs : {&inputs, &std::as_const(used), &std::as_const(outs)}) {
    for (const Tensor& x : *xs) {
      if (IsTracked(x) && seen.insert(x.id()).second) sources.push_back(x);
    }
  }
  for (Tensor& out : outs) out = out.Detach();
  auto vjp = [f = std::move(f), inputs, sources](const Tensors& dys) {
    return Recompute(f, inputs, sources, dys);
  };
  return Record(std::move(outs), std::move(sources), std::move(vjp));
}

}  // namespace palimpsest
