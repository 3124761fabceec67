"""Times instance normalisation here, in PyTorch, ONNX Runtime and OpenVINO, in one process and on the same memory.

All take turns: every round gives each contestant one turn, in an order that moves on by one from round to round, so
that whatever else the machine does meets all alike. A turn begins with calls that are not timed and only when the
threads of the turn before have come to rest, and a time is the median over the rounds.
"""

import argparse
import os
import sys

# Arguments first: what follows takes seconds to import.
parser = argparse.ArgumentParser(prog="script/compare", description=__doc__.split("\n")[0])
parser.add_argument("library", help=argparse.SUPPRESS)
parser.add_argument("--threads", type=int, default=2, help="of each contestant (default: 2)")
parser.add_argument("--quick", action="store_true", help="less than a minute, fewer rounds, and no picture")
parser.add_argument("--json", metavar="FILE", help="write all times there as well")
parser.add_argument("--picture", metavar="FILE", help="the chart (default: Documentation/Pictures/compare.svg)")
parser.add_argument("--keep-memory", action="store_true", help="let malloc keep memory between PyTorch's calls")
parser.add_argument("--from", dest="saved", metavar="FILE", help="tables and picture of such JSON; measures nothing")
arguments = parser.parse_args()
if not 1 <= arguments.threads <= 256:
    parser.error(f"--threads: expected 1 to 256; got {arguments.threads}")

# PyTorch makes a new output in every call, ours and the other peers write into the caller's. As malloc comes it takes
# and gives back large ones from and to the system each time, and clearing their pages can take longer than normalising.
# It keeps them for the next call with this, which has to stand before the process begins.
KEEP_MEMORY = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184"
if arguments.keep_memory and not arguments.saved and "GLIBC_TUNABLES" not in os.environ:
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "GLIBC_TUNABLES": KEEP_MEMORY})

import ctypes
import gc
import json
import math
import pathlib
import platform
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Examples/Python"))
from instancenorm import Options, Planes

THREADS = arguments.threads
EPSILON = 1e-5
HERE = "here"
# The layer as each has it. PyTorch comes to the same by group_norm with a group for each map, by another kernel.
PEERS = ["PyTorch", "ONNX Runtime", "OpenVINO"]
ROUNDABOUT = "PyTorch group_norm"

# What a row has to reach: times as fast as the best peer, and share of memcpy's speed.
FORWARD = {
    (5, 3, 4, 4): (2, None),
    (1, 64, 32, 32): (3, 0.6),
    (1, 128, 64, 64): (2.3, 0.75),
    (1, 32, 256, 256): (2.3, 0.75),
    (8, 64, 128, 128): (3, 0.85),
    (1, 32, 1024, 1024): (4, 1.0),
}
SMALLEST = (5, 3, 4, 4)
SMALLEST_SECONDS = 1e-6
USUAL = (8, 64, 128, 128)
# Times as fast as PyTorch with the maps last, and at most so many times as long as with the maps first.
MAPS_LAST = {shape: (40 if shape == USUAL else 15, 1.25) for shape in FORWARD}
# Times as fast as the best peer, and at most so many times as long as forward alone.
MORE = {
    "forward and backward": (5, None),
    "forward, ReLU": (3, 1.05),
    "forward, ReLU, residual": (3, 1.5),
    "forward, float16": (None, 1.0),
}
# Planes of 256 x 256, in MiB of input; the time of a value may differ so many times within a line.
GROWTH = ((2, 8, 32), (128, 512, 2048))
GROWTH_FACTOR = 1.3


# MARK: Memory


