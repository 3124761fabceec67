"""Times networks here, in PyTorch, ONNX Runtime and OpenVINO on the same weights and the same picture.

Contestants take turns, in an order that moves on by one from round to round, and a time is the median over the rounds. A
turn is some calls, of which the median counts. Ours runs in a process of its own, which waits between its turns; all get
as many threads. Before anything is timed, results are compared: they have to agree to 1e-3 of 255.
"""

import argparse
import os
import sys

parser = argparse.ArgumentParser(prog="script/compare generators", description=__doc__.split("\n")[0])
parser.add_argument("tool", help=argparse.SUPPRESS)
parser.add_argument("--threads", type=int, default=2, help="of each contestant (default: 2)")
parser.add_argument("--rounds", type=int, default=7, help="turns of each contestant (default: 7)")
parser.add_argument("--quick", action="store_true", help="the first row alone, in three rounds")
parser.add_argument(
    "--only", action="append", choices=["256", "720", "resnet", "training", "memory"], metavar="ROW",
    help="this row alone: 256, 720, resnet, training or memory; may be given several times")
parser.add_argument("--isa", help="hold ours to an instruction set, as INSTNORM_ISA does, and the others to AVX2")
parser.add_argument("--json", metavar="FILE", help="write all times there as well")
arguments = parser.parse_args()

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)
if arguments.isa:
    os.environ["INSTNORM_ISA"] = arguments.isa
    os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"
    os.environ["ATEN_CPU_CAPABILITY"] = "avx2"

import json
import pathlib
import platform
import statistics
import subprocess
import tempfile
import time

import numpy as np
import onnxruntime
import openvino
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.set_num_threads(arguments.threads)
torch.manual_seed(0)
HERE = "here"


class ConvLayer(nn.Module):
    def __init__(self, inputs, outputs, size, stride=1, upsampling=1):
        super().__init__()
        self.upsampling = upsampling
        self.pad = size // 2
        self.conv2d = nn.Conv2d(inputs, outputs, size, stride)

    def forward(self, x):
        if self.upsampling > 1:
            x = F.interpolate(x, scale_factor=self.upsampling, mode="nearest")
        return self.conv2d(F.pad(x, [self.pad] * 4, mode="reflect"))


class Block(nn.Module):
    def __init__(self, maps):
        super().__init__()
        self.conv1, self.in1 = ConvLayer(maps, maps, 3), nn.InstanceNorm2d(maps, affine=True)
        self.conv2, self.in2 = ConvLayer(maps, maps, 3), nn.InstanceNorm2d(maps, affine=True)

    def forward(self, x):
        return self.in2(self.conv2(torch.relu(self.in1(self.conv1(x))))) + x


class TransformerNet(nn.Module):
    """Johnson, Alahi and Fei-Fei, 2016."""

    def __init__(self):
        super().__init__()
        sizes = [(3, 32, 9, 1, 1), (32, 64, 3, 2, 1), (64, 128, 3, 2, 1)]
        for i, (inputs, outputs, size, stride, up) in enumerate(sizes, 1):
            setattr(self, f"conv{i}", ConvLayer(inputs, outputs, size, stride, up))
            setattr(self, f"in{i}", nn.InstanceNorm2d(outputs, affine=True))
        for i in range(1, 6):
            setattr(self, f"res{i}", Block(128))
        self.deconv1, self.in4 = ConvLayer(128, 64, 3, upsampling=2), nn.InstanceNorm2d(64, affine=True)
        self.deconv2, self.in5 = ConvLayer(64, 32, 3, upsampling=2), nn.InstanceNorm2d(32, affine=True)
        self.deconv3 = ConvLayer(32, 3, 9)

    def forward(self, x):
        for i in range(1, 4):
            x = torch.relu(getattr(self, f"in{i}")(getattr(self, f"conv{i}")(x)))
        for i in range(1, 6):
            x = getattr(self, f"res{i}")(x)
        x = torch.relu(self.in4(self.deconv1(x)))
        x = torch.relu(self.in5(self.deconv2(x)))
        return self.deconv3(x)


class ResnetBlock(nn.Module):
    def __init__(self, maps):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(maps, maps, 3), nn.InstanceNorm2d(maps), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(maps, maps, 3), nn.InstanceNorm2d(maps))

    def forward(self, x):
        return x + self.conv_block(x)


