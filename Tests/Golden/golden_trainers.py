"""Three whole steps of each kind of training, by PyTorch in float64: Adam on losses of small networks.

For each kind `{kind}.` the pictures, uint8 as float32; `losses`, a row for each step; and of each network that is trained
`{network}.weights.{tensor}`, `{network}.grads.{tensor}` (of the first step) and `{network}.after.{tensor}`."""

import torch
from golden_gradients import Random, save
from golden_networks import Patches, ResNet, Rows, SmallVGG, Transformer, UNet
from torch import nn
from torch.nn import functional

STEPS = 3


def pictures(random, *shape):
    """Smooth ones, as bytes."""
    rough = random.between(0, 255, shape[0], shape[1], 5, 5)
    return functional.interpolate(rough, shape[2:], mode="bilinear").round()


def prepared(network, random):
    """Weights that float16 has, at a size at which values neither vanish nor grow."""
    network = network.double()
    with torch.no_grad():
        for key, value in network.named_parameters():
            if value.ndim == 4:
                value.copy_(random(*value.shape, deviation=(1.5 / value[0].numel()) ** 0.5))
            elif key.endswith("weight"):
                value.copy_(random.between(0.5, 1.5, *value.shape))
            else:
                value.copy_(random(*value.shape, deviation=0.2))
            value.copy_(value.half().double())
    return network


def values(picture):
    """As a program reads them, in float32: 0 to 1."""
    return (picture.float() / 255).double()


class Record:
    """What a kind of training says."""

    def __init__(self, kind, networks):
        self.kind, self.networks, self.losses, self.tensors = kind, networks, [], {}
        for name, network in networks.items():
            for key, value in network.named_parameters():
                self.tensors[f"{name}.weights.{key}"] = value.half()

    def step(self, names, optimizer, loss):
        """A step of some networks' optimizer."""
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        for name in names:
            for key, value in self.networks[name].named_parameters():
                self.tensors.setdefault(f"{name}.grads.{key}", value.grad.float())
        optimizer.step()

    def done(self, **pictures):
        for name, network in self.networks.items():
            for key, value in network.named_parameters():
                self.tensors[f"{name}.after.{key}"] = value.float()
        self.tensors["losses"] = torch.tensor(self.losses, dtype=torch.float64)
        self.tensors |= {name: value.float() for name, value in pictures.items()}
        return {f"{self.kind}.{key}": value for key, value in self.tensors.items()}


def adam(networks, rate, beta1):
    parameters = [parameter for network in networks for parameter in network.parameters()]
    return torch.optim.Adam(parameters, lr=rate, betas=(beta1, 0.999))


def mean_and_covariance(features):
    """The maps' means and covariances."""
    flat = features.flatten(2)
    mean = flat.mean(2, keepdim=True)
    return mean.squeeze(2), (flat - mean) @ (flat - mean).transpose(1, 2) / flat.shape[2]


def features(network, x):
    """After the ReLU of each convolution."""
    found, x = {}, network.conv0(x)
    for place in (11, 12, 21, 22, 31, 32, 33, 34, 41):
        if place in (21, 31, 41):
            x = functional.max_pool2d(x, 2)
        x = functional.relu(getattr(network, f"conv{place}")(x))
        found[place] = x
    return found


