"""Times whole steps of training here and in PyTorch: a style, pix2pix and CycleGAN.

Each contestant trains the same networks by the same losses in a process of its own, some steps a turn, and contestants
take turns. A time is the median over the steps of all turns but the first of each turn; memory is the process' peak. Ours
reads its pictures from files as it goes, PyTorch has them in memory.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(prog="script/compare training", description=__doc__.split("\n")[0])
parser.add_argument("tool", help=argparse.SUPPRESS)
parser.add_argument("--threads", type=int, default=2, help="of each contestant (default: 2)")
parser.add_argument("--rounds", type=int, default=3, help="turns of each contestant (default: 3)")
parser.add_argument("--steps", type=int, default=8, help="steps of a turn (default: 8)")
parser.add_argument("--only", action="append", choices=["style", "pairs", "cycle"], help="this kind alone")
parser.add_argument("--torch", help=argparse.SUPPRESS)
arguments = parser.parse_args()

ROOT = pathlib.Path(__file__).resolve().parent.parent
KINDS = {
    # pictures a step, their size, what the tool is told beside them, and the ratio aimed at
    "style": (4, 256, ["--width", "32"], 2.5),
    "pairs": (1, 256, ["--width", "64"], 1.5),
    "cycle": (1, 128, ["--width", "64", "--blocks", "9"], 2),
}


def peak(process="self"):
    """MiB that a process has taken at most."""
    for line in open(f"/proc/{process}/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024


# MARK: PyTorch, in a process of its own


def torch_steps(kind, is_channels_last):
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import torch
    from torch.nn import functional

    sys.path.insert(0, str(ROOT / "Tests/Golden"))
    from golden_networks import Patches, ResNet, SmallVGG, Transformer, UNet
    from golden_trainers import features

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    batch, size, _, _ = KINDS[kind]
    form = torch.channels_last if is_channels_last else torch.contiguous_format

    def mean_and_covariance(features):
        flat = features.flatten(2)
        mean = flat.mean(2, keepdim=True)
        return mean, flat @ flat.mT / flat.shape[2] - mean @ mean.mT

    def made(network):
        return network.to(memory_format=form)

    def adam(networks, rate, beta1):
        return torch.optim.Adam([p for n in networks for p in n.parameters()], lr=rate, betas=(beta1, 0.999))

    def take(optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def frozen(networks, are_frozen):
        for network in networks:
            network.requires_grad_(not are_frozen)

    pictures = [torch.rand(batch, 3, size, size).to(memory_format=form) for _ in range(4)]
    if kind == "style":
        network, judge = made(Transformer(32, 5, mode="bilinear")), made(SmallVGG(16)).requires_grad_(False)
        optimizer, at = adam([network], 1e-3, 0.9), (12, 22, 33, 41)
        with torch.no_grad():
            of_style = features(judge, pictures[0][:1])
            targets = {place: mean_and_covariance(of_style[place]) for place in at}

        def step(number):
            picture = pictures[number % 4]
            painting = network(picture * 2 - 1) * 0.5 + 0.5
            with torch.no_grad():
                wanted = features(judge, picture)[31]
            found = features(judge, painting)
            loss = functional.mse_loss(found[31], wanted)
            for place in at:
                for has, wants in zip(mean_and_covariance(found[place]), targets[place]):
                    loss = loss + (has - wants).square().sum()
            loss = loss + (painting[:, :, 1:] - painting[:, :, :-1]).abs().mean()
            loss = loss + (painting[:, :, :, 1:] - painting[:, :, :, :-1]).abs().mean()
            take(optimizer, loss)

    elif kind == "pairs":
        generator, discriminator = made(UNet(64, 8, "instance")), Patches(64, 3, "instance")
        discriminator.model[0] = torch.nn.Conv2d(6, 64, 4, 2, 1)
        discriminator = made(discriminator)
        of_generator, of_discriminator = adam([generator], 2e-4, 0.5), adam([discriminator], 2e-4, 0.5)

        def judged(x, other, is_real):
            logits = discriminator(torch.cat([x, other], 1))
            return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, is_real))

        def step(number):
            x, y = pictures[number % 4], pictures[(number + 1) % 4]
            fake = generator(x)
            frozen([discriminator], False)
            take(of_discriminator, 0.5 * (judged(x, y, 1) + judged(x, fake.detach(), 0)))
            frozen([discriminator], True)
            take(of_generator, judged(x, fake, 1) + 100 * functional.l1_loss(fake, y))

    else:
        forth, back = made(ResNet(64, 9, "instance")), made(ResNet(64, 9, "instance"))
        of_a, of_b = made(Patches(64, 3, "instance")), made(Patches(64, 3, "instance"))
        generators, discriminators = adam([forth, back], 2e-4, 0.5), adam([of_a, of_b], 2e-4, 0.5)
        l1 = functional.l1_loss

        def step(number):
            a, b = pictures[number % 4], pictures[(number + 1) % 4]
            frozen([of_a, of_b], True)
            fake_b, fake_a = forth(a), back(b)
            loss = (of_b(fake_b) - 1).square().mean() + (of_a(fake_a) - 1).square().mean()
            loss = loss + 10 * (l1(back(fake_b), a) + l1(forth(fake_a), b)) + 5 * (l1(back(a), a) + l1(forth(b), b))
            take(generators, loss)
            frozen([of_a, of_b], False)
            loss = 0
            for network, real, fake in ((of_a, a, fake_a.detach()), (of_b, b, fake_b.detach())):
                loss = loss + 0.5 * ((network(real) - 1).square().mean() + network(fake).square().mean())
            take(discriminators, loss)

    times = []
    for number in range(arguments.steps):
        start = time.perf_counter()
        step(number)
        times.append(time.perf_counter() - start)
    print(json.dumps({"times": times, "memory": peak()}))


# MARK: Turns


def of_torch(kind, form):
    command = [sys.executable, __file__, arguments.tool, "--torch", f"{kind},{form}"]
    command += ["--threads", str(arguments.threads), "--steps", str(arguments.steps)]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result["times"], result["memory"]


def here(kind, folder):
    batch, size, options, _ = KINDS[kind]
    pictures = str(folder / "pictures")
    command = [arguments.tool, "train", kind]
    if kind == "style":
        command += [str(ROOT / "Documentation/Pictures/style.jpg"), "--pictures", pictures]
        command += ["--loss-network", str(folder / "judge.safetensors"), "--pooling", "max"]
    else:
        command += [pictures, pictures]
    command += options + ["--batch", str(batch), "--size", str(size), "--steps", str(arguments.steps), "--json"]
    command += ["--threads", str(arguments.threads), "-o", str(folder / "model.safetensors")]
    command += ["--checkpoint", str(folder / f"run-{time.time_ns()}")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    times, whole, memory = [], 0, 0
    for line in process.stdout:
        said = json.loads(line)
        # Pictures a second are those since the start.
        now = said["step"] * batch / said["picturesPerSecond"]
        times.append(now - whole)
        whole, memory = now, peak(process.pid) or memory
    if process.wait() != 0:
        raise SystemExit(f"training: {' '.join(command)} failed")
    return times, memory


if arguments.torch:
    kind, form = arguments.torch.split(",")
    torch_steps(kind, form == "channels last")
    raise SystemExit

with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    (folder / "pictures").mkdir()
    for name in ("scene", "style"):
        (folder / "pictures" / f"{name}.jpg").write_bytes((ROOT / f"Documentation/Pictures/{name}.jpg").read_bytes())
    sys.path.insert(0, str(ROOT / "Tests/Golden"))
    from golden_networks import SmallVGG
    from safetensors.torch import save_file

    save_file(SmallVGG(16).state_dict(), folder / "judge.safetensors")

    print("| a step | here | PyTorch | channels last | times as fast | target | memory, MiB | PyTorch's |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    names = {
        "style": "style, 4 x 256 x 256", "pairs": "pix2pix, 256 x 256", "cycle": "CycleGAN, 9 blocks, 128 x 128"}
    for kind in arguments.only or KINDS:
        contestants = {
            "here": lambda: here(kind, folder), "PyTorch": lambda: of_torch(kind, "contiguous"),
            "channels last": lambda: of_torch(kind, "channels last")}
        times, memory = {name: [] for name in contestants}, {name: 0 for name in contestants}
        for turn in range(arguments.rounds):
            order = list(contestants)[turn % 3:] + list(contestants)[:turn % 3]
            for name in order:
                found, most = contestants[name]()
                times[name] += found[1:]
                memory[name] = max(memory[name], most)
        medians = {name: statistics.median(found) for name, found in times.items()}
        best = min(("PyTorch", "channels last"), key=medians.get)
        shown = " | ".join(f"{1000 * medians[name]:.0f} ms" for name in contestants)
        ratio = medians[best] / medians["here"]
        print(
            f"| {names[kind]} | {shown} | {ratio:.2f} | {KINDS[kind][3]} | {memory['here']:.0f} | {memory[best]:.0f} |",
            flush=True)
