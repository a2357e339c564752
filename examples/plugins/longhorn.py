"""longhorn.cc against NumPy: values, and gradients against differences. From the root of the tree:

    python3 examples/plugins/longhorn.py bazel-bin/program/palimpsest liblonghorn.so
"""
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file, save_file

TIME, KEY, VALUE = 50, 16, 8
rng = np.random.default_rng(0)
x = {"q": rng.normal(size=(1, TIME, 1, KEY)), "k": rng.normal(size=(1, TIME, 1, KEY)),
     "v": rng.normal(size=(1, TIME, 1, VALUE)), "gate.beta": rng.uniform(0, 3, size=(1, TIME, 1))}
dy = rng.normal(size=(1, TIME, 1, VALUE))


def longhorn(x):
    m, ys = np.zeros((VALUE, KEY)), []
    for q, k, v, beta in zip(x["q"][0, :, 0], x["k"][0, :, 0], x["v"][0, :, 0], x["gate.beta"][0, :, 0]):
        # The minimum of |M' - M|^2 + beta |M' k - v|^2 solves M' (I + beta k k^T) = M + beta v k^T.
        m = np.linalg.solve(np.eye(KEY) + beta * np.outer(k, k), (m + beta * np.outer(v, k)).T).T
        ys.append(m @ q)
    return np.array(ys)[None, :, None]


program, plugin = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    save_file({**x, "dy": dy}, folder + "/in")
    subprocess.run([program, "scan", "--rule=longhorn", "--plugin=" + plugin, "--grad",
                    "--in=" + folder + "/in", "--out=" + folder + "/out"], check=True)
    out = load_file(folder + "/out")
print("y differs by at most", abs(out["y"] - longhorn(x)).max())

for name, gradient in (("k", out["dk"]), ("gate.beta", out["dgate.beta"])):
    step = 1e-6 * rng.normal(size=x[name].shape)
    up, down = ({**x, name: x[name] + s} for s in (step, -step))
    numeric = (dy * (longhorn(up) - longhorn(down))).sum() / 2
    print(f"d{name} along a random step: {(gradient * step).sum():.8e}, by differences {numeric:.8e}")
