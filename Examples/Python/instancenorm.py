"""Instance, layer, group and batch normalisation from Python, through the library's C interface.

    norm = InstanceNorm("libInstanceNormC.so")
    y, saved = norm.forward(x, scale, bias)
    dx, dscale, dbias, _ = norm.backward(dy, x, saved, scale, bias)

x is (N, C, H, W), or (C, H, W) for one picture: a NumPy array, a PyTorch tensor on the CPU, or what NumPy makes an array
of. Results are of its kind, dtype and order in memory. float32, float16, bfloat16 (PyTorch's or ml_dtypes') and float64
are computed with as they are; integers become float32, or float64 where that is too narrow for them.
"""

import ctypes
import functools
import sys
from ctypes import POINTER, c_char_p, c_double, c_int, c_int32, c_int64, c_void_p

import numpy as np

DTYPES = {"float32": 0, "float16": 1, "bfloat16": 2, "float64": 3}
ACTIVATIONS = {None: 0, "relu": 1, "leaky_relu": 2}
INSTANCE, LAYER, GROUP, BATCH, GIVEN = range(5)
# What scale and bias have values for.
BY_MAP, BY_PLANE, BY_ELEMENT = range(3)


class Planes(ctypes.Structure):
    _fields_ = [("images", c_int64), ("maps", c_int64), ("plane_size", c_int64), ("dtype", c_int), ("layout", c_int)]


class Options(ctypes.Structure):
    _fields_ = [
        ("epsilon", c_double),
        ("activation", c_int),
        ("negative_slope", c_double),
        ("residual_place", c_int),
        ("threads", c_int32),
        ("sharing", c_int),
        ("groups", c_int64),
        ("grain", c_int),
    ]


@functools.cache
def load(path):
    c = ctypes.CDLL(path)
    c.instnorm_forward.argtypes = [POINTER(Planes), POINTER(Options)] + 7 * [c_void_p]
    c.instnorm_backward.argtypes = [POINTER(Planes), POINTER(Options)] + 11 * [c_void_p]
    c.instnorm_last_error.restype = c_char_p
    return c


def torch_of(value):
    """PyTorch, where a value is one of its tensors."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(value, torch.Tensor) else None


class Data:
    """An array's memory and what it is: `values` is a NumPy array over it, of 16-bit integers for bfloat16."""

    def __init__(self, value):
        self.torch = torch_of(value)
        if self.torch:
            if value.device.type != "cpu":
                raise ValueError(f"expected a tensor on the CPU, got one on {value.device}")
            value = value.detach()
            self.dtype = str(value.dtype).removeprefix("torch.")
            self.values = (value.view(self.torch.int16) if self.dtype == "bfloat16" else value).numpy()
        else:
            self.values = np.asarray(value)
            self.dtype = self.values.dtype.name
        if self.values.dtype.kind in "biu" and self.dtype != "bfloat16":
            self.values = self.values.astype(np.float32 if self.values.itemsize <= 2 else np.float64)
            self.dtype = self.values.dtype.name
        if self.dtype not in DTYPES:
            raise ValueError(f"expected numbers of {', '.join(DTYPES)} or integers, got {self.dtype}")

    def like(self, values):
        """Other values of the same dtype, as whatever the caller has."""
        if not self.torch:
            return values
        values = self.torch.from_numpy(values)
        return values.view(self.torch.bfloat16) if self.dtype == "bfloat16" else values


class Normalization:
    """What the types have in common.

    dims        how many dimensions follow N and C
    activation  None, "relu" or "leaky_relu", whose slope below 0 is `slope`
    before      whether a residual is added before the activation
    threads     0 for one for each core
    """

    sharing = INSTANCE

    def __init__(self, path, dims=2, epsilon=1e-5, activation=None, slope=0.01, before=False, threads=0, groups=1):
        if activation not in ACTIVATIONS:
            raise ValueError(f"expected an activation of {list(ACTIVATIONS)}, got {activation!r}")
        self.c, self.dims, self.groups = load(path), dims, groups
        self.settings = epsilon, ACTIVATIONS[activation], slope, int(before), threads

    def forward(self, x, scale=None, bias=None, residual=None, out=None, statistics=None):
        """y, and the means and inverse deviations that backward takes.

        scale, bias  a number, C, or (N, C) for values of each picture's own, or (C, H, W) for each place
        out          an array like x to write y to; may be x
        statistics   means and inverse deviations to normalise by, each C or (N, C): batch normalisation in evaluation
        """
        x = Data(x)
        form = self.form(x)
        y = np.empty_like(form.memory) if out is None else form.same(out, "out")
        residual = None if residual is None else form.same(residual, "residual")
        (scale, bias), grain = form.parameters(scale, bias)
        if statistics is None:
            mean, inv_std = (np.empty((form.images, form.maps)) for _ in range(2))
        else:
            mean, inv_std = form.statistics(statistics)
        if not y.flags.writeable:
            raise ValueError("out: expected an array that may be written to")
        options = self.options(grain, given=statistics is not None)
        addresses = map(address, (form.memory, scale, bias, residual, y, mean, inv_std))
        self.check(self.c.instnorm_forward(form.planes, options, *addresses))
        return (x.like(form.restored(y)) if out is None else out), (mean, inv_std)

    def backward(self, dy, x, saved, scale=None, bias=None, residual=None, given=False):
        """The gradients by x, scale, bias and, where there is one, the residual.

        saved  what forward gave
        given  whether it was given statistics, which then do not depend on x
        """
        x = Data(x)
        form = self.form(x)
        dy = form.same(dy, "dy")
        residual = None if residual is None else form.same(residual, "residual")
        (scale, bias), grain = form.parameters(scale, bias)
        mean, inv_std = form.statistics(saved)
        dx = np.empty_like(form.memory)
        dscale, dbias = (np.empty(form.parameter_shape(grain), form.parameter_dtype) for _ in range(2))
        dresidual = None if residual is None else np.empty_like(form.memory)
        arrays = (dy, form.memory, scale, bias, residual, mean, inv_std, dx, dscale, dbias, dresidual)
        self.check(self.c.instnorm_backward(form.planes, self.options(grain, given), *map(address, arrays)))
        return (
            x.like(form.restored(dx)), dscale, dbias,
            None if dresidual is None else x.like(form.restored(dresidual)),
        )

    def form(self, x):
        return Form(x, self.dims)

    def options(self, grain, given):
        return Options(*self.settings, GIVEN if given else self.sharing, self.groups, grain)

    def check(self, status):
        if status:
            raise (MemoryError if status == 2 else ValueError)(self.c.instnorm_last_error().decode())


