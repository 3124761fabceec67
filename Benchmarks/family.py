"""Times the types of normalisation here and in PyTorch, and prints a table.

This library, through its C interface, and PyTorch's functions take turns in one process, on the same memory, each with as
many threads; a time is the median over the turns, a ratio PyTorch's time to the one here.

Forward is in training, by the data's own statistics, float32 with scale and bias. Backward is the gradient by the data
and by scale and bias; PyTorch's is that of its forward call, taken again each time.
"""

import argparse

# Arguments first: what follows takes seconds to import.
parser = argparse.ArgumentParser(prog="script/compare family", description=__doc__.split("\n")[0])
parser.add_argument("library", help=argparse.SUPPRESS)
parser.add_argument("--threads", type=int, default=2, help="of each (default: 2)")
parser.add_argument("--only", action="append", metavar="TEXT", help="rows with TEXT in type or shape; may be given again")
parser.add_argument("--rounds", type=int, default=3, help="how often they take turns (default: 3)")
arguments = parser.parse_args()

import pathlib
import statistics
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Examples/Python"))
import instancenorm

SHAPES = [
    (1, 64, 32, 32),
    (1, 32, 256, 256),
    (8, 64, 128, 128),
    # Many small planes.
    (256, 4096, 1, 1),
    (64, 512, 7, 7),
    (512, 64, 2, 2),
]
# Ours and PyTorch's.
TYPES = {
    "batch": (dict(sharing=instancenorm.BATCH), lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True)),
    "layer": (dict(sharing=instancenorm.LAYER), lambda x, w, b: F.group_norm(x, 1, w, b)),
    "group:4": (dict(sharing=instancenorm.GROUP, groups=4), lambda x, w, b: F.group_norm(x, 4, w, b)),
    "instance": (dict(sharing=instancenorm.INSTANCE), lambda x, w, b: F.instance_norm(x, weight=w, bias=b)),
}
LAYOUTS = ("nchw", "nhwc")


def aligned(shape):
    """An array that begins at a cache line, as NumPy's own need not."""
    memory = np.empty(int(np.prod(shape)) * 4 + 64, np.uint8)
    offset = -memory.ctypes.data % 64
    return memory[offset : offset + memory.size - 64].view(np.float32).reshape(shape)


class Data:
    """What both read: x and dy in a layout."""

    def __init__(self, shape, layout):
        n, c, h, w = self.shape = shape
        self.last = layout == "nhwc"
        random = np.random.default_rng(1)
        self.x, self.dy = (aligned((n, h, w, c) if self.last else shape) for _ in range(2))
        self.ordered(self.x)[:] = random.standard_normal(shape, np.float32) + 1
        self.ordered(self.dy)[:] = random.standard_normal(shape, np.float32)
        self.scale = np.linspace(0.5, 1.5, c, dtype=np.float32)
        self.bias = np.linspace(-1, 1, c, dtype=np.float32)

    def ordered(self, array):
        return array.transpose(0, 3, 1, 2) if self.last else array


def ours(c, sharing, data):
    """Calls forward and backward, and what they wrote."""
    n, maps, h, w = data.shape
    planes = instancenorm.Planes(n, maps, h * w, 0, int(data.last))
    options = instancenorm.Options(1e-5, threads=arguments.threads, **{"groups": 1, **sharing})
    y, dx, dscale, dbias = aligned(data.x.shape), aligned(data.x.shape), aligned([maps]), aligned([maps])
    mean, inv_std = np.empty((n, maps)), np.empty((n, maps))

    def call(function, *arrays):
        addresses = [None if array is None else array.ctypes.data for array in arrays]

        def run(kept=(planes, options, arrays)):
            if function(planes, options, *addresses):
                sys.exit(f"family: {c.instnorm_last_error().decode()}")

        return run

    # What backward takes, once: PyTorch's forward without gradients keeps none either.
    call(c.instnorm_forward, data.x, data.scale, data.bias, None, y, mean, inv_std)()
    forward = call(c.instnorm_forward, data.x, data.scale, data.bias, None, y, None, None)
    backward = call(
        c.instnorm_backward, data.dy, data.x, data.scale, data.bias, None, mean, inv_std, dx, dscale, dbias, None
    )
    return forward, backward, lambda: [data.ordered(y), data.ordered(dx), dscale, dbias]


def peer(function, data):
    """The same of PyTorch's."""
    leaves = [torch.from_numpy(a) for a in (data.ordered(data.x), data.scale, data.bias)]
    for leaf in leaves:
        leaf.requires_grad_()
    dy = torch.from_numpy(data.ordered(data.dy))
    y = function(*leaves)

    def forward():
        with torch.no_grad():
            function(*leaves)

    def backward():
        return torch.autograd.grad(y, leaves, dy, retain_graph=True)

    return forward, backward, lambda: [a.detach().numpy() for a in (y, *backward())]


def median_time(call):
    for _ in range(3):
        call()
    times, end = [], time.perf_counter() + 0.2
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def agree(results, expected):
    """Whether all are the same, as well as float32 has it."""
    return all(np.abs(a - b).max() <= 1e-3 * max(np.abs(b).max(), 1e-30) for a, b in zip(results, expected))


def duration(seconds):
    for unit, size in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 1000 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def cells(sharing, function, shape, library, what):
    """Of each layout: forward and its ratio, backward and its ratio; starred where PyTorch's result is wrong."""
    found, contestants = {}, {}
    expected = peer(function, Data(shape, "nchw"))[2]()
    wrong = set()
    for layout in LAYOUTS:
        data = Data(shape, layout)
        contestants[layout] = both = ours(library, sharing, data), peer(function, data)
        for call in both[0][:2]:
            call()
        if not agree(both[0][2](), expected):
            sys.exit(f"family: {what}, {layout}: results are not PyTorch's")
        if not agree(both[1][2](), expected):
            wrong.add(layout)
    times = {}
    for _ in range(arguments.rounds):
        for layout, both in contestants.items():
            for step in range(2):
                for side in range(2):
                    times.setdefault((layout, step, side), []).append(median_time(both[side][step]))
    for step in range(2):
        for layout in LAYOUTS:
            mine, theirs = (statistics.median(times[layout, step, side]) for side in range(2))
            ratio = theirs / mine
            mark = "*" if step == 1 and layout in wrong else ""
            found[layout, step] = [duration(mine), f"{ratio:.1f}{mark}" if ratio >= 1 else f"**{ratio:.1f}**{mark}"]
    return [cell for step in range(2) for layout in LAYOUTS for cell in found[layout, step]]


torch.set_num_threads(arguments.threads)
library = instancenorm.load(arguments.library)
print("| type | tensor | forward | times PyTorch | maps last | times | backward | times | maps last | times |")
print("| --- | --- " + "| ---: " * 8 + "|")
for kind, (sharing, function) in TYPES.items():
    for shape in SHAPES:
        # PyTorch refuses an instance of one value.
        if kind == "instance" and shape[2:] == (1, 1):
            continue
        what = f"{kind} {shape}"
        if arguments.only and not any(text in what for text in arguments.only):
            continue
        print("| " + " | ".join([kind, str(shape), *cells(sharing, function, shape, library, what)]) + " |", flush=True)
