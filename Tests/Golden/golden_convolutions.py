"""Convolutions and transposed ones, pooling and what else networks move pixels with, by PyTorch in float64: results,
gradients, and gradients of a penalty on gradients. Inputs are numbers that every type has, so that half-width types can
be held to the same results."""

import random as dice

import torch
from golden_gradients import Random, save
from golden_operations import differentiated
from torch.nn import functional

# In the order of a case's settings.
SETTINGS = [
    "stride_rows", "stride_columns", "top", "left", "bottom", "right", "dilation_rows", "dilation_columns", "groups",
    "more_rows", "more_columns"]


def exact(values):
    """Numbers of few digits."""
    return (values * 16).round().clamp(-63, 63) / 16


def settings(rng, transposed):
    """Any that PyTorch has a word for."""
    groups = rng.choice([1, 1, 1, 2, 3])
    depthwise = rng.random() < 0.15
    maps, others = groups * rng.randint(1, 3), groups * rng.randint(1, 3)
    if depthwise:
        groups, others = maps, maps * rng.randint(1, 2)
    longest = rng.choice([4, 8, 12, 20])
    case = {
        "images": rng.choice([1, 1, 2]), "maps": maps, "others": others, "groups": groups,
        "height": rng.randint(1, longest), "width": rng.randint(1, longest),
        "kernel": [rng.choice([1, 2, 3, 3, 3, 4, 5, 9]) for _ in range(2)],
        "stride": [rng.choice([1, 1, 2, 3, 4]) for _ in range(2)],
        "dilation": [rng.choice([1, 1, 1, 2, 3]) for _ in range(2)],
        "padding": [rng.choice([0, 0, 1, 2, 4]) for _ in range(4)],
    }
    if rng.random() < 0.6:
        case["padding"][2:] = case["padding"][:2]
    limits = [max(pair) for pair in zip(case["stride"], case["dilation"])]
    case["more"] = [rng.randrange(limit) if transposed else 0 for limit in limits]
    return case


def extents(case, transposed):
    """The result's."""
    found = []
    for axis, extent in enumerate([case["height"], case["width"]]):
        span = (case["kernel"][axis] - 1) * case["dilation"][axis] + 1
        margin = case["padding"][axis] + case["padding"][axis + 2]
        if transposed:
            found.append((extent - 1) * case["stride"][axis] + span + case["more"][axis] - margin)
        else:
            found.append((extent + margin - span) // case["stride"][axis] + 1 if extent + margin >= span else 0)
    return found


def convolve(case, transposed):
    top, left, bottom, right = case["padding"]
    words = {"stride": case["stride"], "dilation": case["dilation"], "groups": case["groups"]}

    def plain(x, w, b):
        return functional.conv2d(functional.pad(x, [left, right, top, bottom]), w, b, **words)

    def spread(x, w, b):
        if (top, left) == (bottom, right):
            return functional.conv_transpose2d(
                x, w, b, padding=(top, left), output_padding=case["more"], **words)
        # PyTorch pads an output only by less than the stride or the dilation, and so do we.
        y = functional.conv_transpose2d(x, w, b, output_padding=case["more"], **words)
        return y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]

    return spread if transposed else plain


def convolutions(random, transposed, count, seed):
    rng = dice.Random(seed)
    name = "transposed" if transposed else "convolution"
    tensors = {f"{name}.count": torch.tensor([count], dtype=torch.float64)}
    number = 0
    while number < count:
        case = settings(rng, transposed)
        if min(extents(case, transposed)) < 1 or max(extents(case, transposed)) > 24:
            continue
        operation = convolve(case, transposed)
        groups = case["groups"]
        shape = [case["maps"], case["others"] // groups] if transposed else [case["others"], case["maps"] // groups]
        inputs = {
            "x": exact(random(case["images"], case["maps"], case["height"], case["width"])),
            "w": exact(random(*shape, *case["kernel"])),
            "b": exact(random(case["others"])),
        }
        data = {key: value.clone().requires_grad_() for key, value in inputs.items()}
        y = operation(*data.values())
        dy = exact(random(*y.shape))
        grads = torch.autograd.grad(y, list(data.values()), dy)
        found = {"y": y, "dy": dy} | {f"d{key}": grad for key, grad in zip(data, grads)}
        if number % 3 == 0:
            # The gradients of |dx|^2 / 2 + |dw|^2 / 2.
            watched = dy.clone().requires_grad_()
            y = operation(*data.values())
            dx, dw = torch.autograd.grad(y, [data["x"], data["w"]], watched, create_graph=True)
            penalty = (dx.square().sum() + dw.square().sum()) / 2
            second = torch.autograd.grad(penalty, [data["x"], data["w"], watched])
            found |= {f"penalty.{key}": grad for key, grad in zip(["dx", "dw", "ddy"], second)}
        numbers = [*case["stride"], *case["padding"], *case["dilation"], groups, *case["more"]]
        assert len(numbers) == len(SETTINGS)
        found["settings"] = torch.tensor(numbers, dtype=torch.float64)
        for key, value in (inputs | found).items():
            tensors[f"{name}.{number}.{key}"] = value.half() if key in ("x", "w", "b", "dy", "settings") else value
        number += 1
    return tensors


def pooling(random, count, seed):
    """Values have ties, whose gradient goes to the first."""
    rng = dice.Random(seed)
    tensors = {"pooling.count": torch.tensor([count], dtype=torch.float64)}
    number = 0
    while number < count:
        size = [rng.randint(1, 4) for _ in range(2)]
        stride = [rng.randint(1, 4) for _ in range(2)]
        pad = [rng.randint(0, extent // 2) for extent in size]
        ceil = rng.random() < 0.5
        shape = [rng.randint(1, 2), rng.randint(1, 3), rng.randint(1, 12), rng.randint(1, 12)]
        if any(shape[2 + axis] + 2 * pad[axis] < size[axis] for axis in range(2)):
            continue
        x = (random(*shape) * 2).round() / 2
        found = {"x": x.half(), "settings": torch.tensor([*size, *stride, *pad, ceil]).half()}
        for name, function in [("max", functional.max_pool2d), ("average", functional.avg_pool2d)]:
            data = x.clone().requires_grad_()
            y = function(data, size, stride, pad, ceil_mode=ceil)
            dy = exact(random(*y.shape)).requires_grad_()
            (dx,) = torch.autograd.grad(y, data, dy, create_graph=True)
            (second,) = torch.autograd.grad(dx.square().sum() / 2, dy)
            found |= {f"{name}.y": y, f"{name}.dy": dy.detach().half(), f"{name}.dx": dx, f"{name}.penalty": second}
        tensors |= {f"pooling.{number}.{key}": value for key, value in found.items()}
        number += 1
    return tensors


def moves(random):
    """Pixels as maps and maps as pixels, and linear maps."""
    tensors = differentiated("shuffle", lambda x: functional.pixel_shuffle(x, 2), random, x=exact(random(2, 12, 3, 2)))
    tensors |= differentiated("unshuffle", lambda x: functional.pixel_unshuffle(x, 3), random, x=exact(random(2, 2, 6, 3)))
    tensors |= differentiated(
        "linear", functional.linear, random, x=exact(random(2, 3, 5)), w=exact(random(4, 5)), b=exact(random(4)))
    return tensors


def convolution_cases(folder):
    random = Random(91)
    tensors = convolutions(random, False, 36, 1) | convolutions(random, True, 24, 2)
    tensors |= pooling(random, 24, 3) | moves(random)
    save(tensors, folder / "convolutions.safetensors")