def aligned(shape, dtype=np.float32):
    """An array that begins at a cache line, as NumPy's own need not."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    offset = -memory.ctypes.data % 64
    return memory[offset : offset + size].view(dtype).reshape(shape)


def random(shape, seed, dtype=np.float32):
    array = aligned(shape, dtype)
    # Four million random values, over and over: more take longer to make than to measure.
    values = np.random.default_rng(seed).standard_normal(min(array.size, 1 << 22), np.float32).astype(dtype)
    flat = array.reshape(-1)
    for begin in range(0, flat.size, values.size):
        piece = flat[begin : begin + values.size]
        piece[:] = values[: piece.size]
    return array


def available_memory():
    try:
        lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except OSError:
        return 8 << 30


class Data:
    """What all contestants of a row read and write."""

    def __init__(self, shape, dtype=np.float32, maps_last=False, residual=False, gradient=False):
        self.shape, self.dtype = shape, dtype
        maps = shape[1]
        self.x = random(shape, 1, dtype)
        self.y = aligned(shape, dtype)
        self.y.fill(0)
        self.scale = np.linspace(0.5, 1.5, maps, dtype=np.float32)
        self.bias = np.linspace(-1, 1, maps, dtype=np.float32)
        self.residual = random(shape, 2, dtype) if residual else None
        self.dy = random(shape, 3, dtype) if gradient else None
        if maps_last:
            order = [shape[i] for i in (0, 2, 3, 1)]
            self.x_last, self.y_last = aligned(order, dtype), aligned(order, dtype)
            self.x_last[:] = self.x.transpose(0, 2, 3, 1)


class Contestant:
    """`time(calls)` makes that many calls and returns seconds; `result()` what the last wrote, in NCHW."""

    def __init__(self, name, time, result=None):
        self.name, self.time, self.result = name, time, result


def from_python(name, call, result):
    def run(calls):
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        return time.perf_counter() - begin

    return Contestant(name, run, result)


# MARK: Ours, and memcpy


def pointer(array):
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


def compiler():
    """Swift's own, unless there is another on the path."""
    swift = shutil.which("swift")
    beside = pathlib.Path(os.path.realpath(swift)).parent / "clang" if swift else None
    found = shutil.which("clang") or (str(beside) if beside and beside.exists() else None) or shutil.which("cc")
    if not found:
        sys.exit("compare: no C compiler, neither clang nor cc")
    return found


class Ours:
    DTYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1}

    def __init__(self, library, folder):
        library = pathlib.Path(library).resolve()
        loops = pathlib.Path(folder) / "compare.so"
        subprocess.run(
            [compiler(), "-O2", "-shared", "-fPIC", "-pthread", f"-I{ROOT}/Sources/CInstanceNorm/include"]
            + [str(ROOT / "Benchmarks/compare.c"), "-o", str(loops), str(library), f"-Wl,-rpath,{library.parent}"],
            check=True,
        )
        self.library = ctypes.CDLL(str(library))
        self.library.instnorm_default_options.restype = Options
        self.library.instnorm_last_error.restype = ctypes.c_char_p
        self.library.instnorm_instruction_set.restype = ctypes.c_char_p
        self.loops = ctypes.CDLL(str(loops))
        for name in ("time_forward", "time_forward_backward", "time_copy", "time_split_copy"):
            getattr(self.loops, name).restype = ctypes.c_double

    def instruction_set(self):
        return self.library.instnorm_instruction_set().decode()

    def checked(self, seconds):
        if seconds < 0:
            sys.exit(f"compare: {self.library.instnorm_last_error().decode()}")
        return seconds

    def _arguments(self, data, x, y, maps_last=False, relu=False, residual=False, threads=THREADS):
        n, c, h, w = data.shape
        planes = Planes(n, c, h * w, self.DTYPES[x.dtype], int(maps_last))
        options = self.library.instnorm_default_options()
        options.activation, options.threads = int(relu), threads
        shared = [pointer(x), pointer(data.scale), pointer(data.bias)]
        # The structures are kept by the references to them.
        return [ctypes.byref(planes), ctypes.byref(options), *shared, pointer(data.residual if residual else None)]

    def forward(self, data, name=HERE, x=None, y=None, maps_last=False, **options):
        x, y = (data.x if x is None else x), (data.y if y is None else y)
        values = [*self._arguments(data, x, y, maps_last, **options), pointer(y)]
        loop = self.loops.time_forward

        def result():
            return [y.transpose(0, 3, 1, 2) if maps_last else y]

        return Contestant(name, lambda calls: self.checked(loop(*values, ctypes.c_int64(calls))), result)

    def forward_from_python(self, data, name):
        values = [*self._arguments(data, data.x, data.y), pointer(data.y), None, None]
        call = self.library.instnorm_forward
        return from_python(name, lambda: call(*values), lambda: [data.y])

    def forward_backward(self, data, name=HERE):
        n, c = data.shape[:2]
        mean, inv_std = np.empty((n, c)), np.empty((n, c))
        dx, dscale, dbias = aligned(data.shape), aligned([c]), aligned([c])
        values = self._arguments(data, data.x, data.y)[:-1]
        values += map(pointer, (data.dy, data.y, mean, inv_std, dx, dscale, dbias))
        loop = self.loops.time_forward_backward

        def run(calls, kept=(mean, inv_std)):
            return self.checked(loop(*values, ctypes.c_int64(calls)))

        return Contestant(name, run, lambda: [dx, dscale, dbias])

    def copies(self, data, threads=THREADS):
        """memcpy of the input, whole and in a piece for each thread: now the one is faster and now the other."""
        both, size = [pointer(data.y), pointer(data.x)], ctypes.c_size_t(data.x.nbytes)
        whole, split = self.loops.time_copy, self.loops.time_split_copy

        def by_many(calls):
            seconds = split(*both, size, ctypes.c_int(threads), ctypes.c_int64(calls))
            if seconds < 0:
                sys.exit("compare: the threads that copy did not start")
            return seconds

        found = [Contestant("memcpy, whole", lambda calls: whole(*both, size, ctypes.c_int64(calls)))]
        return found + ([Contestant("memcpy, split", by_many)] if threads > 1 else [])