def style_training(random):
    """Two styles in one network, a picture at a time, which take turns."""
    network = prepared(Transformer(2, 1, lambda maps: Rows(maps, [1, 0])), random)
    judge = prepared(SmallVGG(2), random)
    record = Record("style", {"network": network})
    picture = pictures(random, 1, 3, 32, 32)
    styles = [pictures(random, 1, 3, 24, 28), pictures(random, 1, 3, 33, 24)]
    at, seen_at = (12, 22, 33, 41), 31
    with torch.no_grad():
        of_styles = [features(judge, values(style)) for style in styles]
        scale = sum(found[seen_at].square().mean() for found in of_styles) / len(styles)
    optimizer = adam([network], 1e-3, 0.9)
    for step in range(STEPS):
        chosen = step % 2
        for module in network.modules():
            if isinstance(module, Rows):
                module.blend = torch.eye(2, dtype=torch.float64)[[chosen]]
        painting = network(values(picture) * 255) / 255
        wanted, found = features(judge, values(picture)), features(judge, painting)
        content = functional.mse_loss(found[seen_at], wanted[seen_at].detach()) / scale
        style = 0
        for place in at:
            for has, wants in zip(mean_and_covariance(found[place]), mean_and_covariance(of_styles[chosen][place])):
                style = style + (has - wants).square().sum() / wants.square().sum() / len(at)
        down = (painting[:, :, 1:] - painting[:, :, :-1]).abs().mean()
        across = (painting[:, :, :, 1:] - painting[:, :, :, :-1]).abs().mean()
        variation = down + across
        record.losses.append([content.item(), style.item(), variation.item()])
        record.step(["network"], optimizer, 2 * content + 3 * style + 0.5 * variation)
    tensors = record.done(picture=picture, style0=styles[0], style1=styles[1])
    return tensors | {f"style.judge.{key}": value.half() for key, value in judge.state_dict().items()}


def pair_training(random):
    generator, discriminator = prepared(UNet(1, 4, "instance"), random), Patches(2, 2, "instance")
    discriminator.model[0] = nn.Conv2d(6, 2, 4, 2, 1)
    discriminator = prepared(discriminator, random)
    record = Record("pairs", {"generator": generator, "discriminator": discriminator})
    source, target = pictures(random, 1, 3, 16, 16), pictures(random, 1, 3, 16, 16)
    x, y = values(source) * 2 - 1, values(target) * 2 - 1
    of_generator, of_discriminator = adam([generator], 2e-4, 0.5), adam([discriminator], 2e-4, 0.5)

    def judged(other, is_real):
        logits = discriminator(torch.cat([x, other], 1))
        return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, is_real))

    for _ in range(STEPS):
        made = generator(x)
        telling = 0.5 * (judged(y, 1) + judged(made.detach(), 0))
        record.step(["discriminator"], of_discriminator, telling)
        fooling, distance = judged(made, 1), functional.l1_loss(made, y)
        record.losses.append([telling.item(), fooling.item(), distance.item()])
        record.step(["generator"], of_generator, fooling + 100 * distance)
    return record.done(input=source, target=target)


def cycle_training(random):
    names = ["forth", "back", "discriminatorOfA", "discriminatorOfB"]
    networks = [prepared(ResNet(2, 1, "instance"), random) for _ in range(2)]
    networks += [prepared(Patches(2, 2, "instance"), random) for _ in range(2)]
    forth, back, of_a, of_b = networks
    record = Record("cycle", dict(zip(names, networks)))
    picture_a, picture_b = pictures(random, 1, 3, 16, 16), pictures(random, 1, 3, 16, 16)
    a, b = values(picture_a) * 2 - 1, values(picture_b) * 2 - 1
    generators, discriminators = adam([forth, back], 2e-4, 0.5), adam([of_a, of_b], 2e-4, 0.5)
    l1 = functional.l1_loss
    for _ in range(STEPS):
        made_b, made_a = forth(a), back(b)
        fooling = (of_b(made_b) - 1).square().mean() + (of_a(made_a) - 1).square().mean()
        cycle = l1(back(made_b), a) + l1(forth(made_a), b)
        identity = l1(back(a), a) + l1(forth(b), b)
        record.step(["forth", "back"], generators, fooling + 10 * cycle + 5 * identity)
        telling = 0
        for discriminator, real, made in ((of_a, a, made_a.detach()), (of_b, b, made_b.detach())):
            real, made = discriminator(real), discriminator(made)
            telling = telling + 0.5 * ((real - 1).square().mean() + made.square().mean())
        record.losses.append([fooling.item(), cycle.item(), identity.item(), telling.item()])
        record.step(["discriminatorOfA", "discriminatorOfB"], discriminators, telling)
    return record.done(a=picture_a, b=picture_b)


def trainer_cases(folder):
    random = Random(140)
    save(style_training(random) | pair_training(random) | cycle_training(random), folder / "trainers.safetensors")