class InstanceNorm(Normalization):
    """Each map of each picture by its own mean and variance."""


class LayerNorm(Normalization):
    """All maps of a picture together."""

    sharing = LAYER


class GroupNorm(Normalization):
    """Groups of neighbouring maps of a picture."""

    sharing = GROUP

    def __init__(self, path, groups, **settings):
        super().__init__(path, groups=groups, **settings)


class BatchNorm(Normalization):
    """All pictures of a map together; in evaluation, by the `statistics` given to forward."""

    sharing = BATCH


class Form:
    """The shape of some data, and where its values lie: `memory` is C-contiguous, (N, C, ...) or (N, ..., C)."""

    def __init__(self, x, dims):
        self.x = x
        shape = x.values.shape
        if len(shape) not in (dims + 1, dims + 2):
            names = ["L", "H, W", "D, H, W"][dims - 1] if 1 <= dims <= 3 else f"{dims} more"
            raise ValueError(f"x: expected (N, C, {names}) or (C, {names}), got shape {shape}")
        self.is_one = len(shape) == dims + 1
        batch = x.values[None] if self.is_one else x.values
        # Channels last, as PyTorch and pictures have it, is taken as it lies.
        self.is_last = not batch.flags.c_contiguous and np.moveaxis(batch, 1, -1).flags.c_contiguous
        self.memory = self.laid(batch)
        self.images, self.maps, *self.places = batch.shape
        size = int(np.prod(self.places, dtype=np.int64))
        self.planes = Planes(self.images, self.maps, size, DTYPES[x.dtype], int(self.is_last))
        self.parameter_dtype = np.float64 if x.dtype == "float64" else np.float32

    def laid(self, batch):
        return np.ascontiguousarray(np.moveaxis(batch, 1, -1) if self.is_last else batch)

    def restored(self, memory):
        batch = np.moveaxis(memory, -1, 1) if self.is_last else memory
        return batch[0] if self.is_one else batch

    def same(self, value, name):
        """The memory of another array like x."""
        data = Data(value)
        if data.values.shape != self.x.values.shape or data.dtype != self.x.dtype:
            raise ValueError(
                f"{name}: expected shape {self.x.values.shape} and dtype {self.x.dtype}, "
                f"got {data.values.shape} and {data.dtype}")
        memory = self.laid(data.values[None] if self.is_one else data.values)
        if name == "out" and not np.shares_memory(memory, data.values) and memory.size:
            raise ValueError("out: expected an array that lies in memory as x does")
        return memory

    def parameter_shape(self, grain):
        return [(self.maps,), (self.images, self.maps), (self.maps, *self.places)][grain]

    def parameters(self, *values):
        """Scale and bias as the library takes them, and what they have values for."""
        arrays = [None if value is None else Data(value).values for value in values]
        ranks = [array.ndim for array in arrays if array is not None]
        # (N, C) has two extents, (C, places...) as many as a picture.
        grain = BY_MAP if max(ranks, default=0) < 2 else BY_PLANE if max(ranks) == 2 else BY_ELEMENT
        shape = self.parameter_shape(grain)
        found = []
        for array in arrays:
            if array is not None and array.ndim > 0 and array.shape != shape:
                raise ValueError(f"expected a number or {shape} values of scale and bias, got shape {array.shape}")
            found.append(
                None if array is None
                else np.ascontiguousarray(np.broadcast_to(array, shape), self.parameter_dtype))
        return found, grain

    def statistics(self, values):
        shape = (self.images, self.maps)
        found = []
        for value in values:
            array = np.asarray(value)
            if array.dtype != np.float64 or array.shape not in (shape, (self.maps,)):
                raise ValueError(
                    f"expected means and inverse deviations of float64, {shape} or ({self.maps},), "
                    f"got {array.shape} of {array.dtype}")
            found.append(np.ascontiguousarray(np.broadcast_to(array, shape)))
        return found


def address(array):
    return None if array is None else array.ctypes.data
