"""The optimizers PyTorch does not have, in numpy, from the equations of their papers.

A rule takes one parameter a step on: rule(p, g, s, t, h, pair), where s is a dict of its own, empty
at first, t counts from 1, h are the hyper-parameters (h["lr"] that of the step) and pair is
(X, D, scale): inputs and output gradients of the layer p, and what clipping multiplies them by.
"""

import math

import numpy as np

JORDAN = [(3.4445, -4.7750, 2.0315)]
POLAR_EXPRESS = [
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.8750014808534479, -1.2500016453999487, 0.3750001645474248),
    (1.875, -1.25, 0.375),
]
DION = [
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
]
MODDED_NANOGPT = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
]
# All but the last polynomial are shrunk by a safety factor of 1.01.
SAFE_POLAR_EXPRESS = [
    (a / 1.01, b / 1.01**3, c / 1.01**5) for a, b, c in POLAR_EXPRESS[:-1]
] + POLAR_EXPRESS[-1:]
# The polynomials, and what the norm is multiplied by first.
TABLES = {
    "JORDAN": (JORDAN, 1.0),
    "POLAR_EXPRESS": (SAFE_POLAR_EXPRESS, 1.01),
    "DION": (DION, 1.0),
    "MODDED_NANOGPT": (MODDED_NANOGPT, 1.02),
}


def newton_schulz(u, steps=5, table="JORDAN"):
    """A norm of 0 is guarded as in torch.optim.Muon; others add 1e-7 or 1e-6 to it."""
    polynomials, margin = TABLES[table]
    z = u / (margin * max(np.linalg.norm(u), 1e-7))
    tall = u.shape[0] > u.shape[1]
    z = z.T if tall else z
    for i in range(steps):
        a, b, c = polynomials[min(i, len(polynomials) - 1)]
        gram = z @ z.T
        z = a * z + (b * gram + c * gram @ gram) @ z
    return z.T if tall else z


def shape_scale(kind, shape):
    m, n = shape
    return {
        "ORIGINAL": math.sqrt(max(1.0, m / n)),
        "MATCH_RMS_ADAMW": 0.2 * math.sqrt(max(m, n)),
        "SPECTRAL": math.sqrt(m / n),
        "UNSCALED": 1.0,
    }[kind]


def decayed(p, h):
    return (1.0 - h["lr"] * h["weight_decay"]) * p


def slot(s, name, like):
    return s.get(name, np.zeros_like(like))


def lion(p, g, s, t, h, pair):
    """Chen et al. 2023."""
    m = slot(s, "m", g)
    u = np.sign(h["beta1"] * m + (1.0 - h["beta1"]) * g)
    s["m"] = h["beta2"] * m + (1.0 - h["beta2"]) * g
    return decayed(p, h) - h["lr"] * u


def muon_momentum(g, s, h):
    mu = h["momentum"]
    s["m"] = mu * slot(s, "m", g) + (1.0 - mu) * g
    return mu * s["m"] + (1.0 - mu) * g if h["nesterov"] else s["m"]


def muon(p, g, s, t, h, pair):
    """Jordan et al. 2024."""
    o = newton_schulz(muon_momentum(g, s, h), h["newton_schulz_steps"], h["newton_schulz"])
    return decayed(p, h) - h["lr"] * shape_scale(h["shape_scale"], p.shape) * o


def normuon(p, g, s, t, h, pair):
    """Li et al. 2025: Muon, each row divided by its average size."""
    o = newton_schulz(muon_momentum(g, s, h), h["newton_schulz_steps"], h["newton_schulz"])
    rows = np.mean(o * o, axis=1, keepdims=True)
    s["v"] = h["beta2"] * slot(s, "v", rows) + (1.0 - h["beta2"]) * rows
    even = o / (np.sqrt(s["v"]) + h["eps"])
    if np.any(even):
        even *= np.linalg.norm(o) / np.linalg.norm(even)
    return decayed(p, h) - h["lr"] * shape_scale(h["shape_scale"], p.shape) * even


