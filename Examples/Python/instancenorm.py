"""Instance normalisation from Python: NumPy arrays in and out, through the library's C interface.

    library = InstanceNorm("libInstanceNormC.so")
    y, saved = library.forward(x, scale, bias)
    dx, dscale, dbias, _ = library.backward(dy, x, saved, scale, bias)
"""

import ctypes
import functools
from ctypes import POINTER, c_char_p, c_double, c_int, c_int32, c_int64, c_void_p

import numpy as np

DTYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.float64): 3}
LAYOUTS = {"nchw": 0, "nhwc": 1}
ACTIVATIONS = {None: 0, "relu": 1, "leaky_relu": 2}


class Planes(ctypes.Structure):
    _fields_ = [("images", c_int64), ("maps", c_int64), ("plane_size", c_int64), ("dtype", c_int), ("layout", c_int)]


class Options(ctypes.Structure):
    _fields_ = [
        ("epsilon", c_double),
        ("activation", c_int),
        ("negative_slope", c_double),
        ("residual_place", c_int),
        ("threads", c_int32),
    ]


@functools.cache
def load(path):
    c = ctypes.CDLL(path)
    c.instnorm_forward.argtypes = [POINTER(Planes), POINTER(Options)] + 7 * [c_void_p]
    c.instnorm_backward.argtypes = [POINTER(Planes), POINTER(Options)] + 11 * [c_void_p]
    c.instnorm_last_error.restype = c_char_p
    return c


def address(array):
    return None if array is None else array.ctypes.data


class InstanceNorm:
    """The layer. Arrays are C-contiguous: (N, C, spatial...) for nchw and (N, spatial..., C) for nhwc."""

    def __init__(self, path, layout="nchw", epsilon=1e-5, activation=None, slope=0.01, before=False, threads=0):
        if layout not in LAYOUTS or activation not in ACTIVATIONS:
            raise ValueError(f"expected a layout of {list(LAYOUTS)} and an activation of {list(ACTIVATIONS)}")
        self.c = load(path)
        self.layout = layout
        self.options = Options(epsilon, ACTIVATIONS[activation], slope, int(before), threads)

    def planes(self, x, *others):
        """What x is, and checks that the others are the same: the library sees addresses alone."""
        if x.ndim < 2 or x.dtype not in DTYPES:
            raise ValueError(f"expected a float array (N, C, ...) or (N, ..., C), got shape {x.shape} of {x.dtype}")
        for other in (x, *others):
            if other is None:
                continue
            if (other.shape, other.dtype) != (x.shape, x.dtype) or not other.flags.c_contiguous:
                raise ValueError(f"expected C-contiguous arrays of shape {x.shape} and dtype {x.dtype}")
        maps = x.shape[1] if self.layout == "nchw" else x.shape[-1]
        size = int(np.prod(x.shape[1:], dtype=np.int64)) // maps if maps else 0
        return Planes(x.shape[0], maps, size, DTYPES[x.dtype], LAYOUTS[self.layout])

    def parameter(self, values, x, maps):
        if values is None:
            return None
        values = np.ascontiguousarray(values, np.float64 if x.dtype == np.float64 else np.float32)
        if values.shape != (maps,):
            raise ValueError(f"expected {maps} values, one for each map, got shape {values.shape}")
        return values

    def check(self, status):
        if status:
            raise (MemoryError if status == 2 else ValueError)(self.c.instnorm_last_error().decode())

    def forward(self, x, scale=None, bias=None, residual=None, out=None):
        """y, and the means and inverse deviations that backward takes."""
        y = np.empty_like(x) if out is None else out
        if not y.flags.writeable:
            raise ValueError("expected an array that may be written to")
        planes = self.planes(x, y, residual)
        scale, bias = self.parameter(scale, x, planes.maps), self.parameter(bias, x, planes.maps)
        mean = np.empty((planes.images, planes.maps))
        inv_std = np.empty_like(mean)
        addresses = map(address, (x, scale, bias, residual, y, mean, inv_std))
        self.check(self.c.instnorm_forward(planes, self.options, *addresses))
        return y, (mean, inv_std)

    def backward(self, dy, x, saved, scale=None, bias=None, residual=None):
        """The gradients by x, scale, bias and, where there is one, the residual."""
        planes = self.planes(x, dy, residual)
        for value in saved:
            if value.dtype != np.float64 or value.shape != (planes.images, planes.maps) or not value.flags.c_contiguous:
                raise ValueError(f"expected what forward saved, float64 of shape ({planes.images}, {planes.maps})")
        scale, bias = self.parameter(scale, x, planes.maps), self.parameter(bias, x, planes.maps)
        dx = np.empty_like(x)
        dscale = np.empty(planes.maps, np.float64 if x.dtype == np.float64 else np.float32)
        dbias = np.empty_like(dscale)
        dresidual = None if residual is None else np.empty_like(x)
        arrays = (dy, x, scale, bias, residual, *saved, dx, dscale, dbias, dresidual)
        self.check(self.c.instnorm_backward(planes, self.options, *map(address, arrays)))
        return dx, dscale, dbias, dresidual
