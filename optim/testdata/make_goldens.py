"""Writes goldens.json: what other programs make of recorded gradients, in f64.

    pip install torch numpy && python3 make_goldens.py > goldens.json

torch.optim where it has the optimizer, else reference.py. "inputs" by name have parameters and,
step by step, gradients or the pairs (x: [tokens, in], d: [tokens, out], in one or several parts)
they are sums of. A case has its inputs' name, a config (text format of OptimizerConfig) and the
parameters after each step.
"""

import json
import math
import sys

import numpy as np
import torch

import inputs
import reference as ref

# torch.optim.Muon orthogonalises in bf16. Its arithmetic is what is recorded here, in f64.
torch.bfloat16 = torch.float64


class Torch:
    """What Reference does, by torch.optim."""

    def __init__(self, make, params, **options):
        self.tensors = {n: torch.nn.Parameter(torch.tensor(p)) for n, p in params.items()}
        self.optimizer = make(list(self.tensors.values()), **options)

    def clipped(self, grads, pairs):
        return grads

    def step(self, grads, pairs=None, lr=None, scale=1.0):
        for n, p in self.tensors.items():
            p.grad = scale * torch.tensor(grads[n])
        for group in self.optimizer.param_groups:
            group["lr"] = group["lr"] if lr is None else lr
        self.optimizer.step()

    @property
    def params(self):
        return {n: p.detach().numpy() for n, p in self.tensors.items()}


class Split:
    """Two optimizers: one for the parameters named, one for the rest."""

    def __init__(self, names, mine, other, params):
        self.names = names
        self.mine = mine({n: p for n, p in params.items() if n in names})
        self.other = other({n: p for n, p in params.items() if n not in names})

    def step(self, grads, pairs=None, lr=None, scale=1.0):
        self.mine.step({n: g for n, g in grads.items() if n in self.names}, pairs, lr, scale)
        self.other.step({n: g for n, g in grads.items() if n not in self.names}, pairs, lr, scale)

    @property
    def params(self):
        return {**self.mine.params, **self.other.params}


def by_torch(rule, **options):
    return lambda params: Torch(rule, params, **options)


def by_reference(rule, **options):
    return lambda params: ref.Reference(rule, params, **options)


def cosine(lr):
    """3 steps of warmup, then down to a tenth at step 12."""
    return lambda step: lr * (
        (step + 1) / 3 if step < 3 else 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (step - 3) / 9))
    )


COSINE = {"kind": "COSINE", "warmup_steps": 3, "total_steps": 12, "min_ratio": 0.1}


def text(config):
    """Text format of a message; enums are strings in capitals."""

    def value(x):
        if isinstance(x, dict):
            return " {" + text(x) + "}"
        return ": " + (x if isinstance(x, str) and x.isupper() else json.dumps(x))

    fields = [(n, x) for n, xs in config.items() for x in (xs if isinstance(xs, list) else [xs])]
    return " ".join(name + value(x) for name, x in fields)


def record(case, given, steps, make, config, clip_norm=0.0, lr_at=None):
    if clip_norm:
        config = {**config, "clip_norm": clip_norm}
    if lr_at:
        config = {**config, "schedule": COSINE}
    optimizer, after, norms = make(given.params), [], []
    for step, grads in enumerate(given.grads[:steps]):
        pairs, scale = given.pairs[step] if given.parts else None, 1.0
        if clip_norm:
            clipped = optimizer.clipped(grads, pairs).values()
            norms.append(math.sqrt(sum(float(np.sum(g * g)) for g in clipped)))
            scale = min(1.0, clip_norm / (norms[-1] + 1e-6))  # torch.nn.utils.clip_grad_norm_
        optimizer.step(grads, pairs, lr_at(step) if lr_at else None, scale)
        after.append(inputs.flat(optimizer.params))
    return {
        "name": case,
        "inputs": given.name,
        "config": text(config),
        "after": after,
        "norms": norms,
    }


def case(suffix, rule, given, steps, clip_norm=0.0, schedule=False, **hypers):
    """Of reference.py; the hyper-parameters have the names of the config."""
    name = rule.__name__
    config = {"name": name, **hypers}
    lr_at = cosine(hypers["lr"]) if schedule else None
    make = by_reference(rule, **hypers)
    return record(name + suffix, given, steps, make, config, clip_norm, lr_at)


matrices = inputs.Gradients(
    "matrices", {"a.weight": (3, 5), "b.weight": (4, 1), "c.weight": (2, 2)}
)
model = inputs.Gradients(
    "a model", {"a.weight": (3, 2), "a.bias": (3,), "embedding.weight": (4, 2)}
)
layers = inputs.Layers("layers", {"up.weight": (5, 3), "down.weight": (2, 5)}, [4])
parts = inputs.Layers("in parts", {"up.weight": (5, 3), "down.weight": (2, 5)}, [3, 5])


