"""Times the layer on a GPU beside PyTorch on the same card, and prints Markdown tables with the targets.

The tool's own `selftest` gives this library's times; PyTorch's are taken after it, of the same shapes, where it can be
imported and has the device. Forward moves two tensors, forward and backward together five; shares are of the fastest
copy within the device that either of the two measured. Bold is short of the target.

    python3 Benchmarks/gpu.py PATH/TO/instnorm
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("tool", help="the program instnorm, as one file or not")
parser.add_argument("--device", default="gpu", help="a name that the tool knows (default: gpu)")
parser.add_argument("--without-torch", action="store_true", help="measure this library alone")
parser.add_argument("--json", metavar="FILE", help="write all that was measured")
arguments = parser.parse_args()

# The targets are for tensors from this size on, in float32.
LARGE = 256 << 20
# What a block's shared memory holds of a plane.
SHARED = 227 << 10
TARGETS = {
    "forward": 0.85,
    "forward of larger planes": 0.7,
    "both": 0.8,
    "nhwc": 1.2,
    "float16": 0.55,
    "eager forward": 1.5,
    "eager both": 2.0,
    "channels last": 5.0,
    "compiled": 1.0,
}


class Cells:
    """Cells of the tables, and how many of them there was a target for."""

    met, missed = 0, []

    @classmethod
    def against(cls, value, target, row, what, least=True):
        if value is None:
            return "-"
        if target is None:
            return f"{value:.2f}"
        if value >= target if least else value <= target:
            cls.met += 1
            return f"{value:.2f}"
        cls.missed.append(f"{tensor(row)}: {what} {value:.2f}, target {'≥' if least else '≤'} {target}")
        return f"**{value:.2f}**"


# Measuring


def ours():
    command = [arguments.tool, "selftest", "--json", "--device", arguments.device]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"{arguments.tool}: {error.strerror}")
    if not done.stdout.strip():
        sys.exit(done.stderr.strip() or f"{arguments.tool}: no output")
    return json.loads(done.stdout)


def torch_for(report):
    """PyTorch and its device that is the tool's; None and why not."""
    if arguments.without_torch:
        return None, None, "was left out"
    try:
        import torch
    except ImportError as error:
        return None, None, str(error)
    if report["device"] == "cpu":
        return torch, torch.device("cpu"), None
    if not re.fullmatch(r"cuda:\d+", report["device"]):
        return None, None, f"does not know the device {report['device']}"
    if not torch.cuda.is_available():
        return None, None, "has no CUDA"
    return torch, torch.device(report["device"]), None


class Peer:
    """PyTorch's times in seconds: of a copy, of `instance_norm` and of what torch.compile makes of it."""

    def __init__(self, torch, device):
        self.torch, self.device, self.failures = torch, device, set()

    def norm(self, x, weight, bias):
        return self.torch.nn.functional.instance_norm(x, weight=weight, bias=bias)

    def median_time(self, call):
        def run(calls):
            start = time.perf_counter()
            for _ in range(calls):
                call()
            if self.device.type == "cuda":
                self.torch.cuda.synchronize(self.device)
            return (time.perf_counter() - start) / calls

        run(3)
        calls = max(2, int(0.01 / run(2)))
        times, end = [], time.perf_counter() + 0.5
        while time.perf_counter() < end or len(times) < 5:
            times.append(run(calls))
        return statistics.median(times)

    def attempt(self, what, call):
        try:
            return self.median_time(call)
        except Exception as error:  # what torch.compile throws has no common type
            self.failures.add(f"{what}: {str(error).splitlines()[0]}")
            return None

    def measure(self, row):
        torch = self.torch
        dtype = getattr(torch, row["dtype"])
        x, dy = (torch.randn(row["shape"], dtype=dtype, device=self.device) + 1 for _ in range(2))
        if row["layout"] == "nhwc":
            x, dy = (t.contiguous(memory_format=torch.channels_last) for t in (x, dy))
        weight = torch.ones(row["shape"][1], dtype=dtype, device=self.device)
        bias = torch.zeros_like(weight)
        copied = torch.empty_like(x)
        times = {"copy": self.attempt("copy", lambda: copied.copy_(x))}
        del copied
        leaves = [t.requires_grad_() for t in (x, weight, bias)]
        # For this shape alone: after some, one program would be made for all of them.
        torch.compiler.reset()
        compiled = torch.compile(self.norm, dynamic=False)
        for name, function in (("eager", self.norm), ("compiled", compiled)):

            def forward():
                with torch.no_grad():
                    function(x, weight, bias)

            def both():
                torch.autograd.grad(function(x, weight, bias), leaves, dy)

            times[f"{name} forward"] = self.attempt(f"{name} forward", forward)
            times[f"{name} both"] = self.attempt(f"{name} both", both)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return times


