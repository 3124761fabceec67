"""Makes the golden files: what PyTorch, ONNX Runtime, NumPy and safetensors say on small inputs.

Expected values are PyTorch's in float64 on the float32 inputs, so that they are exact to the tests' tolerances.
ONNX Runtime's are float32, its only type for this operation on the CPU.
"""

import math
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.torch import save_file
from torch import nn

folder = pathlib.Path(sys.argv[1])

CASES = {
    # name: (shape, affine, epsilon, channels last)
    "pictures": ((2, 3, 5, 7), True, 1e-5, False),
    "pictures_plain": ((2, 3, 5, 7), False, 1e-5, False),
    "pictures_channels_last": ((2, 3, 6, 5), True, 1e-5, True),
    "large_epsilon": ((1, 4, 17, 13), True, 0.1, False),
    "many_maps": ((2, 19, 3, 5), True, 1e-5, True),
    "several_blocks": ((1, 2, 37, 29), True, 1e-5, False),
    "two_values": ((3, 2, 1, 2), True, 1e-5, False),
    "signals": ((3, 2, 9), True, 1e-5, False),
    "volumes": ((2, 2, 3, 4, 5), True, 1e-5, False),
}


def functional(x, weight, bias, epsilon):
    return torch.nn.functional.instance_norm(x, weight=weight, bias=bias, eps=epsilon)


def onnx_output(x, weight, bias, epsilon):
    node = onnx.helper.make_node(
        "InstanceNormalization", ["x", "scale", "bias"], ["y"], epsilon=epsilon
    )
    f32 = onnx.TensorProto.FLOAT
    maps = [x.shape[1]]
    graph = onnx.helper.make_graph(
        [node],
        "norm",
        [
            onnx.helper.make_tensor_value_info("x", f32, x.shape),
            onnx.helper.make_tensor_value_info("scale", f32, maps),
            onnx.helper.make_tensor_value_info("bias", f32, maps),
        ],
        [onnx.helper.make_tensor_value_info("y", f32, x.shape)],
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x, "scale": weight, "bias": bias})[0]


def layer_cases():
    generator = torch.Generator().manual_seed(20)
    for name, (shape, affine, epsilon, channels_last) in CASES.items():
        x32 = torch.randn(shape, generator=generator) * 1.7 + 0.6
        weight32 = torch.randn(shape[1], generator=generator)
        bias32 = torch.randn(shape[1], generator=generator)
        grad32 = torch.randn(shape, generator=generator)
        if not affine:
            weight32, bias32 = torch.ones_like(weight32), torch.zeros_like(bias32)

        x = x32.double()
        if channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        x = x.requires_grad_()
        weight = weight32.double().requires_grad_()
        bias = bias32.double().requires_grad_()
        y = functional(x, weight, bias, epsilon)
        y.backward(grad32.double())

        tensors = {
            "x": x32,
            "grad": grad32,
            "y": y.detach(),
            "x_grad": x.grad,
            "epsilon": torch.tensor([epsilon], dtype=torch.float64),
            "onnx_y": torch.from_numpy(
                onnx_output(x32.numpy(), weight32.numpy(), bias32.numpy(), epsilon)
            ),
            # What the layer gives in PyTorch's own half precision has rounding of its own; these are its inputs only.
            "x_half": x32.half(),
            "x_bfloat16": x32.bfloat16(),
            "y_half": functional(x32.half().double(), weight32.double(), bias32.double(), epsilon).half(),
            "y_bfloat16": functional(
                x32.bfloat16().double(), weight32.double(), bias32.double(), epsilon
            ).bfloat16(),
        }
        if affine:
            tensors |= {
                "weight": weight32,
                "bias": bias32,
                "weight_grad": weight.grad,
                "bias_grad": bias.grad,
            }
        save_file(
            {key: value.contiguous() for key, value in tensors.items()},
            folder / f"layer_{name}.safetensors",
        )


def state_dict():
    """A network's file, with a layer that has running statistics and an integer in its state."""
    torch.manual_seed(3)
    model = nn.ModuleDict(
        {
            "conv": nn.Conv2d(3, 4, 3),
            "norm1": nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
            "norm2": nn.InstanceNorm2d(4, affine=True),
        }
    )
    for layer in ("norm1", "norm2"):
        nn.init.normal_(model[layer].weight)
        nn.init.normal_(model[layer].bias)
    save_file(model.state_dict(), folder / "state_dict.safetensors")
    np.save(folder / "state_dict_norm1_weight.npy", model["norm1"].weight.detach().numpy())
    np.save(folder / "state_dict_norm2_bias.npy", model["norm2"].bias.detach().numpy())


