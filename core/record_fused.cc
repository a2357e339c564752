#include <utility>

#include "core/tape.h"

namespace palimpsest {
namespace {

thread_local constinit int composed_scopes = 0;

// The same values under ids of their own; tapes that track a tensor track its alias.
Tensors Aliases(const Tensors& xs) {
  Tensors aliases;
  for (const Tensor& x : xs) {
    aliases.push_back(x ? Record(x.Detach(), {{x, [](const Tensor& dy) { return dy; }}})
                        : Tensor());
  }
  return aliases;
}

// The gradient of (inputs, dys) -> vjp of `composed`, for cotangents ddxs of the gradients that
// exist. By way of aliases, lest a tensor given twice gets the gradient of both its places at each.
Tensors SecondVjp(const std::function<Tensors(const Tensors&)>& composed,
                  const Tensors& given_inputs, const Tensors& given_dys,
                  const std::vector<bool>& has_dx, const Tensors& ddxs) {
  const Tensors inputs = Aliases(given_inputs), dys = Aliases(given_dys);
  Tensors all = inputs, ys, given;
  for (const Tensor& dy : dys) {
    if (dy) all.push_back(dy);
  }
  Tape outer;
  outer.Watch(all);
  Tensors dxs;
  {
    Tape inner;
    inner.Watch(inputs);
    const Tensors outs = composed(inputs);
    for (size_t i = 0; i < dys.size(); ++i) {
      if (dys[i]) ys.push_back(outs[i]), given.push_back(dys[i]);
    }
    dxs = inner.Gradient(ys, inputs, given);
  }
  Tensors with_cotangent, cotangents;
  for (size_t i = 0, j = 0; i < dxs.size(); ++i) {
    if (!has_dx[i]) continue;
    if (ddxs[j]) with_cotangent.push_back(dxs[i]), cotangents.push_back(ddxs[j]);
    ++j;
  }
  return outer.Gradient(with_cotangent, all, cotangents);
}

}  // namespace

Tensors RecordFused(Tensors outs, Tensors inputs, JointVjp fused_vjp,
                    std::function<Tensors(const Tensors& inputs)> composed) {
  if (composed_scopes > 0) return composed(inputs);
  JointVjp vjp = [inputs, fused_vjp = std::move(fused_vjp),
                  composed = std::move(composed)](const Tensors& dys) {
    Tensors dxs = RunUnrecorded([&] { return fused_vjp(dys); });
    Tensors made, all = inputs;
    std::vector<bool> has_dx;
    for (Tensor& dx : dxs) {
      // An id of its own, should the kernel have passed a tensor through.
      if (dx) dx = dx.Detach(), made.push_back(dx);
      has_dx.push_back(static_cast<bool>(dx));
    }
    for (const Tensor& dy : dys) {
      if (dy) all.push_back(dy);
    }
    Record(std::move(made), std::move(all),
           [=](const Tensors& ddxs) { return SecondVjp(composed, inputs, dys, has_dx, ddxs); });
    return dxs;
  };
  return Record(std::move(outs), std::move(inputs), std::move(vjp));
}

ComposedScope::ComposedScope() { ++composed_scopes; }
ComposedScope::~ComposedScope() { --composed_scopes; }
bool ComposedScope::Active() { return composed_scopes > 0; }

}  // namespace palimpsest