def adamuon(p, g, s, t, h, pair):
    """Si et al. 2025: the sign of the momentum, orthogonal, divided element by element."""
    o = newton_schulz(np.sign(muon_momentum(g, s, h)), h["newton_schulz_steps"], h["newton_schulz"])
    s["v"] = h["momentum"] * slot(s, "v", o) + (1.0 - h["momentum"]) * o * o
    even = o / (np.sqrt(s["v"]) + h["eps"])
    even *= 0.2 * math.sqrt(p.size) / (np.linalg.norm(even) + h["eps"])
    return decayed(p, h) - h["lr"] * even


def m3(p, g, s, t, h, pair):
    """Behrouz et al. 2025, Algorithm 1, its sums read as averages unless as_printed."""
    fast, slow, square = slot(s, "m1", g), slot(s, "m2", g), slot(s, "v", g)
    slow_read = newton_schulz(slow, h["newton_schulz_steps"])
    s["sum"] = slot(s, "sum", g) + g

    def kept(keep, old, new):
        return old + keep * new if h["as_printed"] else keep * old + (1.0 - keep) * new

    s["m1"] = kept(h["beta1"], fast, g)
    u = newton_schulz(s["m1"], h["newton_schulz_steps"]) + h["alpha"] * slow_read
    if t % h["period"] == 0:
        s["m2"] = kept(h["beta3"], slow, s.pop("sum"))
    if h["second_moment"] != "NONE":
        squared = u * u if h["second_moment"] == "UPDATE" else g * g
        s["v"] = kept(h["beta2"], square, squared)
        correction = 1.0 if h["as_printed"] else 1.0 - h["beta2"] ** t
        u = u / (np.sqrt(s["v"] / correction) + h["eps"])
    return decayed(p, h) - h["lr"] * shape_scale(h["shape_scale"], p.shape) * u


def unit_rows(x):
    return x / np.sqrt(np.sum(x * x, axis=1, keepdims=True) + 1e-12)


def delta_write(m, pair, keep, eta):
    """keep M + eta (Ghat - M Sigma), token by token; the rows of D hold the gradient of a mean."""
    x, d, scale = pair
    keys = unit_rows(x)
    new = keep * m
    for key, error in zip(keys, d):
        new = new + eta * np.outer(scale * error - m @ key / len(keys), key)
    return new


def delta_sgd(p, g, s, t, h, pair):
    """Hong & Qu 2026, DeltaMomentum."""
    s["m"] = delta_write(slot(s, "m", g), pair, h["momentum"], h["eta"])
    return decayed(p, h) - h["lr"] * s["m"]


def delta_adamw(p, g, s, t, h, pair):
    s["m"] = delta_write(slot(s, "m", g), pair, h["beta1"], h["eta"])
    if h["second_moment"] == "NORMALIZED_KEYS":
        x, d, scale = pair
        g = scale * d.T @ unit_rows(x)
    s["v"] = h["beta2"] * slot(s, "v", g) + (1.0 - h["beta2"]) * g * g
    first, second = 1.0 - h["beta1"] ** t, 1.0 - h["beta2"] ** t
    return decayed(p, h) - h["lr"] * (s["m"] / first) / (np.sqrt(s["v"] / second) + h["eps"])


def delta_muon(p, g, s, t, h, pair):
    s["m"] = delta_write(slot(s, "m", g), pair, h["momentum"], h["eta"])
    u = delta_write(s["m"], pair, h["momentum"], h["eta"]) if h["nesterov"] else s["m"]
    o = newton_schulz(u, h["newton_schulz_steps"], h["newton_schulz"])
    return decayed(p, h) - h["lr"] * shape_scale(h["shape_scale"], p.shape) * o


def dgd(p, g, s, t, h, pair):
    """Behrouz et al. 2025: the proximal step of 1/2 |W x - u|^2 with u = -d, in closed form."""
    x, d, scale = pair
    new = decayed(p, h)
    for key, error in zip(x, d):
        step = h["lr"] / (1.0 + h["lr"] * key @ key)
        new = new - step / len(x) * np.outer(p @ key + len(x) * scale * error, key)
    return new