# MARK: The peers


class PyTorch:
    """Two ways to the same result: instance_norm, and group_norm with a group for each map."""

    def __init__(self):
        import torch

        self.torch = torch
        torch.set_num_threads(THREADS)

    def version(self):
        return f"PyTorch {self.torch.__version__.split('+')[0]}"

    def _ways(self, data, scale, bias):
        norm = self.torch.nn.functional
        return {
            "PyTorch": lambda x: norm.instance_norm(x, weight=scale, bias=bias, eps=EPSILON),
            ROUNDABOUT: lambda x: norm.group_norm(x, data.shape[1], scale, bias, EPSILON),
        }

    def forward(self, data, maps_last=False, relu=False, residual=False):
        torch = self.torch
        x = torch.from_numpy(data.x_last).permute(0, 3, 1, 2) if maps_last else torch.from_numpy(data.x)
        r = torch.from_numpy(data.residual) if residual else None
        scale, bias = (torch.from_numpy(v.astype(data.dtype)) for v in (data.scale, data.bias))

        def contestant(name, norm):
            def call():
                y = norm(x)
                if relu:
                    y.relu_()
                if residual:
                    y.add_(r)
                return y

            def run(calls):
                with torch.inference_mode():
                    begin = time.perf_counter()
                    for _ in range(calls):
                        call()
                    return time.perf_counter() - begin

            def result():
                with torch.inference_mode():
                    return [call().numpy()]

            return Contestant(name, run, result)

        return [contestant(*way) for way in self._ways(data, scale, bias).items()]

    def forward_backward(self, data):
        torch = self.torch
        inputs = [torch.from_numpy(v.copy()).requires_grad_() for v in (data.scale, data.bias)]
        x, dy = torch.from_numpy(data.x).requires_grad_(), torch.from_numpy(data.dy)

        def contestant(name, norm):
            def call():
                return torch.autograd.grad(norm(x), [x, *inputs], dy)

            return from_python(name, call, lambda: [g.numpy() for g in call()])

        return [contestant(*way) for way in self._ways(data, *inputs).items()]