# Tables


def tensor(row):
    return f"({', '.join(map(str, row['shape']))}) {row['dtype']} {row['layout'].upper()}"


def float32_bytes(row):
    return row["byteCount"] * (2 if row["dtype"] == "float16" else 1)


def is_large(row):
    return float32_bytes(row) >= LARGE


def duration(seconds):
    if seconds is None:
        return "-"
    for unit, size in (("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 1000 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def table(titles, rows):
    print("| " + " | ".join(titles) + " |")
    print("| --- |" + " ---: |" * (len(titles) - 1))
    for cells in rows:
        print("| " + " | ".join(cells) + " |")
    print()


def own_rows(report):
    def time_of(row, what, **other):
        key = {name: row[name] for name in ("shape", "dtype", "layout")} | other
        found = [r for r in report["speed"] if all(r[name] == value for name, value in key.items())]
        return found[0][what]["seconds"] if found else None

    for row in report["speed"]:
        peer = row.get("torch") or {}
        copy = min(filter(None, (row["copy"]["seconds"], peer.get("copy"))))
        plane = float32_bytes(row) // (row["shape"][0] * row["shape"][1])
        exact = is_large(row) and row["dtype"] == "float32"
        cells = [tensor(row), f"{row['byteCount'] / (1 << 20):.3g}", f"{2 * row['byteCount'] / copy / 1e9:.0f}"]
        for what, moved in (("forward", 2), ("both", 5)):
            seconds = row[what]["seconds"]
            target = TARGETS["forward of larger planes" if what == "forward" and plane > SHARED else what]
            share = copy * moved / 2 / seconds
            cells += [
                duration(seconds),
                f"{moved * row['byteCount'] / seconds / 1e9:.0f}",
                Cells.against(share, target if exact else None, row, f"{what} of a copy"),
                f"≥ {target}" if exact else "-",
            ]
        for what in ("forward", "both"):
            seconds = row[what]["seconds"]
            to_nchw = seconds / time_of(row, what, layout="nchw") if row["layout"] == "nhwc" else None
            to_float32 = seconds / time_of(row, what, dtype="float32") if row["dtype"] == "float16" else None
            nhwc_target, float16_target = (TARGETS[name] if is_large(row) else None for name in ("nhwc", "float16"))
            cells += [
                Cells.against(to_nchw, nhwc_target, row, f"{what} to NCHW", least=False),
                Cells.against(to_float32, float16_target, row, f"{what} to float32", least=False),
            ]
        yield cells


def peer_rows(report):
    for row in report["speed"]:
        peer = row["torch"]
        cells = [tensor(row)]
        for what in ("forward", "both"):
            mine = row[what]["seconds"]
            cells.append(duration(mine))
            last = row["layout"] == "nhwc"
            for name, target in (
                ("eager", TARGETS["channels last" if last else f"eager {what}"]),
                ("compiled", TARGETS["compiled"]),
            ):
                theirs = peer[f"{name} {what}"]
                ratio = theirs / mine if theirs else None
                wanted = target if is_large(row) else None
                cells += [
                    duration(theirs),
                    Cells.against(ratio, wanted, row, f"{what} to {name}"),
                    f"≥ {target:g}" if wanted else "-",
                ]
        yield cells


report = ours()
torch, device, reason = torch_for(report)
if torch:
    peer = Peer(torch, device)
    for row in report["speed"]:
        row["torch"] = peer.measure(row)
if arguments.json:
    with open(arguments.json, "w") as file:
        json.dump(report, file, indent=2)

broken = [promise for promise in report["promises"] if not promise["isKept"]]
print(f"{report['device']}: {report['summary']}. ", end="")
print(f"PyTorch {torch.__version__}." if torch else f"PyTorch: {reason}.")
print(f"{len(report['promises']) - len(broken)} of {len(report['promises'])} promises are kept.\n")
for promise in broken:
    print(f"- broken: {promise['title']}: {promise['fault']}")
table(
    ["tensor", "MiB", "copy, GB/s"]
    + ["forward", "GB/s", "of the copy", "target", "and backward", "GB/s", "of the copy", "target"]
    + ["to NCHW, ≤ 1.2", "to float32, ≤ 0.55", "both to NCHW, ≤ 1.2", "both to float32, ≤ 0.55"],
    own_rows(report),
)
if torch:
    columns = ["eager", "ratio", "target", "compiled", "ratio", "target"]
    table(["tensor", "forward here", *columns, "and backward here", *columns], peer_rows(report))
    for failure in sorted(peer.failures):
        print(f"- PyTorch, {failure}")
if Cells.met or Cells.missed:
    print(f"{Cells.met} of {Cells.met + len(Cells.missed)} targets are met.")
    for miss in Cells.missed:
        print(f"- {miss}")
sys.exit(1 if broken else 0)