def adamw_cases():
    make = torch.optim.AdamW
    yield record("adamw", matrices, 20, by_torch(make), {"name": "adamw"})
    others = {"lr": 0.02, "eps": 1e-6, "weight_decay": 0.1}
    yield record(
        "adamw_values",
        matrices,
        20,
        by_torch(make, betas=(0.8, 0.95), **others),
        {"name": "adamw", "beta1": 0.8, "beta2": 0.95, **others},
    )
    no_average = by_torch(make, betas=(0.0, 0.999))
    yield record("adamw_beta1_0", matrices, 4, no_average, {"name": "adamw", "beta1": 0.0})
    config = {"name": "adamw", "lr": 0.02}
    yield record("adamw_clip_cosine", matrices, 12, by_torch(make), config, 1.0, cosine(0.02))


def sgd_cases():
    momentum = {"name": "momentum"}
    for name, defaults, options in [
        ("sgd", {"lr": 0.01}, {}),
        ("sgd_decay", {}, {"lr": 0.1, "weight_decay": 0.2}),
        ("sgd_momentum", {}, {"lr": 0.1, "momentum": 0.9}),
        ("sgd_dampening", {}, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
        ("momentum", {"lr": 0.01, "momentum": 0.9}, {}),
        (
            "momentum_nesterov",
            {"momentum": 0.9},
            {"lr": 0.1, "nesterov": True, "weight_decay": 0.01},
        ),
    ]:
        config = {"name": name.split("_")[0], **options}
        yield record(name, matrices, 10, by_torch(torch.optim.SGD, **defaults, **options), config)


def muon_cases():
    for scale, torch_scale, options in [
        ("ORIGINAL", "original", {"weight_decay": 0.1}),
        ("MATCH_RMS_ADAMW", "match_rms_adamw", {"momentum": 0.9, "nesterov": False}),
        ("SPECTRAL", "spectral_unclamped", {}),
    ]:
        of_torch = {"lr": 0.02, "weight_decay": 0.0, "adjust_lr_fn": torch_scale, **options}
        config = {"name": "muon", "shape_scale": scale, **options}
        name = "muon_" + scale.lower()
        yield record(name, matrices, 8, by_torch(torch.optim.Muon, **of_torch), config)
    yield case("_unscaled", ref.muon, matrices, 6, shape_scale="UNSCALED")
    for table in ref.TABLES:
        for steps in (3, 8):
            suffix, options = f"_{table.lower()}_{steps}", {"newton_schulz_steps": steps}
            yield case(suffix, ref.muon, matrices, 6, newton_schulz=table, **options)
    auxiliary = by_torch(torch.optim.AdamW, lr=3e-4, betas=(0.9, 0.95), eps=1e-10, weight_decay=0.0)
    yield record(
        "muon_auxiliary",
        model,
        10,
        lambda params: Split(["a.weight"], by_reference(ref.muon), auxiliary, params),
        {"name": "muon"},
    )


def other_cases():
    yield case("", ref.lion, matrices, 10)
    yield case("_values", ref.lion, matrices, 10, lr=0.01, beta1=0.8, beta2=0.7, weight_decay=0.5)
    values = {"lr": 0.1, "momentum": 0.8, "nesterov": False, "eps": 1e-3, "weight_decay": 0.1}
    polar = {"newton_schulz": "POLAR_EXPRESS", "shape_scale": "MATCH_RMS_ADAMW"}
    yield case("", ref.normuon, matrices, 12)
    yield case("_values", ref.normuon, matrices, 12, beta2=0.5, **polar, **values)
    yield case("", ref.adamuon, matrices, 12)
    yield case("_values", ref.adamuon, matrices, 12, newton_schulz="DION", **values)


def m3_cases():
    yield case("", ref.m3, matrices, 13)
    yield case("_period", ref.m3, matrices, 13, period=3)
    values = {"lr": 0.01, "beta1": 0.8, "beta2": 0.9, "beta3": 0.5, "alpha": 0.7, "eps": 1e-3}
    newton_schulz = {"newton_schulz_steps": 3, "shape_scale": "ORIGINAL"}
    yield case(
        "_values", ref.m3, matrices, 13, period=3, weight_decay=0.1, **newton_schulz, **values
    )
    yield case("_no_second_moment", ref.m3, matrices, 13, period=3, second_moment="NONE")
    yield case("_of_the_update", ref.m3, matrices, 13, period=3, second_moment="UPDATE")
    yield case("_as_printed", ref.m3, matrices, 13, period=3, as_printed=True)


def adaptive_cases():
    schedule = {"clip_norm": 1.0, "schedule": True, "lr": 0.02}
    yield case("", ref.am_mgd, matrices, 15)
    values = {"lr": 0.1, "momentum": 0.8, "lambda": 0.5, "weight_decay": 0.1}
    yield case("_values", ref.am_mgd, model, 15, **values)
    yield case("_per_tensor", ref.am_mgd, model, 15, per_tensor=True, weight_decay=0.1)
    yield case("_clip_cosine", ref.am_mgd, matrices, 12, **schedule)
    yield case("", ref.am_adamw, matrices, 15)
    values = {
        "lr": 0.1,
        "beta1": 0.7,
        "beta2": 0.9,
        "eps": 1e-3,
        "lambda": 5.0,
        "weight_decay": 0.1,
    }
    yield case("_values", ref.am_adamw, model, 15, **values)
    yield case("_clip_cosine", ref.am_adamw, matrices, 12, **schedule)


def activation_cases():
    schedule = {"clip_norm": 1.0, "schedule": True, "lr": 0.02}
    values = {"lr": 0.1, "momentum": 0.8, "eta": 0.9, "weight_decay": 0.1}
    yield case("", ref.delta_sgd, layers, 15)
    yield case("_values_in_parts", ref.delta_sgd, parts, 12, clip_norm=2.0, **values)
    yield case("", ref.delta_adamw, layers, 15)
    keys = {"second_moment": "NORMALIZED_KEYS"}
    yield case("_keys", ref.delta_adamw, layers, 12, weight_decay=0.3, eps=1e-4, **keys)
    yield case("_clip_cosine_in_parts", ref.delta_adamw, parts, 12, **schedule)
    yield case("_keys_clip_cosine_in_parts", ref.delta_adamw, parts, 12, **keys, **schedule)
    direct = {"contraction": "DIRECT"}  # The order of products, which the reference has not.
    yield case("_direct", ref.delta_sgd, layers, 12, **direct)
    yield case("_direct_in_parts", ref.delta_adamw, parts, 12, **direct, **keys)
    yield case("", ref.delta_muon, layers, 12)
    tables = {"newton_schulz": "POLAR_EXPRESS", "shape_scale": "SPECTRAL", "nesterov": False}
    yield case("_values_in_parts", ref.delta_muon, parts, 12, **tables, **values)
    yield case("", ref.dgd, layers, 12)
    yield case("_values_in_parts", ref.dgd, parts, 12, lr=0.3, weight_decay=0.1)


def chain_cases():
    ema, hope = {"kind": "ema"}, {"kind": "hope_delta", "eta": 0.2}
    fast, slow = {**ema, "keep": 0.5}, {**ema, "keep": 0.8, "eta": 0.3, "period": 3}
    values = {"lr": 0.1, "weight_decay": 0.1}
    for suffix, steps, levels in [
        ("_of_averages", 12, [{**fast, "corrected": True}, {**slow, "corrected": True}]),
        ("_of_features", 6, [{**fast, "features": "TANH"}, {**ema, "features": "CUBE"}]),
        ("_of_signs", 12, [{**fast, "nesterov": True, "output": "SIGN"}, slow]),
        ("_of_rows", 12, [{**ema, "nesterov": True}, {**slow, "output": "ROW_UNIT"}]),
        ("_of_factors", 12, [{**ema, "output": "NEWTON_SCHULZ"}]),
        ("_hope_matrix", 6, [{**hope, "reading": "MATRIX", "preconditioner": "ROW_NORM"}]),
        ("_hope_scalar", 10, [{**hope, "reading": "SCALAR", "decay_scale": 0.05}]),
        ("_hope_vector", 6, [{**hope, "reading": "VECTOR", "keep": 0.7, "decay_scale": 0.1}]),
    ]:
        yield case(suffix, ref.chain, matrices, steps, level=levels, **values)
    weighted = [{**fast, "weight": 0.5}, {**slow, "weight": -2.0}, {**hope, "reading": "SCALAR"}]
    yield case("_summed", ref.chain, matrices, 12, level=weighted, summed=True, **values)


GROUPS = [
    adamw_cases,
    sgd_cases,
    muon_cases,
    other_cases,
    m3_cases,
    adaptive_cases,
    activation_cases,
    chain_cases,
]
if __name__ == "__main__":
    # An input or a case a line.
    given = [
        f"{json.dumps(i.name)}: {json.dumps(i.json())}" for i in (matrices, model, layers, parts)
    ]
    cases = [json.dumps(case) for make_cases in GROUPS for case in make_cases()]
    sys.stdout.write('{"inputs": {\n' + ",\n".join(given) + '\n}, "cases": [\n')
    sys.stdout.write(",\n".join(cases) + "\n]}\n")
