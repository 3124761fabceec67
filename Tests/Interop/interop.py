"""The tool, called as any program would, against NumPy's arithmetic and safetensors' reader."""

import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from numpy.lib import format
from safetensors.numpy import load_file, save_file

tool = sys.argv[1]
checks = 0


def run(*arguments):
    result = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0 and result.stderr == "", (arguments, result)
    return result.stdout


def expect(condition, what):
    global checks
    assert condition, what
    checks += 1


def normalized(x, maps_axis, scale=1.0, bias=0.0, epsilon=1e-5):
    """In float64, over all axes but the batch and the maps; x has a batch."""
    x = x.astype(np.float64)
    axes = tuple(axis for axis in range(1, x.ndim) if axis != maps_axis)
    shape = [1] * x.ndim
    shape[maps_axis] = -1
    mean = x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt(((x - mean) ** 2).mean(axis=axes, keepdims=True) + epsilon)
    scale, bias = (np.reshape(np.broadcast_to(v, x.shape[maps_axis]), shape) for v in (scale, bias))
    return (x - mean) / deviation * scale + bias


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    generator = np.random.default_rng(1)
    source, result, weights = folder / "x.npy", folder / "y.npy", folder / "w.safetensors"

    # Every type, byte order, memory order, layout and rank.
    shapes = {"nchw": [(3, 6, 5), (2, 3, 6, 5), (2, 3, 2, 6, 5)], "nhwc": [(6, 5, 3), (2, 6, 5, 3), (2, 2, 6, 5, 3)]}
    for layout, width, byte_order, memory_order in itertools.product(shapes, (2, 4, 8), "<>", "CF"):
        for shape in shapes[layout]:
            x = (generator.standard_normal(shape) * 2 + 5).astype(f"{byte_order}f{width}", order=memory_order)
            np.save(source, x)
            run("apply", source, "-o", result, "--layout", layout, "--scale", "-1,2,0.5", "--bias", "-1,0,2")
            y = np.load(result)
            batched = x[None] if x.ndim == 3 else x
            maps_axis = 1 if layout == "nchw" else batched.ndim - 1
            expected = normalized(batched, maps_axis, [-1, 2, 0.5], [-1, 0, 2]).reshape(x.shape)
            tolerance = {2: 2e-3, 4: 2e-6, 8: 1e-13}[width]
            expect(y.dtype == np.dtype(f"<f{width}") and y.shape == x.shape, (layout, x.dtype, shape, y.dtype, y.shape))
            expect(np.allclose(y, expected, rtol=tolerance, atol=tolerance), (layout, x.dtype, memory_order, shape))

    for version in ((1, 0), (2, 0), (3, 0)):
        x = generator.standard_normal((2, 3, 4, 4)).astype(np.float32)
        with open(source, "wb") as file:
            format.write_array(file, x, version=version)
        run("apply", source, "-o", result)
        expect(np.allclose(np.load(result), normalized(x, 1), atol=2e-6), version)

    # Types that share moments, in both layouts.
    x = (generator.standard_normal((3, 6, 5, 4)) * 2 + 5).astype(np.float32)
    wide = x.astype(np.float64)
    groups = wide.reshape(3, 2, 3, 5, 4)
    for kind, values, axes in [("batch", wide, (0, 2, 3)), ("layer", wide, (1, 2, 3)), ("group:2", groups, (2, 3, 4))]:
        expected = (values - values.mean(axes, keepdims=True)) / np.sqrt(values.var(axes, keepdims=True) + 1e-5)
        expected = expected.reshape(x.shape)
        for layout in ("nchw", "nhwc"):
            last = layout == "nhwc"
            np.save(source, np.moveaxis(x, 1, -1) if last else x)
            run("apply", source, "-o", result, "--norm", kind, "--layout", layout)
            y = np.moveaxis(np.load(result), -1, 1) if last else np.load(result)
            expect(np.allclose(y, expected, rtol=2e-6, atol=2e-6), (kind, layout))

    # What safetensors wrote is applied; what fit writes, safetensors reads.
    scale, bias = generator.standard_normal((2, 3)).astype(np.float32)
    x = generator.standard_normal((2, 3, 4, 4)).astype(np.float32)
    np.save(source, x)
    for prefix in ("", "generator.norm1."):
        save_file({f"{prefix}weight": scale, f"{prefix}bias": bias}, weights, metadata={"format": "pt"})
        run("apply", source, "-o", result, "--weights", weights)
        y = np.load(result)
        expect(np.allclose(y, normalized(x, 1, scale, bias), atol=5e-6), prefix)

    target = folder / "target.npy"
    np.save(target, y)
    run("fit", source, target, "-o", weights, "--steps", "500", "--optimizer", "sgd", "--learn-rate", "1")
    learnt = load_file(weights)
    expect(sorted(learnt) == ["bias", "weight"], learnt.keys())
    expect(learnt["weight"].dtype == np.float32 and learnt["weight"].shape == (3,), learnt)
    expect(np.allclose(learnt["weight"], scale, atol=1e-3) and np.allclose(learnt["bias"], bias, atol=1e-3), learnt)

    report = json.loads(run("stats", source, "--json"))
    for plane in report["planes"]:
        values = x[plane["t"], plane["i"]].astype(np.float64)
        expect(np.isclose(plane["mean"], values.mean(), rtol=1e-12, atol=1e-12), plane)
        expect(np.isclose(plane["variance"], values.var(), rtol=1e-12), plane)
        expect(plane["min"] == values.min() and plane["max"] == values.max(), plane)

print(f"interop: {checks} checks passed")