class Graphs:
    """ONNX Runtime and OpenVINO, which both run the same graph."""

    def __init__(self):
        import onnx
        import onnxruntime
        import openvino

        self.onnx, self.ort, self.ov = onnx, onnxruntime, openvino
        self.core = openvino.Core()

    def versions(self):
        return [f"ONNX Runtime {self.ort.__version__}", f"OpenVINO {self.ov.__version__.split('-')[0]}"]

    def _model(self, data, relu, residual):
        helper, kind = self.onnx.helper, self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(data.dtype))
        inputs = ["x", "residual"] if residual else ["x"]
        steps = [("InstanceNormalization", ["x", "scale", "bias"], {"epsilon": EPSILON})]
        if relu:
            steps.append(("Relu", [None], {}))
        if residual:
            steps.append(("Add", [None, "residual"], {}))
        nodes, last = [], None
        for index, (operator, names, attributes) in enumerate(steps):
            output = "y" if index == len(steps) - 1 else f"step{index}"
            nodes.append(helper.make_node(operator, [name or last for name in names], [output], **attributes))
            last = output
        constants = [
            self.onnx.numpy_helper.from_array(value.astype(data.dtype), name)
            for name, value in (("scale", data.scale), ("bias", data.bias))
        ]
        values = [helper.make_tensor_value_info(name, kind, data.shape) for name in [*inputs, "y"]]
        graph = helper.make_graph(nodes, "norm", values[:-1], values[-1:], constants)
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()

    def forward(self, data, relu=False, residual=False):
        model = self._model(data, relu, residual)
        arrays = {"x": data.x, **({"residual": data.residual} if residual else {})}
        return [self._onnx_runtime(data, model, arrays), self._openvino(data, model, arrays)]

    def _onnx_runtime(self, data, model, arrays):
        options = self.ort.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = self.ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        for name, array in arrays.items():
            binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        binding.bind_output("y", "cpu", 0, data.y.dtype, data.y.shape, data.y.ctypes.data)
        return from_python("ONNX Runtime", lambda: session.run_with_iobinding(binding), lambda: [data.y])

    def _openvino(self, data, model, arrays):
        # Without the precision it would choose bfloat16 on some processors. Without threads pinned to cores small
        # shapes take half as long.
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": THREADS,
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,
        }
        request = self.core.compile_model(self.core.read_model(model), "CPU", settings).create_infer_request()
        for name, array in arrays.items():
            request.set_tensor(name, self.ov.Tensor(array, shared_memory=True))
        request.set_tensor("y", self.ov.Tensor(data.y, shared_memory=True))
        # Else infer copies the output once more, into an array that it returns.
        call = lambda: request.infer(share_inputs=True, share_outputs=True)
        return from_python("OpenVINO", call, lambda: [data.y])


# MARK: The race


def wait_for_rest():
    """Until no other thread of this process runs.

    Thread pools look out for more work for up to 20 ms, on the cores that the next contestant is to have. They are not
    told to sleep at once (OMP_WAIT_POLICY and ONNX Runtime's allow_spinning), because PyTorch would take up to ten
    times as long for small shapes then.
    """
    own = threading.get_native_id()
    if not os.path.isdir("/proc/self/task"):
        time.sleep(0.025)
        return
    end = time.perf_counter() + 0.1
    while time.perf_counter() < end:
        time.sleep(0.001)
        for thread in os.listdir("/proc/self/task"):
            try:
                with open(f"/proc/self/task/{thread}/stat") as file:
                    # The state comes after the name, which is in parentheses and may have some itself.
                    running = int(thread) != own and file.read().rpartition(")")[2].split()[0] == "R"
            except OSError:
                continue
            if running:
                break
        else:
            return


def seconds_of_a_call(contestant):
    contestant.time(2)
    calls = 1
    while True:
        seconds = contestant.time(calls)
        if seconds >= 0.001:
            return seconds / calls
        calls *= 4


def race(contestants):
    """A name's median, quartiles and minimum, in seconds a call."""
    turn, budget, fewest, most = (0.002, 0.7, 3, 40) if arguments.quick else (0.004, 8, 9, 200)
    plans = []
    for contestant in contestants:
        wait_for_rest()
        seconds = seconds_of_a_call(contestant)
        calls = max(1, math.ceil(turn / seconds))
        # Enough to wake the threads up and to bring data and code back into the caches.
        unmeasured = min(calls, max(2, math.ceil(0.0005 / seconds))) if seconds < 0.01 else 1
        plans.append((contestant, calls, unmeasured))
    samples = {contestant.name: [] for contestant in contestants}
    end, count = time.perf_counter() + budget, 0
    gc.collect()
    gc.disable()
    while count < fewest or (count < most and time.perf_counter() < end):
        for contestant, calls, unmeasured in plans[count % len(plans) :] + plans[: count % len(plans)]:
            wait_for_rest()
            contestant.time(unmeasured)
            samples[contestant.name].append(contestant.time(calls) / calls)
        count += 1
    gc.enable()
    times = {}
    for name, found in samples.items():
        lower, middle, upper = statistics.quantiles(found, n=4, method="inclusive")
        times[name] = {"median": middle, "quartiles": [lower, upper], "minimum": min(found), "rounds": count}
    return times


