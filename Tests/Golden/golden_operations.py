"""Operations and their gradients one at a time, by PyTorch in float64 (of float32 inputs where the name says so)."""

import torch
from golden_gradients import Random, save
from torch.nn import functional

POINTWISE = {
    "relu": torch.relu,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.2),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "exp": torch.exp,
    "log": torch.log,
    "square_root": torch.sqrt,
    "absolute": torch.abs,
    "square": torch.square,
    "clamped": lambda x: torch.clamp(x, -0.5, 2.0),
    # PyTorch's threshold of 20, above which it gives x, is wrong by 2e-9 there: too much for float64.
    "softplus": lambda x: functional.softplus(x, beta=1, threshold=40),
    "gelu": functional.gelu,
    "silu": functional.silu,
    "negate": torch.neg,
    "reciprocal": torch.reciprocal,
    "affine": lambda x: 1.75 * x - 0.25,
}

INFINITY, NAN = float("inf"), float("nan")
ORDINARY = [0.0625, 0.3, 0.7, 1.0, 1.3, 2.1, 3.7, 5.9, 8.4, 13.0, 19.5, 21.0, 37.0]
ENDS = [0.0, -0.0, -0.5, 2.0, 88.0, -88.0, 89.5, -104.0, INFINITY, -INFINITY, NAN]
EXTREMES = {
    "float32": [1e-7, 1e-30, 3e-39, 1e-45, 1e15, 1e30, 3.4028234663852886e38],
    "float64": [1e-12, 1e-200, 3e-310, 5e-324, 709.5, 1e150, 1.7976931348623157e308],
}


def pointwise(random):
    """All functions on the same values: zeros, kinks, the ends of the type, infinities and NaN."""
    tensors = {}
    for dtype, extremes in EXTREMES.items():
        values = ENDS + [sign * value for value in ORDINARY + extremes for sign in (1, -1)]
        kind = getattr(torch, dtype)
        x = torch.tensor(values, dtype=torch.float64).to(kind)
        dy = random.between(0.5, 2, len(values)).to(kind)
        tensors |= {f"pointwise.{dtype}.x": x, f"pointwise.{dtype}.dy": dy}
        for name, function in POINTWISE.items():
            data = x.double().requires_grad_()
            y = function(data)
            (dx,) = torch.autograd.grad(y, data, dy.double())
            tensors |= {f"{name}.{dtype}.y": y, f"{name}.{dtype}.dx": dx}
    return tensors


def second_order(random):
    """d sum(v dx) / d x and d dy, where dx is the gradient for dy. x is positive for those that need it."""
    x, dy, v = random(24, deviation=1.5), random(24), random(24)
    tensors = {"second_order.dy": dy, "second_order.v": v}
    for name, function in POINTWISE.items():
        data = x.abs() + 0.1 if name in ("log", "square_root", "reciprocal") else x.clone()
        tensors[f"{name}.second_order.x"] = data.clone()
        data.requires_grad_()
        grad = dy.clone().requires_grad_()
        (dx,) = torch.autograd.grad(function(data), data, grad, create_graph=True)
        second, by_grad = torch.autograd.grad((v * dx).sum(), [data, grad], materialize_grads=True)
        tensors |= {
            f"{name}.second_order.dx": dx,
            f"{name}.second_order.dxdx": second,
            f"{name}.second_order.dxddy": by_grad,
        }
    return tensors


def differentiated(name, function, random, **inputs):
    """Inputs, and what `results` has."""
    return {f"{name}.{key}": value for key, value in inputs.items()} | results(name, function, random, **inputs)


def results(name, function, random, **inputs):
    """`y`, a random `dy`, and the gradients `d...` by every input."""
    data = {key: value.clone().requires_grad_() for key, value in inputs.items()}
    y = function(*data.values())
    dy = random(*y.shape)
    grads = torch.autograd.grad(y, list(data.values()), dy)
    tensors = {f"{name}.y": y, f"{name}.dy": dy}
    return tensors | {f"{name}.d{key}": grad for key, grad in zip(inputs, grads)}


BINARY = {
    "add": torch.add,
    "subtract": torch.subtract,
    "multiply": torch.multiply,
    "divide": torch.divide,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}


def binary(random):
    """Two tensors, each of which is repeated along axes of the other; no two values of them are equal."""
    tensors = {}
    for shapes, (first, second) in {
        "same": ((2, 3, 4), (2, 3, 4)),
        "per_map": ((2, 3, 2, 3), (3, 1, 1)),
        "crossed": ((3, 1, 4), (2, 1, 2, 1)),
    }.items():
        a, b = random(*first), random.between(0.5, 2, *second)
        tensors |= {f"binary.{shapes}.a": a, f"binary.{shapes}.b": b}
        for name, function in BINARY.items():
            tensors |= results(f"{name}.{shapes}", function, random, a=a, b=b)
    return tensors


