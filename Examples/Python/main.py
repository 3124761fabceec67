"""Checks the layer, called from Python, against NumPy.

    script/examples        builds the library and runs this
"""

import _ctypes
import ctypes
import os
import signal
import sys

import numpy as np

from instancenorm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm

path = sys.argv[1]


def expect(holds, what):
    print(f"{what:<62} {'yes' if holds else 'NO'}")
    if not holds:
        sys.exit(1)


def reference(x, scale, bias, epsilon=1e-5):
    x = x.astype(np.float64)
    mean, variance = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    return scale[:, None, None] * (x - mean) / np.sqrt(variance + epsilon) + bias[:, None, None]


random = np.random.default_rng(1)
x = random.normal(3, 2, (5, 3, 4, 4)).astype(np.float32)
dy = random.normal(size=x.shape).astype(np.float32)
residual = random.normal(size=x.shape).astype(np.float32)
scale, bias = random.normal(size=(2, 3)).astype(np.float32)

norm = InstanceNorm(path)
y, saved = norm.forward(x, scale, bias)
expected = reference(x, scale, bias)
expect(np.abs(y - expected).max() < 1e-5, "y is NumPy's")
expect(np.allclose(saved[0], x.mean((2, 3), dtype=np.float64)), "the means are NumPy's")

# The gradient, by the difference of sum(dy y) along a direction.
dx, dscale, dbias, _ = norm.backward(dy, x, saved, scale, bias)
direction = random.normal(size=x.shape)
step = 1e-6
slope = sum(s * (dy * reference(x + s * step * direction, scale, bias)).sum() for s in (1, -1)) / (2 * step)
expect(abs(slope - (dx * direction).sum()) < 1e-4 * abs(slope), "dx is the slope of y along any direction")
expect(np.allclose(dbias, dy.sum((0, 2, 3)), atol=1e-5), "dbias is the sum of dy")
expect(np.allclose(dscale, (dy * reference(x, np.ones(3), np.zeros(3))).sum((0, 2, 3)), atol=1e-5), "dscale likewise")

# The maps last in memory, as pictures have them: a view of such an array is taken as it lies.
last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
z, last_saved = norm.forward(last, scale, bias)
expect(np.abs(z - expected).max() < 1e-5 and z.strides == last.strides, "channels last it is the same, and lies the same")
z = norm.backward(dy, last, last_saved, scale, bias)[0]
expect(np.abs(z - dx).max() < 1e-5, "and its dx")

one, _ = norm.forward(x[0], scale, bias)
expect(np.array_equal(one, y[0]), "(C, H, W) is one picture")
try:
    norm.forward(x[0, 0])
    expect(False, "a plane alone is refused")
except ValueError as error:
    print(f"a plane alone is refused:\n    {error}")
pixels = random.integers(0, 256, x.shape).astype(np.uint8)
z, _ = norm.forward(pixels.tolist(), 2, 1)
expect(np.abs(z - reference(pixels, np.full(3, 2), np.full(3, 1))).max() < 1e-5, "lists, integers and one scale for all")
expect(norm.forward(pixels)[0].dtype == np.float32, "bytes give float32")

# The rest of the family.
wide = x.astype(np.float64)
for kind, axes, shape in (
    (LayerNorm(path), (1, 2, 3), x.shape),
    (GroupNorm(path, groups=3), (2, 3, 4), (5, 3, 1, 4, 4)),
    (BatchNorm(path), (0, 2, 3), x.shape),
):
    grouped = wide.reshape(shape)
    own = (grouped - grouped.mean(axes, keepdims=True)) / np.sqrt(grouped.var(axes, keepdims=True) + 1e-5)
    z, _ = kind.forward(x, scale, bias)
    own = own.reshape(x.shape) * scale[:, None, None] + bias[:, None, None]
    expect(np.abs(z - own).max() < 1e-5, f"{type(kind).__name__} is NumPy's")
means, deviations = wide.mean((0, 2, 3)), 1 / np.sqrt(wide.var((0, 2, 3)) + 1e-5)
z, _ = BatchNorm(path).forward(x, statistics=(means, deviations))
expect(np.abs(z - (wide - means[:, None, None]) * deviations[:, None, None]).max() < 1e-5, "by statistics that are given")
styles = random.normal(size=(2, 5, 3))
z, _ = norm.forward(x, *styles)
own = reference(x, np.ones(3), np.zeros(3)) * styles[0][:, :, None, None] + styles[1][:, :, None, None]
expect(np.abs(z - own).max() < 1e-4, "each picture with a scale and a bias of its own")

try:
    import torch

    tensor = torch.from_numpy(x)
    z, _ = norm.forward(tensor, torch.from_numpy(scale), torch.from_numpy(bias))
    expect(isinstance(z, torch.Tensor) and np.array_equal(z.numpy(), y), "a PyTorch tensor gives one, with the same bits")
    z, _ = norm.forward(tensor.bfloat16(), scale, bias)
    expect(z.dtype == torch.bfloat16 and np.abs(z.float().numpy() - expected).max() < 0.1, "bfloat16 too")
    z, _ = norm.forward(tensor.to(memory_format=torch.channels_last), scale, bias)
    expect(z.is_contiguous(memory_format=torch.channels_last), "and channels last stays so")
except ImportError:
    pass

half, _ = norm.forward(x.astype(np.float16), scale, bias)
expect(np.abs(half - reference(x.astype(np.float16), scale, bias)).max() < 5e-3, "in float16 it is near")

fused = InstanceNorm(path, activation="relu")
z, saved = fused.forward(x, scale, bias, residual)
expect(np.abs(z - (np.maximum(expected, 0) + residual)).max() < 1e-5, "ReLU and a residual are max(y, 0) + residual")
dresidual = fused.backward(dy, x, saved, scale, bias, residual)[3]
expect(np.array_equal(dresidual, dy), "whose gradient by the residual is dy")
before = InstanceNorm(path, activation="relu", before=True)
z, saved = before.forward(x, scale, bias, residual)
expect(np.abs(z - np.maximum(expected + residual, 0)).max() < 1e-5, "added before, they are max(y + residual, 0)")
dresidual = before.backward(dy, x, saved, scale, bias, residual)[3]
expect(np.array_equal(dresidual, np.where(expected + residual > 0, dy, 0)), "whose gradient is dy where it is not 0")

own = x.copy()
norm.forward(own, scale, bias, out=own)
expect(np.array_equal(own, y), "in place it has the same bits")

try:
    InstanceNorm(path, epsilon=-1).forward(x)
    expect(False, "a negative epsilon is refused")
except ValueError as error:
    print(f"a negative epsilon is refused:\n    {error}")

# The library's threads do not come along into a copy of the process, which has to do without or start its own.
try:
    norm.backward(dy, x, [value.astype(np.float32) for value in saved])
    expect(False, "statistics that forward did not save are refused")
except ValueError as error:
    print(f"so are statistics that forward did not save: {error}")

big = random.normal(size=(2, 32, 128, 128)).astype(np.float32)
parents, _ = norm.forward(big)
child = os.fork()
if child == 0:
    signal.alarm(60)
    equal = all(np.array_equal(norm.forward(big)[0], parents) for _ in range(5))
    os._exit(0 if equal else 1)
expect(os.waitpid(child, 0)[1] == 0, "after a fork the child gets the same bits")

# Nor must they run on in memory that is gone where a program closes the library, which therefore stays.
_ctypes.dlclose(norm.c._handle)
try:
    ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_NOLOAD)
    expect(True, "closed, the library stays")
except OSError:
    expect(False, "closed, the library stays")
