"""Makes the golden files: what PyTorch, ONNX Runtime, NumPy and safetensors say on small inputs.

Expected values are PyTorch's in float64 on the float32 inputs, so that they are exact to the tests' tolerances.
ONNX Runtime's are float32, its only type for this operation on the CPU.

File                        What it has
--------------------------  ------------------------------------------------------------------------------------------
layer_*.safetensors         Instance normalisation of signals, pictures and volumes: PyTorch's and ONNX Runtime's
                            outputs, PyTorch's gradients.
family_*.safetensors        Each type of normalisation: four steps of training, running statistics, then evaluation.
adaptive_*, conditional_*   Outputs of styled normalisation, and gradients by all inputs.
activations.safetensors     ReLU, leaky ReLU and tanh with their gradients.
network*, state_dict*       Networks as PyTorch saves them, and what the first gives.
optimizers.safetensors      Six steps of every optimizer.
training.safetensors        Losses with their gradients, penalties, decaying and clipped steps, averages, schedules: see
                            golden_training.py.
wgan_gp.safetensors         A critic's step with penalised slopes. `real`, `fake`, `blend`, `mixed`, and the
                            parameters `w1`, `scale1`, `bias1`, `scale2`, `bias2`, `w2` are shared by the types of
                            normalisation `instance`, `group`, `layer`, `batch`. Each has `{type}.` `fake_score`,
                            `real_score`, `mixed_score`, `mixed_grad` (the sum of mixed_score by mixed), `slopes`,
                            `penalty`, `loss`, and by each parameter `{type}.{parameter}_grad` (of the loss) and
                            `{type}.penalty.{parameter}_grad`.
cyclegan.safetensors        Two generators, `forth` and `back`, each called three times in one loss: `day`, `dusk`,
                            the parameters `{generator}.` `w1`, `scale`, `bias`, `w2`, all six outputs, `loss` and
                            `{generator}.{parameter}_grad`.
adain_gradients.safetensors AdaIN with `a_style_each` and `one_style` for all: `content`, `style`, `weights`, `y`,
                            `value` (the sum of weights y), its gradients `content_grad` and `style_grad`, `squared`
                            (the squared norm of content_grad), and the gradients of that by both,
                            `squared_content_grad`, `squared_style_grad`.
operations.safetensors      Each operation alone, as `{operation}.{case}.` `y`, `dy`, `d{input}`. Inputs that cases
                            share stand once: `pointwise.{dtype}.x` and `.dy`, `binary.{case}.a` and `.b`, `pad.x`,
                            `resize.x`, `reduced.x`, `max.x`. Pointwise functions: `{function}.{dtype}.` `y` and `dx`
                            are float64 for float32 x too, and as PyTorch gives them where x is infinite (NaN for GELU
                            and SiLU); `{function}.second_order.` `x`, `dx`, `dxdx` and `dxddy` are the gradient for
                            `second_order.dy`, and the gradients of the sum of `second_order.v` dx. `max` spreads its
                            gradient evenly over ties, which `max.x` has. Gram matrices are divided by C H W.
torch_*.pth                 What torch.save writes today, in both formats, and wrote before: `torch_state*` hold the tensors
                            of torch_state.safetensors, `torch_checkpoint` those of torch_checkpoint.safetensors among
                            much else; `torch_module*`, `torch_numpy` and `torch_quantized` need classes of Python's.
networks.safetensors        Generators, discriminators and feature networks in small: see golden_networks.py.
trainers.safetensors        Three steps of each kind of training: see golden_trainers.py.
random_normal_*, *.npy      NumPy's forms of files, what it prints, and its refusals.
"""

import math
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import torch
from golden_convolutions import convolution_cases
from golden_gradients import gradient_cases
from golden_networks import network_cases
from golden_operations import operation_cases
from golden_pytorch import pytorch_files
from golden_trainers import trainer_cases
from golden_training import training_cases, uniform_numbers
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