def pads(random):
    x = random(2, 3, 5, 4)
    tensors = {"pad.x": x}
    for mode, torch_mode, amount in [
        ("zero", "constant", 2),
        ("reflect", "reflect", 1),
        ("reflect", "reflect", 3),
        ("replicate", "replicate", 3),
    ]:

        def pad(x):
            return functional.pad(x, [amount] * 4, mode=torch_mode)

        tensors |= results(f"pad.{mode}.{amount}", pad, random, x=x)
    return tensors


RESIZES = {
    "nearest": {"mode": "nearest"},
    "bilinear": {"mode": "bilinear", "align_corners": False},
    "bilinear_align_corners": {"mode": "bilinear", "align_corners": True},
}


def resizes(random):
    x = random(1, 2, 5, 4)
    tensors = {"resize.x": x}
    for mode, settings in RESIZES.items():
        for size in [(7, 9), (3, 2), (10, 8), (2, 11), (1, 1), (5, 4)]:

            def resize(x):
                return functional.interpolate(x, size=size, **settings)

            tensors |= results(f"resize.{mode}.{size[0]}x{size[1]}", resize, random, x=x)
    return tensors


def gram(random):
    """The style loss of Johnson et al. 2016: Gram matrices divided by C H W, mean square of their difference."""

    def matrix(x):
        features = x.flatten(2)
        return features @ features.mT / features[0].numel()

    x, target = random(2, 3, 5, 4).requires_grad_(), matrix(random(2, 3, 5, 4))
    loss = (matrix(x) - target).square().mean()
    (dx,) = torch.autograd.grad(loss, x)
    return {"gram.x": x, "gram.target": target, "gram.y": matrix(x), "gram.loss": loss.reshape(1), "gram.dx": dx}


REDUCTIONS = {
    "sum": torch.sum,
    "mean": torch.mean,
    # The gradient is spread evenly over all values that are the largest.
    "max": torch.amax,
    "norm": lambda x, axes, keepdim: torch.linalg.vector_norm(x, dim=axes, keepdim=keepdim),
}


def reductions(random):
    """Axes are kept as 1, so that results and gradients broadcast. `max` has ties: values are thirds of integers."""
    x = random(2, 3, 5, 4)
    tensors = {"reduced.x": x, "max.x": (x * 1.2).round() / 3}
    for name, function in REDUCTIONS.items():
        data = tensors["max.x"] if name == "max" else x
        for axes in [(2, 3), (0, 2, 3), (1,), (0, 3), (0, 1, 2, 3)]:

            def reduce(x):
                return function(x, axes, keepdim=True)

            tensors |= results(f"{name}.over{''.join(map(str, axes))}", reduce, random, x=data)
    return tensors


def products(random):
    """Matrix products: one, a batch, one matrix for a whole batch, of transposed ones."""
    tensors = differentiated("matmul.plain", torch.matmul, random, a=random(4, 3), b=random(3, 5))
    tensors |= differentiated("matmul.batch", torch.matmul, random, a=random(2, 4, 3), b=random(2, 3, 5))
    tensors |= differentiated("matmul.shared", torch.matmul, random, a=random(4, 3), b=random(2, 3, 5))
    return tensors | differentiated(
        "matmul.transposed", lambda a, b: a.mT @ b.mT, random, a=random(2, 3, 4), b=random(2, 5, 3)
    )


def rearrangements(random):
    """Several of them in a chain, as each alone is an index: slices of permuted axes, joined with another tensor."""

    def chain(a, b):
        joined = torch.cat([a.permute(0, 2, 3, 1)[:, 1:4], b], dim=3)
        return joined.reshape(2, 3, 20).mT[:, 5:]

    return differentiated("rearranged", chain, random, a=random(2, 3, 5, 4), b=random(2, 3, 4, 2))


def covariances(random):
    """Of maps, divided by how many values each has."""

    def matrices(x):
        return torch.stack([torch.cov(picture, correction=0) for picture in x.flatten(2)])

    return differentiated("covariance", matrices, random, x=random(2, 3, 5, 4))


def operation_cases(folder):
    random = Random(90)
    parts = [pointwise, second_order, binary, pads, resizes, gram, reductions, products, rearrangements, covariances]
    tensors = {}
    for part in parts:
        tensors |= part(random)
    save(tensors, folder / "operations.safetensors")
