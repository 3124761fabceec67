"""Times the types of normalisation here and in PyTorch, and prints a table.

`instnorm bench` and PyTorch's functions take turns, each with as many threads; a time is the median over the rounds.

Forward is in training, by the data's own statistics, float32 with scale and bias. Backward is the gradient by the data
and by scale and bias; PyTorch's is that of its forward call, taken again each time.
"""

import argparse

# Arguments first: what follows takes seconds to import.
parser = argparse.ArgumentParser(prog="script/compare family", description=__doc__.split("\n")[0])
parser.add_argument("tool", help=argparse.SUPPRESS)
parser.add_argument("--threads", type=int, default=2, help="of each (default: 2)")
parser.add_argument("--only", action="append", metavar="TEXT", help="rows with TEXT in type or shape; may be given again")
parser.add_argument("--rounds", type=int, default=3, help="how often they take turns (default: 3)")
arguments = parser.parse_args()

import json
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F

SHAPES = [
    (1, 64, 32, 32),
    (1, 32, 256, 256),
    (8, 64, 128, 128),
    # Many small planes.
    (256, 4096, 1, 1),
    (64, 512, 7, 7),
    (512, 64, 2, 2),
]
TYPES = {
    "batch": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
    "layer": lambda x, w, b: F.group_norm(x, 1, w, b),
    "group:4": lambda x, w, b: F.group_norm(x, 4, w, b),
    "instance": lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
}


def median_time(call):
    for _ in range(3):
        call()
    times, end = [], time.perf_counter() + 0.5
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peer(function, shape, layout):
    x = torch.randn(shape) + 1
    dy = torch.randn(shape)
    if layout == "nhwc":
        x, dy = (t.contiguous(memory_format=torch.channels_last) for t in (x, dy))
    weight, bias = torch.ones(shape[1]), torch.zeros(shape[1])
    with torch.no_grad():
        forward = median_time(lambda: function(x, weight, bias))
    leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
    y = function(*leaves)
    backward = median_time(lambda: torch.autograd.grad(y, leaves, dy, retain_graph=True))
    return {"forward": forward, "backward": backward}


def here(kind, shape):
    command = [arguments.tool, "bench", "--json", "--norm", kind, "--threads", str(arguments.threads)]
    text = subprocess.run(
        [*command, "--shape", ",".join(map(str, shape))], capture_output=True, text=True, check=True
    ).stdout
    return {
        row["layout"]: {
            "forward": row["forward"]["seconds"],
            "backward": row["backward"]["seconds"],
            "copy": row["copy"],
        }
        for row in json.loads(text)["rows"]
    }


def duration(seconds):
    for unit, size in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 1000 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


torch.set_num_threads(arguments.threads)
print("| type | tensor | layout | forward here | PyTorch | ratio | of memcpy | backward here | PyTorch | ratio |")
print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
for kind, function in TYPES.items():
    for shape in SHAPES:
        # PyTorch refuses an instance of one value.
        if kind == "instance" and shape[2:] == (1, 1):
            continue
        if arguments.only and not any(text in f"{kind} {shape}" for text in arguments.only):
            continue
        rounds = []
        for _ in range(arguments.rounds):
            ours = here(kind, shape)
            rounds.append((ours, {layout: peer(function, shape, layout) for layout in ours}))
        for layout in ("nchw", "nhwc"):

            def middle(side, what):
                return statistics.median(entry[side][layout][what] for entry in rounds)

            cells = [kind, str(shape), layout.upper()]
            for what in ("forward", "backward"):
                mine, theirs = middle(0, what), middle(1, what)
                cells += [duration(mine), duration(theirs), f"{theirs / mine:.1f}"]
                if what == "forward":
                    cells.append(f"{middle(0, 'copy') / mine:.2f}")
            print("| " + " | ".join(cells) + " |", flush=True)