def differences(contestants, data):
    """What the outputs that are not ours' differ by, where it is more than 1e-3; of float16 an ulp is more."""
    limit = 1e-3 if data.dtype == np.float32 else 1e-2
    notes, ours = [], None
    for contestant in contestants:
        if contestant.result is None:
            continue
        data.y.fill(np.nan)
        contestant.time(1)
        found = [array.astype(np.float32) for array in contestant.result()]
        if ours is None:
            ours = found
            continue
        off = max(
            float(np.abs(a - b).max()) / max(1.0, float(np.abs(b).max())) for a, b in zip(found, ours, strict=True)
        )
        if not off <= limit:
            notes.append(f"{contestant.name} differs from here by {off:.1e}")
    return notes


def plane_is_right(data):
    """The first plane and the last against float64, where there is no peer to compare with."""
    for picture, index in ((0, 0), (-1, -1)):
        x, y = (a[picture, index].astype(np.float64) for a in (data.x, data.y))
        expected = (x - x.mean()) / np.sqrt(x.var() + EPSILON) * data.scale[index] + data.bias[index]
        if not np.abs(y - expected).max() <= 1e-3:
            return False
    return True


def attempt(make, notes):
    """Contestants, or none and a note why: a peer may have no kernel for a type."""
    try:
        made = make()
        for contestant in made:
            contestant.time(1)
        return made
    except Exception as error:
        notes.append(f"left out: {str(error).splitlines()[0][:120]}")
        return []