def am_beta(pairs, h):
    """Topollai & Choromanska 2025: the weight of plane M, of all parameters together."""
    den = sum(np.sum((d - g) ** 2) for g, d in pairs)
    num = sum(
        (1.0 + h["lambda"]) * np.sum(g * d) - np.sum((d - g) * (g + h["lambda"] * d))
        for g, d in pairs
    )
    return min(max(num / den, 0.0), h["momentum"]) if den > 0.0 else 0.0


def am_mgd(params, grads, states, t, h, pairs):
    """All parameters at once: they share beta, unless per_tensor."""
    coupled = {
        n: grads[n] + (h["weight_decay"] * p if p.ndim > 1 else 0.0) for n, p in params.items()
    }
    if t > 1:
        everything = {n: (g, states[n]["d"]) for n, g in coupled.items()}
    new = {}
    for n, g in coupled.items():
        if t == 1:
            states[n]["d"] = g
        else:
            beta = am_beta([everything[n]] if h["per_tensor"] else everything.values(), h)
            old = everything[n][1]
            states[n]["d"] = ((beta + h["lambda"]) * old + (1.0 - beta) * g) / (1.0 + h["lambda"])
        new[n] = params[n] - h["lr"] * states[n]["d"]
    return new


def am_adamw(p, g, s, t, h, pair):
    """Topollai & Choromanska 2025, Algorithm 3, a beta for each tensor."""
    lr, lam, most = h["lr"], h["lambda"], h["beta1"]
    mu = h["weight_decay"] if p.ndim > 1 else 0.0
    d = slot(s, "d", g)
    product = s.get("product", 1.0)
    s["v"] = h["beta2"] * slot(s, "v", g) + (1.0 - h["beta2"]) * g * g
    scale = (1.0 - most * product) * (np.sqrt(s["v"] / (1.0 - h["beta2"] ** t)) + h["eps"])
    beta = most
    if t > 1:
        metric = 1.0 / (scale * (1.0 + lam * scale))
        gap = s["lr"] * np.sum(g * (d / scale + mu * p))
        num = (1.0 + mu * lr) * gap / lr if lr > 0.0 else 0.0
        num -= np.sum((d - g) * (g + lam * scale * d) * metric) + mu * np.sum(p * (d - g))
        den = np.sum((d - g) ** 2 * metric)
        beta = min(max(num / den, 0.0), most) if den > 0.0 else 0.0
    s["d"] = ((1.0 - beta) * g + (lam * scale + beta) * d) / (1.0 + lam * scale)
    s["product"], s["lr"] = product * beta, lr
    return (1.0 - mu * lr) * p - lr * s["d"] / scale


LEVEL = {
    **{"keep": 0.9, "nesterov": False, "corrected": False, "period": 1, "weight": 1.0},
    **{"features": "LINEAR", "output": "AS_READ", "preconditioner": "IDENTITY"},
}
FEATURES = {"LINEAR": lambda x: x, "TANH": np.tanh, "CUBE": lambda x: x**3}
OUTPUTS = {
    **{"AS_READ": lambda x: x, "SIGN": np.sign, "NEWTON_SCHULZ": newton_schulz},
    "ROW_UNIT": lambda x: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300),
}


def level_write(m, g, o):
    g = FEATURES[o["features"]](g)
    if o["kind"] == "ema":
        return o["keep"] * m + o.get("eta", 1.0 - o["keep"]) * g
    scale = o.get("decay_scale", o["eta"])  # Nested Learning, eq. 49, in three readings.
    if o["reading"] == "MATRIX":
        kept = o["keep"] * m - scale * m @ g.T @ g
    elif o["reading"] == "SCALAR":
        kept = min(max(o["keep"] - scale * np.sum(g * g), 1e-6), 1.0 - 1e-6) * m
    else:
        kept = o["keep"] * m - scale * np.sum(g * m) * g
    if o["preconditioner"] == "ROW_NORM":
        g = OUTPUTS["ROW_UNIT"](g)
    return kept + o["eta"] * g


