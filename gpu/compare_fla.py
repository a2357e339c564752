#!/usr/bin/env python3
"""Times flash-linear-attention on the shapes of rule_benchmark, and prints the ratios.

Runs rule_benchmark (beside this file, or in benchmarks/) and FLA's kernels in turn on the same GPU:
  compare_fla.py [--repeats=N]
A ratio above 1 says how many times as long FLA takes. Both are timed by events of the stream, which is
waited for when all repeats are queued; at the smallest shapes FLA's figure is what Python takes to launch.
Ours of hebbian has a write strength and its gradient besides, which FLA's simple_gla has not. On Hopper FLA's
backward with a decay (hebbian, gated_delta) refuses Triton from 3.4 to 3.7: it wants 3.7.1, or tilelang.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile


def find_benchmark():
    here = os.path.dirname(os.path.abspath(__file__))
    for name in ("benchmarks/rule_benchmark", "rule_benchmark"):
        path = os.path.join(here, name)
        if os.path.exists(path):
            return path
    sys.exit("compare_fla.py: there is no rule_benchmark beside it")


def our_times(path, repeats, rules):
    with tempfile.NamedTemporaryFile("r", suffix=".json") as out:
        command = [path, f"--repeats={repeats}", f"--json={out.name}"] + rules
        if subprocess.run(command, stdout=sys.stderr).returncode != 0:
            sys.exit("compare_fla.py: rule_benchmark failed")
        return [json.loads(line) for line in out]


def median_ms(torch, body, repeats):
    for _ in range(3):
        body()
    event = lambda: torch.cuda.Event(enable_timing=True)
    pairs = [(event(), event()) for _ in range(repeats)]
    for begin, end in pairs:
        begin.record()
        body()
        end.record()
    torch.cuda.synchronize()
    return statistics.median(begin.elapsed_time(end) for begin, end in pairs)


def fla_calls():
    """Our rule: FLA's function of (q, k, v, gates by name) that gives y."""
    from fla.ops.delta_rule import chunk_delta_rule
    from fla.ops.gated_delta_rule import chunk_gated_delta_rule
    from fla.ops.kda import chunk_kda
    from fla.ops.simple_gla import chunk_simple_gla

    return {
        "hebbian": lambda q, k, v, g: chunk_simple_gla(q, k, v, g=g["log_keep"])[0],
        "delta": lambda q, k, v, g: chunk_delta_rule(q, k, v, g["beta"])[0],
        "gated_delta": lambda q, k, v, g: chunk_gated_delta_rule(q, k, v, g["log_keep"], g["beta"])[0],
        "kda": lambda q, k, v, g: chunk_kda(q, k, v, g["log_keep_key"], g["beta"])[0],
    }


def fla_time(torch, call, row, repeats):
    b, t, h, d = (row[x] for x in "BTHD")
    make = lambda *shape, **kwargs: torch.randn(*shape, device="cuda", **kwargs)
    rows = [(make(b, t, h, d) * s).to(torch.bfloat16).requires_grad_() for s in (d**-0.5, d**-0.5, 1.0)]
    gates = {
        "beta": torch.full((b, t, h), 0.5, device="cuda", dtype=torch.bfloat16).requires_grad_(),
        "log_keep": torch.full((b, t, h), math.log(0.99), device="cuda").requires_grad_(),
        "log_keep_key": torch.full((b, t, h, d), math.log(0.99), device="cuda").requires_grad_(),
    }
    dy = make(b, t, h, d).to(torch.bfloat16)

    def forward():
        with torch.no_grad():
            call(*rows, gates)

    def both():
        call(*rows, gates).backward(dy)
        for x in rows + list(gates.values()):
            x.grad = None

    return median_ms(torch, forward if row["pass"] == "fwd" else both, repeats)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    try:
        import fla
        import torch
        import triton
    except ImportError as error:
        sys.exit(f"compare_fla.py: {error}; it needs PyTorch, Triton and flash-linear-attention")
    if not torch.cuda.is_available():
        sys.exit("compare_fla.py: PyTorch sees no GPU")
    calls = fla_calls()
    versions = f"PyTorch {torch.__version__}, Triton {triton.__version__}, FLA {fla.__version__}"
    print(f"{torch.cuda.get_device_name()}, {versions}", flush=True)
    print(f"{'rule':<12} {'B T H D':<18} {'pass':<8} {'ours ms':>10} {'FLA ms':>10} {'ratio':>7}")
    for row in our_times(find_benchmark(), repeats, list(calls)):
        try:
            theirs = fla_time(torch, calls[row["rule"]], row, repeats)
            result = f"{theirs:>10.3f} {theirs / row['ms']:>7.2f}"
        except Exception as error:  # FLA does not take every shape on every GPU.
            result = f"  {type(error).__name__}: {str(error).splitlines()[0][:60] if str(error) else ''}"
        size = " ".join(str(row[x]) for x in "BTHD")
        print(f"{row['rule']:<12} {size:<18} {row['pass']:<8} {row['ms']:>10.3f} {result}", flush=True)


if __name__ == "__main__":
    main()