class ResNetGenerator(nn.Module):
    """CycleGAN's, of 9 blocks (Zhu, Park, Isola and Efros, 2017)."""

    def __init__(self):
        super().__init__()
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, 64, 7), nn.InstanceNorm2d(64), nn.ReLU()]
        for maps in (64, 128):
            layers += [nn.Conv2d(maps, 2 * maps, 3, 2, 1), nn.InstanceNorm2d(2 * maps), nn.ReLU()]
        layers += [ResnetBlock(256) for _ in range(9)]
        for maps in (256, 128):
            layers += [nn.ConvTranspose2d(maps, maps // 2, 3, 2, 1, 1), nn.InstanceNorm2d(maps // 2), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(64, 3, 7), nn.Tanh())

    def forward(self, x):
        return self.model(x)


def median_call(call, seconds=0.5, least=3):
    times = []
    end = time.perf_counter() + seconds
    call()
    while time.perf_counter() < end or len(times) < least:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def ours(model, size, part, batch=1):
    def turn():
        result = subprocess.run(
            [arguments.tool, "bench", "--network", model, "--size", str(size), "--batch", str(batch), "--part", part,
             "--threads", str(arguments.threads), "--device", "cpu", "--json"],
            check=True, capture_output=True, text=True)
        return json.loads(result.stdout)["seconds"][part]

    return turn


def take_turns(contestants, rounds):
    times = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds):
        for name in names[number % len(names):] + names[:number % len(names)]:
            times[name].append(contestants[name]())
    return {name: statistics.median(values) for name, values in times.items()}


def compile_openvino(path, precision):
    core = openvino.Core()
    options = {"INFERENCE_NUM_THREADS": arguments.threads, "NUM_STREAMS": 1}
    if precision:
        options["INFERENCE_PRECISION_HINT"] = precision
    return core.compile_model(core.read_model(path), "CPU", options)


def peers(network, x, folder):
    """Each as a function, by name, once it is known to give what PyTorch gives."""
    path = str(folder / "network.onnx")
    torch.onnx.export(network, (x,), path, dynamo=False, opset_version=17, input_names=["x"], output_names=["y"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    try:
        wide, usual = compile_openvino(path, "f32"), compile_openvino(path, None)
    except RuntimeError as error:
        if not arguments.isa:
            raise
        wide = usual = None
        print(f"OpenVINO cannot be held to AVX2 here: {str(error).strip().splitlines()[-1]}")
    array, last = x.numpy(), x.to(memory_format=torch.channels_last)
    network_last = type(network)()
    network_last.load_state_dict(network.state_dict())
    network_last.eval().to(memory_format=torch.channels_last)
    calls = {
        "PyTorch": lambda: network(x).numpy(),
        "PyTorch, channels last": lambda: network_last(last).numpy(),
        "ONNX Runtime": lambda: session.run(None, {"x": array})[0],
    }
    if wide:
        calls["OpenVINO float32"] = lambda: wide(array)[0]
        calls["OpenVINO as it comes"] = lambda: usual(array)[0]
    expected = calls["PyTorch"]()
    scale = np.abs(expected).max()
    for name, call in calls.items():
        difference = np.abs(call() - expected).max() / scale
        # As it comes it may compute in bfloat16.
        if difference > (0.2 if "as it comes" in name else 1e-4):
            sys.exit(f"{name} differs from PyTorch by {difference:.2g} of the largest value")
    return calls, expected


def check_ours(model, x, expected, folder):
    np.save(folder / "x.npy", x.numpy())
    subprocess.run(
        [arguments.tool, "stylize", str(folder / "x.npy"), "-o", str(folder / "y.npy"), "--model", model,
         "--device", "cpu"], check=True, capture_output=True)
    difference = np.abs(np.load(folder / "y.npy") - expected).max() / np.abs(expected).max()
    if difference > 1e-3:
        sys.exit(f"ours differs from PyTorch by {difference:.2g} of the largest value")
    return difference


def inference(name, network, size, targets, rounds):
    network.eval()
    with torch.no_grad(), tempfile.TemporaryDirectory() as directory:
        folder = pathlib.Path(directory)
        model = str(folder / "network.safetensors")
        save_file(network.state_dict(), model)
        scale = 255 if name.startswith("Transformer") else 1
        x = torch.rand(1, 3, size, size) * scale
        calls, expected = peers(network, x, folder)
        difference = check_ours(model, x, expected, folder)
        contestants = {HERE: ours(model, size, "plan"), "here, exact": ours(model, size, "exact"),
                       "here, its convolutions": ours(model, size, "convolutions")}
        for peer, call in calls.items():
            contestants[peer] = lambda call=call: median_call(call)
        times = take_turns(contestants, rounds)
    print(f"\n{name}, {size} x {size} (agrees to {difference:.1g})\n")
    print("| | ms | as fast as here |\n| --- | --- | --- |")
    for peer, seconds in times.items():
        print(f"| {peer} | {seconds * 1e3:.0f} | {times[HERE] / seconds:.2f} |")
    for (subject, other), target in targets.items():
        if other not in times:
            continue
        print(f"- {subject} against {other}: {times[other] / times[subject]:.2f} times as fast, wanted {target}")
    print(f"- the whole against its convolutions alone: {times[HERE] / times['here, its convolutions']:.2f}, wanted 1.08")
    return {"network": name, "size": size, "seconds": times}


def training(rounds):
    network = TransformerNet()
    with tempfile.TemporaryDirectory() as directory:
        model = str(pathlib.Path(directory) / "network.safetensors")
        save_file(network.state_dict(), model)
        contestants = {HERE: ours(model, 256, "training", batch=4)}
        for name, form in (("PyTorch", torch.contiguous_format), ("PyTorch, channels last", torch.channels_last)):
            x = (torch.rand(4, 3, 256, 256) * 255).to(memory_format=form)
            target = (torch.rand(4, 3, 256, 256) * 255).to(memory_format=form)
            own = TransformerNet().to(memory_format=form)

            def step(own=own, x=x, target=target):
                own.zero_grad()
                F.mse_loss(own(x), target).backward()

            contestants[name] = lambda step=step: median_call(step, least=2)
        times = take_turns(contestants, rounds)
    print("\nTransformerNet, forward and backward, 4 x 256 x 256\n\n| | ms |\n| --- | --- |")
    for name, seconds in times.items():
        print(f"| {name} | {seconds * 1e3:.0f} |")
    best = min(times[name] for name in times if name != HERE)
    print(f"- {best / times[HERE]:.2f} times as fast as PyTorch's faster one, wanted 3")
    return {"network": "TransformerNet, training", "size": 256, "seconds": times}


def peak_memory():
    """MiB that a process takes which runs the network on pictures of 1024 x 1024."""
    with tempfile.TemporaryDirectory() as directory:
        model = str(pathlib.Path(directory) / "network.safetensors")
        save_file(TransformerNet().state_dict(), model)
        command = [arguments.tool, "bench", "--network", model, "--size", "1024", "--part", "plan", "--device", "cpu",
                   "--threads", str(arguments.threads)]
        # A child of a process this large would begin with its peak.
        program = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, capture_output=True); "
        program += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        result = subprocess.run([sys.executable, "-c", program, *command], check=True, capture_output=True, text=True)
    mebibytes = int(result.stdout) / 1024
    print(f"\npeak memory at 1024 x 1024: {mebibytes:.0f} MiB, wanted 381 (0.4 GB)")
    return {"network": "peak memory", "size": 1024, "mebibytes": mebibytes}


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


rounds = 3 if arguments.quick else arguments.rounds
print(
    f"{processor()}, {arguments.threads} threads{', ' + arguments.isa if arguments.isa else ''}; PyTorch "
    f"{torch.__version__}, ONNX Runtime {onnxruntime.__version__}, OpenVINO {openvino.__version__}")
if arguments.isa:
    targets = {(HERE, "OpenVINO float32"): 1.5}
else:
    targets = {
        (HERE, "OpenVINO float32"): 2.5,
        (HERE, "OpenVINO as it comes"): 1,
        ("here, exact", "OpenVINO float32"): 1.3,
    }
rows = {
    "256": lambda: inference("TransformerNet", TransformerNet(), 256, targets, rounds),
    "720": lambda: inference("TransformerNet", TransformerNet(), 720, targets, rounds),
    "resnet": lambda: inference(
        "ResNetGenerator, 9 blocks", ResNetGenerator(), 256, {(HERE, "OpenVINO float32"): 2.2}, rounds),
    "training": lambda: training(max(rounds // 2, 3)),
    "memory": peak_memory,
}
report = [rows[name]() for name in arguments.only or (["256"] if arguments.quick else rows)]
if arguments.json:
    pathlib.Path(arguments.json).write_text(json.dumps(report, indent=1))
