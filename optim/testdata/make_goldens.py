"""Writes goldens.json: what torch.optim makes of recorded gradients, in f64.

    pip install torch && python3 make_goldens.py > goldens.json

Each case has a config (text format of OptimizerConfig), the parameters, the gradients of each step, and
the parameters after each step.
"""
import json
import math
import sys

import torch

# torch.optim.Muon orthogonalises in bf16. Its arithmetic is what is recorded here, in f64.
torch.bfloat16 = torch.float64

SHAPES = {"a.weight": (2, 3), "b.weight": (3, 1), "c.weight": (2, 2)}


def matrices(generator, scale):
    return {
        name: scale * torch.randn(shape, generator=generator, dtype=torch.float64)
        for name, shape in SHAPES.items()
    }


def record(name, config, make, steps, clip=0.0, lr_at=None):
    generator = torch.Generator().manual_seed(len(name))
    params = {n: torch.nn.Parameter(p) for n, p in matrices(generator, 1.0).items()}
    start = {n: p.detach().clone() for n, p in params.items()}
    optimizer = make(list(params.values()))
    grads, after, norms = [], [], []
    for step in range(steps):
        # A gradient of the size of 10^-step % 3: second moments see different scales.
        g = matrices(generator, 10.0 ** -(step % 3))
        g["c.weight"][0] = 0.0  # A row that never has a gradient.
        for n, p in params.items():
            p.grad = g[n].clone()
        if clip:
            norms.append(float(torch.nn.utils.clip_grad_norm_(params.values(), clip)))
        if lr_at:
            for group in optimizer.param_groups:
                group["lr"] = lr_at(step)
        optimizer.step()
        grads.append(g)
        after.append({n: p.detach().clone() for n, p in params.items()})

    def lists(tensors):
        return {n: x.flatten().tolist() for n, x in tensors.items()}

    return {
        "name": name,
        "config": config,
        "shapes": SHAPES,
        "params": lists(start),
        "grads": [lists(g) for g in grads],
        "after": [lists(a) for a in after],
        "norms": norms,
    }


def adamw(**options):
    return lambda params: torch.optim.AdamW(params, **options)


def sgd(**options):
    return lambda params: torch.optim.SGD(params, **options)


def muon(**options):
    return lambda params: torch.optim.Muon(params, **options)


def cosine(step):
    """3 steps of warmup, then down to a tenth at step 12."""
    if step < 3:
        return 0.02 * (step + 1) / 3
    return 0.02 * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (step - 3) / 9)))


CASES = [
    record("adamw", 'name: "adamw"', adamw(), 20),
    record(
        "adamw_values",
        'name: "adamw" lr: 0.02 beta1: 0.8 beta2: 0.95 eps: 1e-6 weight_decay: 0.1',
        adamw(lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
        20,
    ),
    record("adamw_beta1_0", 'name: "adamw" beta1: 0', adamw(betas=(0.0, 0.999)), 4),
    record(
        "adamw_clip_cosine",
        'name: "adamw" lr: 0.02 clip_norm: 1 '
        "schedule { kind: COSINE warmup_steps: 3 total_steps: 12 min_ratio: 0.1 }",
        adamw(lr=0.02),
        12,
        clip=1.0,
        lr_at=cosine,
    ),
    record("sgd", 'name: "sgd" lr: 0.1', sgd(lr=0.1), 4),
    record("sgd_decay", 'name: "sgd" lr: 0.1 weight_decay: 0.2', sgd(lr=0.1, weight_decay=0.2), 4),
    record("sgd_momentum", 'name: "sgd" lr: 0.1 momentum: 0.9', sgd(lr=0.1, momentum=0.9), 10),
    record(
        "sgd_dampening",
        'name: "sgd" lr: 0.1 momentum: 0.9 dampening: 0.3 weight_decay: 0.01',
        sgd(lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.01),
        10,
    ),
    record(
        "sgd_nesterov",
        'name: "sgd" lr: 0.1 momentum: 0.8 nesterov: true weight_decay: 0.01',
        sgd(lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.01),
        10,
    ),
    record(
        "muon_original",
        'name: "muon" lr: 0.02 weight_decay: 0.1',
        muon(lr=0.02, weight_decay=0.1, adjust_lr_fn="original"),
        6,
    ),
    record(
        "muon_match_rms_adamw",
        'name: "muon" lr: 0.02 momentum: 0.9 nesterov: false shape_scale: MATCH_RMS_ADAMW',
        muon(lr=0.02, momentum=0.9, nesterov=False, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
        6,
    ),
    record(
        "muon_spectral",
        'name: "muon" lr: 0.02 newton_schulz_steps: 3 shape_scale: SPECTRAL',
        muon(lr=0.02, weight_decay=0.0, ns_steps=3, adjust_lr_fn="spectral_unclamped"),
        6,
    ),
]

# One case a line.
sys.stdout.write("[\n" + ",\n".join(json.dumps(case) for case in CASES) + "\n]\n")