FAMILY = {
    # name: (maker of PyTorch's layer, shape)
    "batch": (lambda: nn.BatchNorm2d(5), (4, 5, 6, 3)),
    "batch_average": (lambda: nn.BatchNorm2d(3, momentum=None), (3, 3, 4, 5)),
    "batch_plain": (lambda: nn.BatchNorm2d(3, affine=False, eps=1e-3, momentum=0.3), (2, 3, 7, 5)),
    "batch_own": (lambda: nn.BatchNorm2d(4, track_running_stats=False), (3, 4, 4, 4)),
    "batch_single": (lambda: nn.BatchNorm2d(19), (1, 19, 5, 3)),
    "instance": (lambda: nn.InstanceNorm2d(3, affine=True, track_running_stats=True), (4, 3, 5, 6)),
    "instance_average": (
        # PyTorch takes a momentum of None as 0 here, and never moves. Of 1, a step's own statistics remain; below they
        # become averages, which is what its documentation says of None.
        lambda: nn.InstanceNorm2d(4, track_running_stats=True, momentum=1.0),
        (2, 4, 3, 5),
    ),
    "layer": (lambda: nn.GroupNorm(1, 5), (3, 5, 4, 6)),
    "layer_element": (lambda: nn.LayerNorm([3, 4, 5]), (4, 3, 4, 5)),
    "layer_plain": (lambda: nn.LayerNorm([18, 4, 5], elementwise_affine=False), (2, 18, 4, 5)),
    "group": (lambda: nn.GroupNorm(3, 6), (3, 6, 5, 4)),
    "group_large": (lambda: nn.GroupNorm(2, 6, eps=1e-3), (1, 6, 29, 27)),
}


def family_cases():
    """Each type through several steps of training, then evaluation."""
    generator = torch.Generator().manual_seed(30)
    steps = 4
    for name, (make, shape) in FAMILY.items():
        layer = make().double()
        # Pictures differ in brightness and contrast, so that types do.
        contrast = torch.rand((steps, shape[0], shape[1], 1, 1), generator=generator) * 3 + 0.2
        brightness = torch.randn((steps, shape[0], shape[1], 1, 1), generator=generator) * 2
        x = torch.randn((steps, *shape), generator=generator) * contrast + brightness
        grad = torch.randn((steps, *shape), generator=generator)
        tensors = {"x": x, "grad": grad, "steps": torch.tensor([float(steps)])}
        parameters = dict(layer.named_parameters())
        for key, parameter in parameters.items():
            values = torch.randn(parameter.shape, generator=generator)
            parameter.data = values.double()
            tensors[key] = values
        if parameters:
            optimizer = torch.optim.SGD(parameters.values(), lr=0.1)
        outputs, gradients = [], []
        trained = {key: [] for key in parameters}
        running = {key: [] for key, _ in layer.named_buffers()}
        for step in range(steps):
            data = x[step].double().requires_grad_()
            output = layer(data)
            layer.zero_grad()
            output.backward(grad[step].double())
            outputs.append(output.detach())
            gradients.append(data.grad)
            if parameters:
                optimizer.step()
            for key, parameter in parameters.items():
                trained[key].append(parameter.detach().clone())
            for key, buffer in layer.named_buffers():
                running[key].append(buffer.double().clone())
        if name == "instance_average":
            for key in ("running_mean", "running_var"):
                own = running[key]
                running[key] = [torch.stack(own[: step + 1]).mean(0) for step in range(steps)]
                getattr(layer, key).copy_(running[key][-1])
        tensors |= {"y": torch.stack(outputs), "x_grad": torch.stack(gradients)}
        tensors |= {f"{key}_after": torch.stack(values) for key, values in trained.items()}
        tensors |= {f"{key}_after": torch.stack(values) for key, values in running.items()}

        layer.eval()
        data = x[0].double().requires_grad_()
        output = layer(data)
        output.backward(grad[0].double())
        tensors |= {"y_evaluated": output.detach(), "x_grad_evaluated": data.grad}
        save_file(
            {key: value.contiguous() for key, value in tensors.items()},
            folder / f"family_{name}.safetensors",
        )
        if name == "batch":
            # As PyTorch writes it, the integer among the running statistics included.
            save_file(layer.float().state_dict(), folder / "state_dict_batch.safetensors")