def level_read(g, s, t, o):
    s["sum"] = slot(s, "sum", g) + g
    if t % o["period"] == 0:
        s["m"] = level_write(slot(s, "m", g), s.pop("sum"), o)
    m = slot(s, "m", g)
    m = level_write(m, g, o) if o["nesterov"] else m
    if o["corrected"]:
        m = m / (1.0 - o["keep"] ** max(t // o["period"], 1))
    return OUTPUTS[o["output"]](m)


def chain(p, g, s, t, h, pair):
    """Levels each of which sees what the one before it read or, summed, all the gradient."""
    u, total = g, 0.0
    for i, options in enumerate(h["level"]):
        o = {**LEVEL, **options}
        read = level_read(g if h["summed"] else u, s.setdefault(i, {}), t, o)
        u, total = read, total + o["weight"] * read
    return decayed(p, h) - h["lr"] * (total if h["summed"] else u)


DEFAULTS = {
    lion: {"lr": 1e-4, "beta1": 0.9, "beta2": 0.99},
    muon: {"lr": 0.02, "momentum": 0.95, "nesterov": True},
    normuon: {"lr": 0.02, "momentum": 0.95, "nesterov": True, "beta2": 0.95, "eps": 1e-8},
    adamuon: {"lr": 1e-3, "momentum": 0.95, "nesterov": True, "eps": 1e-8},
    m3: {
        **{"lr": 1e-3, "beta1": 0.95, "beta2": 0.999, "beta3": 0.95, "eps": 1e-8, "alpha": 0.1},
        **{
            "period": 10,
            "as_printed": False,
            "second_moment": "GRADIENT",
            "shape_scale": "UNSCALED",
        },
    },
    delta_sgd: {"lr": 1e-2, "momentum": 0.99, "eta": 0.4},
    delta_adamw: {
        **{"lr": 1e-4, "beta1": 0.99, "beta2": 0.999, "eps": 1e-8, "eta": 0.4},
        **{"weight_decay": 0.01, "second_moment": "GRADIENT"},
    },
    delta_muon: {"lr": 0.02, "momentum": 0.99, "eta": 0.4, "nesterov": True},
    am_mgd: {"lr": 1e-2, "momentum": 0.9, "lambda": 0.1, "per_tensor": False},
    am_adamw: {
        **{"lr": 1e-3, "beta1": 0.89, "beta2": 0.999, "eps": 1e-8, "lambda": 0.1},
        "weight_decay": 0.01,
    },
    dgd: {"lr": 1e-2},
    chain: {"lr": 1e-3, "summed": False},
}
MATRICES = {"newton_schulz_steps": 5, "newton_schulz": "JORDAN", "shape_scale": "ORIGINAL"}


class Reference:
    """An optimizer over named parameters; step(grads, pairs, lr, scale) takes them a step on."""

    def __init__(self, rule, params, **hypers):
        self.rule, self.params, self.t = rule, {n: p.copy() for n, p in params.items()}, 0
        self.hypers = {"weight_decay": 0.0, **MATRICES, **DEFAULTS[rule], **hypers}
        self.states = {n: {} for n in params}

    def clipped(self, grads, pairs):
        """What the norm is of: gradients or, where nothing else needs them, those of unit keys."""
        keys = self.hypers.get("second_moment") == "NORMALIZED_KEYS"
        if keys or self.rule in (delta_sgd, delta_muon):
            return {n: d.T @ unit_rows(x) for n, (x, d) in pairs.items()}
        return grads

    def step(self, grads, pairs=None, lr=None, scale=1.0):
        self.t += 1
        h = {**self.hypers, "lr": self.hypers["lr"] if lr is None else lr}
        grads = {n: scale * g for n, g in grads.items()}
        if self.rule is am_mgd:
            self.params = am_mgd(self.params, grads, self.states, self.t, h, pairs)
            return
        for n, p in self.params.items():
            pair = (*pairs[n], scale) if pairs else None
            self.params[n] = self.rule(p, grads[n], self.states[n], self.t, h, pair)
