"""Prints the largest error of each implementation on inputs that are hard for it, in deviations."""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch

tool = sys.argv[1]
generator = np.random.default_rng(1)


def normal(size, mean, deviation):
    return (generator.standard_normal((1, 1, size, size)) * deviation + mean).astype(np.float32)


CASES = {
    "ordinary: mean 0, deviation 1, 256 x 256": normal(256, 0, 1),
    "mean 1e4, deviation 1, 2048 x 2048": normal(2048, 1e4, 1),
    "mean 1e6, deviation 10, 2048 x 2048": normal(2048, 1e6, 10),
    "mean 1e5, deviation 1, 4096 x 4096": normal(4096, 1e5, 1),
    "1.49e38, 9.0e37, -1.3e38, 3.06e38": np.float32([1.49e38, 9.0e37, -1.3e38, 3.06e38]).reshape(1, 1, 2, 2),
}


def reference(x):
    """In float64; the largest of these inputs needs no more, since their squares are far from its limits."""
    x = x.astype(np.float64)
    deviations = x - x.mean()
    deviations -= deviations.mean()
    return deviations / np.sqrt((deviations**2).mean() + 1e-5)


def ours(x):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        np.save(folder / "x.npy", x)
        subprocess.run([tool, "apply", folder / "x.npy", "-o", folder / "y.npy"], check=True)
        return np.load(folder / "y.npy")


def pytorch(x):
    return torch.nn.functional.instance_norm(torch.from_numpy(x)).numpy()


def onnx_runtime(x):
    kind = onnx.helper.np_dtype_to_tensor_dtype(x.dtype)
    node = onnx.helper.make_node("InstanceNormalization", ["x", "scale", "bias"], ["y"], epsilon=1e-5)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node],
        "norm",
        [value("x", kind, x.shape), value("scale", kind, [1]), value("bias", kind, [1])],
        [value("y", kind, x.shape)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x, "scale": np.ones(1, x.dtype), "bias": np.zeros(1, x.dtype)})[0]


def error(implementation, x, expected):
    try:
        with np.errstate(all="ignore"):
            y = implementation(x).astype(np.float64)
    except Exception:
        return "refused"
    if not np.isfinite(y).all():
        return "not finite"
    return f"{np.abs(y - expected).max():.1e}"


print(f"| plane | here | PyTorch {torch.__version__.split('+')[0]} | ONNX Runtime {onnxruntime.__version__} |")
print("| --- | --- | --- | --- |")
for name, x in CASES.items():
    expected = reference(x)
    print(f"| {name} | " + " | ".join(error(f, x, expected) for f in (ours, pytorch, onnx_runtime)) + " |")