def standardized(x, epsilon):
    mean = x.mean((2, 3), keepdim=True)
    variance = x.var((2, 3), unbiased=False, keepdim=True)
    return (x - mean) / (variance + epsilon).sqrt(), mean, (variance + epsilon).sqrt()


def styled_cases():
    """Adaptive and conditional instance normalisation by their formulas, and all gradients by autograd."""
    generator = torch.Generator().manual_seed(40)

    def random(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64) * 1.5 + 0.7

    for name, styles, epsilon, strength in [
        ("one_style", 1, 1e-5, 1.0),
        ("a_style_each", 3, 0.2, 1.0),
        ("halfway", 1, 1e-5, 0.4),
    ]:
        content = random(3, 4, 5, 6).requires_grad_()
        style = random(styles, 4, 3, 7).requires_grad_()
        grad = random(3, 4, 5, 6)
        xhat, _, _ = standardized(content, epsilon)
        _, mean, deviation = standardized(style, epsilon)
        y = (1 - strength) * content + strength * (deviation * xhat + mean)
        y.backward(grad)
        save_file(
            {
                "x": content.detach(),
                "style": style.detach(),
                "grad": grad,
                "y": y.detach(),
                "x_grad": content.grad,
                "style_grad": style.grad,
                "settings": torch.tensor([epsilon, strength], dtype=torch.float64),
            },
            folder / f"adaptive_{name}.safetensors",
        )

    for name, rows in [("a_blend_each", 3), ("one_blend", 1)]:
        x = random(3, 4, 5, 6).requires_grad_()
        weights = random(rows, 5).requires_grad_()
        scale = random(5, 4).requires_grad_()
        bias = random(5, 4).requires_grad_()
        grad = random(3, 4, 5, 6)
        xhat, _, _ = standardized(x, 1e-5)
        y = (weights @ scale)[:, :, None, None] * xhat + (weights @ bias)[:, :, None, None]
        y.backward(grad)
        save_file(
            {
                "x": x.detach(),
                "weights": weights.detach(),
                "weight": scale.detach(),
                "bias": bias.detach(),
                "grad": grad,
                "y": y.detach(),
                "x_grad": x.grad,
                "weights_grad": weights.grad,
                "weight_grad": scale.grad,
                "bias_grad": bias.grad,
            },
            folder / f"conditional_{name}.safetensors",
        )


def activations():
    generator = torch.Generator().manual_seed(50)
    x = torch.randn((2, 3, 4, 5), generator=generator, dtype=torch.float64) * 2
    x[0, 0, 0, 0] = 0
    grad = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    tensors = {"x": x, "grad": grad}
    for name, function in [("relu", nn.ReLU()), ("leaky", nn.LeakyReLU(0.2)), ("tanh", nn.Tanh())]:
        data = x.clone().requires_grad_()
        y = function(data)
        y.backward(grad)
        tensors |= {f"{name}_y": y.detach(), f"{name}_grad": data.grad}
    save_file(tensors, folder / "activations.safetensors")


def network():
    """A generator's block as PyTorch saves it, and what it gives."""
    torch.manual_seed(6)
    block = nn.Sequential(
        nn.InstanceNorm2d(4, affine=True),
        nn.ReLU(),
        nn.Sequential(nn.BatchNorm2d(4), nn.LeakyReLU(0.2), nn.GroupNorm(2, 4)),
        nn.Tanh(),
    )
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    for _ in range(3):
        block(torch.randn(3, 4, 6, 5) * 2 + 1)
    block.eval()
    x = torch.randn(2, 4, 6, 5) * 2 + 1
    save_file(block.state_dict(), folder / "network.safetensors")
    y = block.double()(x.double())
    save_file({"x": x, "y": y.detach()}, folder / "network_run.safetensors")


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
    """The polar method again, with the C library's logarithm."""
    numbers = uniform_numbers(1)
    values = []
    while len(values) < 100:
        u, v = 2 * next(numbers) - 1, 2 * next(numbers) - 1
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
family_cases()
styled_cases()
activations()
network()
state_dict()
optimizers()
gradient_cases(folder)
training_cases(folder)
operation_cases(folder)
convolution_cases(folder)
pytorch_files(folder)
network_cases(folder)
trainer_cases(folder)
random_normal()
array_files()
printing()
