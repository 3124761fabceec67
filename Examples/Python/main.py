"""Checks the layer, called from Python, against NumPy.

    script/examples        builds the library and runs this
"""

import _ctypes
import ctypes
import os
import signal
import sys

import numpy as np

from instancenorm import InstanceNorm

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

last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
channels_last = InstanceNorm(path, layout="nhwc")
z, saved = channels_last.forward(last, scale, bias)
expect(np.abs(z.transpose(0, 3, 1, 2) - expected).max() < 1e-5, "channels last it is the same")
z = channels_last.backward(np.ascontiguousarray(dy.transpose(0, 2, 3, 1)), last, saved, scale, bias)[0]
expect(np.abs(z.transpose(0, 3, 1, 2) - dx).max() < 1e-5, "and its dx")

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
