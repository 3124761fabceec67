"""What a U-Net has learnt of colouring grey scenes, here and in PyTorch, trained equally long: the mean distance of its
pictures from the scenes, over scenes that neither has seen, in parts of the range.

`script/learn` calls it, with folders of P6 files: `grey`, `colour` (what to learn from), `held-grey`, `held-colour`, and
`made`, what this library's network makes of the third.
"""

import pathlib
import sys

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Tests/Golden"))
from golden_networks import Patches, UNet

folder, steps, size, batch, width = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:6])


def pictures(name):
    """(N, 3, H, W) of -1 to 1."""
    found = []
    for path in sorted((folder / name).glob("*.ppm")):
        words = [word for line in path.read_bytes()[:200].split(b"\n") if not line.startswith(b"#") for word in line.split()]
        across, down = int(words[1]), int(words[2])
        values = np.frombuffer(path.read_bytes()[-3 * across * down:], np.uint8).reshape(down, across, 3)
        found.append(torch.tensor(values).permute(2, 0, 1).float() / 127.5 - 1)
    return torch.stack(found)


def distance(made, wanted):
    return ((made.clamp(-1, 1) - wanted).abs().mean() / 2).item()


torch.manual_seed(1)
torch.set_num_threads(2)
grey, colour = pictures("grey"), pictures("colour")
held_grey, held_colour = pictures("held-grey"), pictures("held-colour")
generator, discriminator = UNet(width, int(np.log2(size)), "instance"), Patches(width, 2, "instance")
discriminator.model[0] = torch.nn.Conv2d(6, width, 4, 2, 1)
for network in (generator, discriminator):
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.02) if parameter.ndim == 4 else torch.nn.init.zeros_(parameter)
optimizers = [torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999)) for network in (generator, discriminator)]
schedules = [
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (steps - step) / (steps - steps // 2)))
    for optimizer in optimizers]


def judged(x, other, is_real):
    logits = discriminator(torch.cat([x, other], 1))
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, is_real))


for step in range(steps):
    parts = []
    for index in torch.randint(len(grey), (batch,)):
        # As the loader's: scaled to a little more than the crop, cropped anywhere, mirrored half of the time.
        pair = torch.cat([grey[index], colour[index]])[None]
        height = int(size * (1 + 0.12 * torch.rand(1).item()))
        pair = functional.interpolate(
            pair, (height, height * pair.shape[3] // pair.shape[2]), mode="bilinear", antialias=True)
        row, column = [torch.randint(extent - size + 1, (1,)).item() for extent in pair.shape[2:]]
        pair = pair[:, :, row:row + size, column:column + size]
        parts.append(pair.flip(3) if torch.rand(1) < 0.5 else pair)
    x, y = torch.cat(parts).split(3, 1)
    fake = generator(x)
    optimizers[1].zero_grad()
    (0.5 * (judged(x, y, 1) + judged(x, fake.detach(), 0))).backward()
    optimizers[1].step()
    optimizers[0].zero_grad()
    (judged(x, fake, 1) + 100 * functional.l1_loss(fake, y)).backward()
    optimizers[0].step()
    for schedule in schedules:
        schedule.step()

height, width = held_grey.shape[2:]
# Up to a multiple of what a U-Net halves, as this library does it.
edges = [-width % size, -height % size]
with torch.no_grad():
    made = generator(functional.pad(held_grey, (0, edges[0], 0, edges[1]), mode="reflect"))[:, :, :height, :width]
    theirs = distance(made, held_colour)
print(f"here {distance(pictures('made'), held_colour):.4f}, PyTorch {theirs:.4f}, grey itself {distance(held_grey, held_colour):.4f}")