def optimizers():
    torch.manual_seed(4)
    start, grads = torch.randn(5, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    tensors = {"start": start, "grads": grads}
    makers = {
        "sgd": lambda p: torch.optim.SGD([p], lr=0.05),
        "momentum": lambda p: torch.optim.SGD([p], lr=0.05, momentum=0.9),
        "nesterov": lambda p: torch.optim.SGD([p], lr=0.05, momentum=0.9, nesterov=True),
        "adam": lambda p: torch.optim.Adam([p], lr=0.05, betas=(0.8, 0.99), eps=1e-6),
    }
    for name, make in makers.items():
        parameter = start.clone().requires_grad_()
        optimizer = make(parameter)
        path = []
        for grad in grads:
            parameter.grad = grad.clone()
            optimizer.step()
            path.append(parameter.detach().clone())
        tensors[name] = torch.stack(path)
    save_file(tensors, folder / "optimizers.safetensors")


def random_normal():
    """SplitMix64 and the polar method again, with the C library's logarithm."""
    mask = (1 << 64) - 1
    state = 1

    def uniform():
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return ((z ^ (z >> 31)) >> 11) / (1 << 53)

    values = []
    while len(values) < 100:
        u, v = 2 * uniform() - 1, 2 * uniform() - 1
        s = u * u + v * v
        if 0 < s < 1:
            values.append(u * math.sqrt(-2 * math.log(s) / s))
    np.save(folder / "random_normal_seed_1.npy", np.array(values))


def array_files():
    """One array in every form that an .npy file has."""
    from numpy.lib import format

    array = (np.arange(2 * 3 * 4 * 5) * 0.25 - 7).reshape(2, 3, 4, 5)
    for order, mark in (("<", "le"), (">", "be")):
        for width in (2, 4, 8):
            for layout in ("C", "F"):
                values = np.array(array, dtype=f"{order}f{width}", order=layout)
                np.save(folder / f"form_{mark}_f{width}_{layout}.npy", values)
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(folder / f"form_version_{version[0]}.npy", "wb") as file:
            format.write_array(file, array.astype(np.float32), version=version)
    np.save(folder / "form_rank_0.npy", np.float32(2.5))
    np.save(folder / "form_empty.npy", np.zeros((0, 3, 2), np.float32))
    np.save(folder / "wrong_int32.npy", np.arange(4, dtype=np.int32))
    np.save(folder / "wrong_record.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<f4")]))


def printing():
    generator = np.random.default_rng(5)
    arrays = [
        np.float32([1, 2.5, -3]),
        np.float32([[1e-9, 1], [2, 3]]),
        np.float32([1e8, 1]),
        np.float64([np.pi, -np.e, 1e-3]),
        np.float64([1, np.nan, -np.inf]),
        np.float64([np.nan, np.inf]),
        np.float32([0, -0.0, 0]),
        np.float16([0.1, 0.2, 100]),
        generator.standard_normal((2, 3, 4, 5)).astype(np.float32),
        generator.standard_normal((40, 30)).astype(np.float32),
        generator.standard_normal((2, 8, 9, 10)).astype(np.float32),
        generator.standard_normal(1001),
        generator.standard_normal((3, 40)).astype(np.float32),
        (generator.standard_normal((3, 25)) * 1e6),
        generator.standard_normal((4, 3)) * 1e12,
        np.float32([16777216, 3]),
        np.float64([123456789.125]),
        np.float64([12345.6789, 0.5]),
        np.float64([1234.5, 0.0001]),
        np.array(2.5, np.float32),
        np.zeros((2, 0), np.float32),
        np.zeros((1, 1, 1), np.float32),
        np.arange(60, dtype=np.float32),
    ]
    for number, array in enumerate(arrays):
        np.save(folder / f"print_{number:02}.npy", array)
        (folder / f"print_{number:02}.txt").write_text(str(array) + "\n")


layer_cases()
state_dict()
optimizers()
random_normal()
array_files()
printing()
