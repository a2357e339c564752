"""What the goldens' optimizers are given."""

import numpy as np


def normal(random, shape, scale=1.0):
    """Rounded, so that the file holds all of it in few digits."""
    return scale * np.round(random.standard_normal(shape), 3)


class Gradients:
    def __init__(self, name, shapes):
        random = np.random.default_rng(len(name))
        self.name, self.parts = name, None
        self.params = {n: normal(random, s) for n, s in shapes.items()}
        self.grads = []
        for step in range(20):
            # Sizes differ: second moments see it. Then what divides by zero in a naive program.
            scale = {3: 0.0, 5: 1e-9, 6: 1e3}.get(step, 10.0 ** -(step % 3))
            g = {n: normal(random, s, scale) for n, s in shapes.items()}
            if "c.weight" in g:
                g["c.weight"][0] = 0.0  # A row that never has a gradient.
            if step == 1:
                g = self.grads[0]
            if step == 4:
                g = {n: -x for n, x in self.grads[2].items()}
            if step == 7:
                g["a.weight"] = np.zeros(shapes["a.weight"])
            self.grads.append(g)

    def json(self):
        return {
            "shapes": {n: p.shape for n, p in self.params.items()},
            "params": flat(self.params),
            "grads": [flat(g) for g in self.grads],
        }


class Layers:
    """Linear layers: gradients that come as pairs, of a mean over the tokens of all parts."""

    def __init__(self, name, shapes, part_tokens):
        random = np.random.default_rng(len(name))
        self.name = name
        self.params = {n: normal(random, s) for n, s in shapes.items()}
        self.parts = []
        for step in range(15):
            scale = {3: 0.0, 5: 1e-9, 6: 1e3}.get(step, 10.0 ** -(step % 3))
            self.parts.append([self.part(random, shapes, n, scale, step) for n in part_tokens])
        self.pairs = [
            {
                n: tuple(np.concatenate([part[n][i] for part in parts]) for i in range(2))
                for n in shapes
            }
            for parts in self.parts
        ]
        self.grads = [{n: d.T @ x for n, (x, d) in pairs.items()} for pairs in self.pairs]

    @staticmethod
    def part(random, shapes, tokens, scale, step):
        pairs = {}
        for name, (m, n) in shapes.items():
            x, d = normal(random, (tokens, n)), normal(random, (tokens, m), scale)
            x[0] *= (
                0.0 if step == 2 else 1e-6
            )  # No key, and one as small as the guard of its length.
            pairs[name] = x, d
        return pairs

    def json(self):
        def listed(part):
            return {n: {"x": x.tolist(), "d": d.tolist()} for n, (x, d) in part.items()}

        return {
            "shapes": {n: p.shape for n, p in self.params.items()},
            "params": flat(self.params),
            "parts": [[listed(part) for part in parts] for parts in self.parts],
        }


def flat(tensors):
    return {n: x.flatten().tolist() for n, x in tensors.items()}
