"""Files as torch.save writes them, and what is in them by safetensors."""

import io
import pickle
import struct
import zipfile
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn


def save(value, path, is_zip=True, protocol=2):
    torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)


def every_form():
    """Views, storages that are shared, and all types of values."""
    generator = torch.Generator().manual_seed(13)
    weight = torch.randn(2, 3, 2, 2, generator=generator)
    long = torch.randn(40, generator=generator, dtype=torch.float64)
    whole = torch.tensor([0, 1, 100, 127])
    return OrderedDict(
        {
            "conv.weight": weight,
            "conv.channels_last": weight.to(memory_format=torch.channels_last),
            "conv.tied": weight,
            "conv.slice": weight[1:, 1:, :, 1],
            "conv.transposed": weight[0, :, 0].T,
            "conv.row_of_one": weight[1, 2:3, 1],
            "parameter": nn.Parameter(torch.randn(3, generator=generator)),
            "buffer": nn.Buffer(torch.randn(3, generator=generator)),
            "scalar": torch.tensor(1.5),
            "empty": torch.zeros(0, 3),
            "empty_view": weight[2:, 3:],
            "expanded": torch.tensor([2.5]).expand(2, 3),
            "windows": torch.arange(5.0).unfold(0, 3, 1),
            "special": torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-45]),
            "float64": long[3:33:3],
            "float16": long.half()[1:4],
            "bfloat16": long.bfloat16().reshape(8, 5)[::3, ::2],
            "int64": torch.tensor([2**53, -(2**53), -1]),
            "num_batches_tracked": torch.tensor(7),
            "int32": -whole.int(),
            "int16": (whole * 200).short()[1::2],
            "int8": -whole.to(torch.int8),
            "uint8": (whole * 2).to(torch.uint8),
            "uint16": torch.tensor([0, 65535, 258]).to(torch.uint16),
            "uint32": torch.tensor([2**32 - 1, 3]).to(torch.uint32),
            "bool": torch.tensor([[True, False], [False, True]]).T,
        }
    )


def unread():
    """Of types and kinds that tensors here do not have."""
    values = torch.arange(3.0)
    return {
        "complex64": torch.complex(values, values),
        "float8_e4m3fn": values.to(torch.float8_e4m3fn),
        "negated": torch._neg_view(values),
        "large": torch.tensor([2**53 + 1]),
        "read": values,
    }


def checkpoint():
    """What a training loop saves beside the weights of a network on several devices."""
    torch.manual_seed(5)
    norm = nn.InstanceNorm2d(2, affine=True, track_running_stats=True)
    network = nn.DataParallel(nn.Sequential(nn.Conv2d(1, 2, 1), norm))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.randn(1, 1, 3, 3)).square().sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5])
    return {
        "epoch": 3,
        "best": 0.25,
        "step": torch.tensor(12),
        "note": "an é",
        "nothing": None,
        "tags": {"a", "b"},
        "raw": b"ab",
        "size": torch.Size([2, 3]),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "options": {"lr": 1e-3, "betas": (0.5, 0.9), "deep": {"flag": True}, "large": 2**70},
        "losses": defaultdict(list, {"l1": [0.5, -0.25]}),
        "counts": Counter([1]),
        "random": torch.get_rng_state()[:8],
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "model": network.state_dict(),
    }, {key.removeprefix("module."): value for key, value in network.state_dict().items()}


def big_endian(source, path):
    """The file that torch.save writes on a machine whose numbers have their highest byte first."""
    widths = {}

    class Reader(pickle.Unpickler):
        def persistent_load(self, reference):
            _, kind, key, _, count = reference
            if kind is torch.UntypedStorage:
                widths[key] = 4 if count == 8 else 2
            else:
                widths[key] = kind.dtype.itemsize

        def find_class(self, module, name):
            return (lambda *arguments: None) if "rebuild" in name else super().find_class(module, name)

    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        root = old.namelist()[0].removesuffix("data.pkl")
        Reader(io.BytesIO(old.read(f"{root}data.pkl"))).load()
        for name in ["data.pkl", "version"] + [f"data/{key}" for key in widths]:
            values = old.read(f"{root}{name}")
            if name.startswith("data/"):
                width = widths[name.removeprefix("data/")]
                values = b"".join(values[i : i + width][::-1] for i in range(0, len(values), width))
            # Every second one with its sizes in 64 bits, as other writers of zip archives have them.
            with new.open(zipfile.ZipInfo(f"net/{name}"), "w", force_zip64=len(name) % 2 == 0) as entry:
                entry.write(values)
        new.writestr(zipfile.ZipInfo("net/byteorder"), "big")


def view_of_2017(path):
    """The format before zip with a reference to a part of a storage, as version 0.1.12 wrote it."""

    class Part:
        pass

    class View:
        def __reduce__(self):
            return torch._utils._rebuild_tensor, (Part, 1, (2,), (1,))

    class Writer(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, "93", "cpu", 6, ("94", 2, 3)) if value is Part else None

    def pickled(value):
        file = io.BytesIO()
        Writer(file, 2).dump(value)
        return file.getvalue()

    values = struct.pack("<q6f", 6, *range(6))
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}]
    path.write_bytes(b"".join(map(pickled, head + [{"view": View()}, ["93"]])) + values)


def pytorch_files(folder):
    state = every_form()
    save(state, folder / "torch_state.pth")
    save(state, folder / "torch_state_before_zip.pth", is_zip=False)
    big_endian(folder / "torch_state.pth", folder / "torch_state_big_endian.pth")
    plain = {key: value.detach().contiguous().clone() for key, value in state.items()}
    save_file(plain, folder / "torch_state.safetensors")

    save(unread(), folder / "torch_unread.pth")
    for protocol in [3, 4, 5]:
        state = {"a": torch.arange(3.0), "b": torch.arange(4)[1:]}
        save(state, folder / f"torch_protocol_{protocol}.pth", is_zip=protocol % 2 == 0, protocol=protocol)
    view_of_2017(folder / "torch_view_of_2017.pth")

    saved, weights = checkpoint()
    save(saved, folder / "torch_checkpoint.pth")
    save_file({key: value.detach().clone() for key, value in weights.items()}, folder / "torch_checkpoint.safetensors")

    network = nn.Identity()
    save(network, folder / "torch_module.pth")
    save(network, folder / "torch_module_before_zip.pth", is_zip=False)
    save({"net": network, "epoch": 1}, folder / "torch_module_inside.pth")
    save({"best": np.float64(3)}, folder / "torch_numpy.pth")
    save({"q": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, folder / "torch_quantized.pth")