def measure(ours):
    torch, graphs = PyTorch(), Graphs()
    rows = []

    def row(section, name, data, contestants, notes=(), check=True):
        print(f"{section}: {name}", file=sys.stderr, flush=True)
        notes = list(notes) + (differences(contestants, data) if check else [])
        for note in notes:
            print(f"  {note}", file=sys.stderr)
        values = data.x.size
        rows.append({"section": section, "name": name, "values": values, "notes": notes, "times": race(contestants)})

    for shape in FORWARD:
        data = Data(shape)
        contestants = [ours.forward(data), *torch.forward(data), *graphs.forward(data)]
        if shape == SMALLEST:
            contestants.append(ours.forward_from_python(data, "here, from Python"))
        row("forward", str(shape), data, contestants + ours.copies(data))

    for shape in FORWARD:
        data = Data(shape, maps_last=True)
        last = ours.forward(data, x=data.x_last, y=data.y_last, maps_last=True)
        row("maps last", str(shape), data, [last, ours.forward(data, "maps first"), *torch.forward(data, True)])

    data = Data(USUAL, gradient=True)
    row(
        "more",
        "forward and backward",
        data,
        [ours.forward_backward(data), *torch.forward_backward(data)],
    )
    for name, residual in (("forward, ReLU", False), ("forward, ReLU, residual", True)):
        data = Data(USUAL, residual=residual)
        form = {"relu": True, "residual": residual}
        contestants = [ours.forward(data, **form), *torch.forward(data, **form), *graphs.forward(data, **form)]
        # After the others, which it differs from.
        notes = differences(contestants, data)
        row("more", name, data, contestants + [ours.forward(data, "plain")], notes, check=False)

    data, full, notes = Data(USUAL, np.float16), Data(USUAL), []
    contestants = [ours.forward(data)]
    contestants += attempt(lambda: torch.forward(data), notes) + attempt(lambda: graphs.forward(data), notes)
    notes += differences(contestants, data)
    row("more", "forward, float16", data, contestants + [ours.forward(full, "plain")], notes, check=False)

    def alone(section, name, data, threads=THREADS):
        contestants = [ours.forward(data, threads=threads)]
        data.y.fill(np.nan)
        contestants[0].time(1)
        notes = [] if plane_is_right(data) else ["a plane is wrong"]
        row(section, name, data, contestants + ours.copies(data, threads), notes, check=False)

    for size in (size for line in GROWTH for size in line):
        # Input and output, and as much again so that nothing is driven out of memory.
        if size << 22 > available_memory() or (arguments.quick and size > 128):
            continue
        alone("growth", str(size), Data((size * 4 // 32 or 1, 32 if size >= 8 else 8, 256, 256)))
    for shape in FORWARD:
        alone("one thread", str(shape), Data(shape), threads=1)
    return {"machine": machine(), "contestants": describe(ours, torch, graphs), "threads": THREADS, "rows": rows}


# MARK: The machine


def machine():
    """Processor, cores and caches."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    caches = []
    for folder in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            kib = int(size.rstrip("K"))
            caches.append(f"L{level} {f'{kib // 1024} MiB' if kib >= 1024 else f'{kib} KiB'}")
    return ", ".join([model, f"{os.cpu_count()} cores", *caches])


def describe(ours, torch, graphs):
    python = f"Python {platform.python_version()}"
    return [f"here with {ours.instruction_set()}", torch.version(), *graphs.versions(), python]


# MARK: Tables


def median(row, *names):
    """Of the fastest of these, or None where none took part. Names begin with what is asked for."""
    found = [t["median"] for name, t in row["times"].items() if name.split(",")[0] in names]
    return min(found, default=None)


def duration(seconds):
    if seconds is None:
        return "-"
    unit, factor = next((u for u in (("ns", 1e9), ("µs", 1e6)) if seconds * u[1] < 999.5), ("ms", 1e3))
    value = seconds * factor
    return f"{value:.{max(0, 2 - max(0, math.floor(math.log10(value))))}f} {unit}"


class Cells:
    """Makes cells and remembers what missed its target."""

    def __init__(self):
        self.missed = []

    def judged(self, text, good, what):
        if not good:
            self.missed.append(f"{what}: {text}")
        return text if good else f"**{text}**"

    def at_least(self, value, target, what):
        """A ratio and its target."""
        if value is None:
            return ["-", "-"]
        text = f"{value:.2f}" if value < 10 else f"{value:.0f}"
        if target is None:
            return [text, "-"]
        return [self.judged(text, value >= target, what), f"≥ {target}"]

    def at_most(self, value, target, what):
        text = f"{value:.2f}"
        return [text, "-"] if target is None else [self.judged(text, value <= target, what), f"≤ {target}"]


def table(titles, lines):
    return "\n".join(
        ["| " + " | ".join(line) + " |" for line in [titles, ["---"] + ["---:"] * (len(titles) - 1), *lines]]
    )


def ratio(a, b):
    return None if a is None or b is None else a / b


def times(row, here, best):
    """How many times as fast as the best peer, PyTorch's other way among them."""
    return f"{min(best, median(row, ROUNDABOUT)) / here:.2f}"


def forward_table(rows, cells):
    lines = []
    for row in rows:
        shape = tuple(json.loads(row["name"].replace("(", "[").replace(")", "]")))
        peers, copy = [median(row, peer) for peer in PEERS], median(row, "memcpy")
        best = min(peer for peer in peers if peer is not None)
        faster, share = FORWARD[shape]
        here = row["times"][HERE]["median"]
        shown = duration(here)
        if shape == SMALLEST:
            shown = cells.judged(shown, here < SMALLEST_SECONDS, f"forward {shape}, from C")
        lines.append(
            [row["name"], shown, *map(duration, peers), duration(copy)]
            + cells.at_least(best / here, faster, f"forward {shape}, to the best peer")
            + [times(row, here, best)]
            # A copy of a kilobyte is a few instructions; a share of it says nothing.
            + (["-", "-"] if share is None else cells.at_least(copy / here, share, f"forward {shape}, of memcpy"))
        )
        if shape == SMALLEST:
            there = row["times"]["here, from Python"]["median"]
            lines.append(
                ["the same, from Python", duration(there), *map(duration, peers), duration(copy)]
                + cells.at_least(best / there, None, "")
                + [times(row, there, best), "-", "-"]
            )
    return table(
        ["forward, NCHW", HERE, *PEERS, "memcpy", "to the best peer", "target", "to the best, group_norm too"]
        + ["of memcpy", "target"],
        lines,
    )


def maps_last_table(rows, cells):
    lines = []
    for row in rows:
        shape = tuple(json.loads(row["name"].replace("(", "[").replace(")", "]")))
        here, first, peer = row["times"][HERE]["median"], median(row, "maps first"), median(row, "PyTorch")
        faster, longer = MAPS_LAST[shape]
        lines.append(
            [row["name"], duration(here), duration(peer), duration(median(row, ROUNDABOUT))]
            + cells.at_least(peer / here, faster, f"NHWC {shape}, to PyTorch")
            + [times(row, here, peer)]
            + [duration(first)]
            + cells.at_most(here / first, longer, f"NHWC {shape}, to NCHW")
        )
    return table(
        ["forward, NHWC", HERE, "PyTorch", "group_norm", "to PyTorch", "target", "to the best, group_norm too"]
        + ["here in NCHW", "to that", "target"],
        lines,
    )


def more_table(rows, cells):
    lines = []
    for row in rows:
        peers = [median(row, peer) for peer in PEERS]
        best = min((peer for peer in peers if peer is not None), default=None)
        other = median(row, ROUNDABOUT)
        if "backward" in row["name"]:
            # There PyTorch has no peer but itself, and the roundabout way is its faster one.
            best = min(best, other)
        here, plain = row["times"][HERE]["median"], median(row, "plain")
        faster, longer = MORE[row["name"]]
        lines.append(
            [row["name"], duration(here), *map(duration, peers), duration(other)]
            + cells.at_least(ratio(best, here), faster, f"{row['name']}, to the best peer")
            + [times(row, here, best) if best and other else "-"]
            + ([duration(plain)] if plain else ["-", "-", "-"])
            + (cells.at_most(here / plain, longer, f"{row['name']}, to forward alone") if plain else [])
        )
    title = f"{USUAL}"
    columns = ["to the best peer", "target", "to the best, group_norm too", "forward alone", "to that", "target"]
    return table([title, HERE, *PEERS, "group_norm", *columns], lines)


def growth_table(rows, cells):
    by_size = {int(row["name"]): row for row in rows}
    lines = []
    for sizes in GROWTH:
        found = [size for size in sizes if size in by_size]
        per_value = {size: by_size[size]["times"][HERE]["median"] / by_size[size]["values"] for size in found}
        for size in found:
            row = by_size[size]
            here, copy = row["times"][HERE]["median"], median(row, "memcpy")
            growth = ["", ""]
            if size == found[-1] and len(found) > 1:
                factor = max(per_value.values()) / min(per_value.values())
                growth = cells.at_most(factor, GROWTH_FACTOR, f"growth from {found[0]} to {size} MiB")
            lines.append(
                [f"{size} MiB", duration(here), f"{per_value[size] * 1e9:.3f} ns", duration(copy)]
                + [f"{copy / here:.2f}", *growth]
            )
    titles = ["planes of 256 x 256, input of", HERE, "a value", "memcpy", "of memcpy", "largest to least", "target"]
    return table(titles, lines)


def one_thread_table(rows):
    lines = []
    for row in rows:
        here, copy = row["times"][HERE]["median"], median(row, "memcpy")
        share = "-" if row["name"] == str(SMALLEST) else f"{copy / here:.2f}"
        lines.append([row["name"], duration(here), duration(copy), share])
    return table(["forward, NCHW, one thread", HERE, "memcpy", "of memcpy"], lines)


def report(results):
    cells = Cells()
    sections = {}
    for row in results["rows"]:
        sections.setdefault(row["section"], []).append(row)
    threads = results["threads"]
    print(f"{results['machine']}; {threads} threads each; {', '.join(results['contestants'])}.")
    print(
        "\nMedians, float32 with scale and bias. PyTorch's is `instance_norm`, and beside it `group_norm` with a group "
        f"for each map, which comes to the same; its results' memory is {results['malloc']}. memcpy's is the better of "
        "one and of one for each thread. Bold misses its target.\n"
    )
    print(forward_table(sections["forward"], cells), end="\n\n")
    print(maps_last_table(sections["maps last"], cells), end="\n\n")
    print(more_table(sections["more"], cells), end="\n\n")
    print(growth_table(sections["growth"], cells), end="\n\n")
    print(one_thread_table(sections["one thread"]))
    notes = [f"{row['section']} {row['name']}: {note}" for row in results["rows"] for note in row["notes"]]
    for title, lines in (("Missed", cells.missed), ("Beware", notes)):
        if lines:
            print(f"\n{title}:\n")
            print("\n".join(f"- {line}" for line in lines))


# MARK: The picture

COLOURS = {
    HERE: "#e8590c",
    "PyTorch": "#66758a",
    ROUNDABOUT: "#8793a4",
    "ONNX Runtime": "#a9b3bf",
    "OpenVINO": "#ccd3db",
}


def picture(results):
    """Shares of memcpy's speed. From zero and on an even scale, so that lengths can be compared."""
    rows = [row for row in results["rows"] if row["section"] == "forward" and row["name"] != str(SMALLEST)]
    shares = []
    for row in rows:
        copy = median(row, "memcpy")
        times = {name: median(row, name) for name in COLOURS}
        shares.append((row["name"], [(name, copy / t, t) for name, t in times.items() if t is not None]))
    highest = max([1.0] + [share for _, bars in shares for _, share, _ in bars])
    top = math.ceil(highest * 5 + 0.01) / 5
    left, width, bar, between, head = 168, 560, 15, 18, 92
    foot = head + sum(len(bars) * bar + between for _, bars in shares)
    scale = lambda share: left + share / top * width
    text = []

    def put(x, y, words, size=12, anchor="start", colour="#333", weight="normal"):
        words = words.replace("&", "&amp;").replace("<", "&lt;")
        text.append(
            f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{words}</text>'
        )

    put(16, 28, "Instance normalisation beside a copy of the same memory", 17, weight="600", colour="#111")
    put(16, 49, f"Speed as a share of memcpy's: longer is faster. Forward, float32, {results['threads']} threads each.")
    x = 16
    for name, colour in COLOURS.items():
        text.append(f'<rect x="{x}" y="62" width="11" height="11" fill="{colour}"/>')
        put(x + 16, 72, name)
        x += 34 + 7 * len(name)
    steps = round(top * 5)
    for step in range(steps + 1):
        at, one = scale(step / 5), step == 5
        stroke = 'stroke="#333" stroke-dasharray="4 3"' if one else 'stroke="#e3e6ea"'
        text.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{head - 6}" y2="{foot - between + 8}" {stroke}/>')
        put(at, foot - between + 24, "memcpy" if one else f"{step / 5:.1f}", 11, "middle", "#333" if one else "#777")
    y = head
    for name, bars in shares:
        put(left - 12, y + len(bars) * bar / 2 + 4, name, anchor="end", colour="#111")
        for contestant, share, seconds in bars:
            end, strong = scale(share), contestant == HERE
            text.append(
                f'<rect x="{left}" y="{y + 1}" width="{end - left:.1f}" height="{bar - 2}" '
                f'fill="{COLOURS[contestant]}"/>'
            )
            put(end + 6, y + 11.5, duration(seconds), 11, weight="600" if strong else "normal")
            y += bar
        y += between
    contestants = [name for name in results["contestants"] if not name.startswith("Python")]
    put(16, foot + 26, results["machine"], 10, colour="#777")
    put(16, foot + 41, ", ".join(contestants), 10, colour="#777")
    # White rather than clear, so that it can be read on a dark page too.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 830 {foot + 54}" width="830" height="{foot + 54}" '
        'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif">\n'
        f'<rect width="830" height="{foot + 54}" rx="6" fill="#fff"/>\n' + "\n".join(text) + "\n</svg>\n"
    )


# MARK: What is asked for

if arguments.saved:
    results = json.loads(pathlib.Path(arguments.saved).read_text())
else:
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Ours(arguments.library, folder))
    results["malloc"] = "kept between calls" if arguments.keep_memory else "malloc's to keep or give back"
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results, indent=1) + "\n")
report(results)
chart = arguments.picture or (None if arguments.quick else ROOT / "Documentation/Pictures/compare.svg")
if chart:
    pathlib.Path(chart).write_text(picture(results))
