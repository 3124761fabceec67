"""Generators, discriminators and feature networks in small, by PyTorch in float64. The networks are written here in plain
torch.nn, with the names of the projects whose files have them (pytorch/examples, junyanz/pytorch-CycleGAN-and-pix2pix,
naoto0804/pytorch-AdaIN, torchvision).

For each network `{network}.` `x`, `y`, `dy`, `dx`, `weights.{tensor}` and `grads.{tensor}`; of VGG19 no gradients.
Networks with batch normalisation were called in training, and have `evaluated`, the result in evaluation before that."""

import torch
from golden_gradients import Random, save
from torch import nn
from torch.nn import functional


class Mirrored(nn.Module):
    """fast_neural_style's ConvLayer and UpsampleConvLayer."""

    def __init__(self, maps, more, size, stride=1, upsample=None, mode="nearest"):
        super().__init__()
        self.upsample, self.mode, self.margin = upsample, mode, size // 2
        self.conv2d = nn.Conv2d(maps, more, size, stride)

    def forward(self, x):
        if self.upsample:
            x = functional.interpolate(x, mode=self.mode, scale_factor=self.upsample)
        return self.conv2d(functional.pad(x, [self.margin] * 4, mode="reflect"))


class Rows(nn.Module):
    """Instance normalisation with a scale and a bias for each style, blended."""

    def __init__(self, maps, blend):
        super().__init__()
        self.blend = torch.tensor([blend], dtype=torch.float64)
        self.weight = nn.Parameter(torch.ones(len(blend), maps))
        self.bias = nn.Parameter(torch.zeros(len(blend), maps))

    def forward(self, x):
        scale, bias = [(self.blend @ rows)[:, :, None, None] for rows in (self.weight, self.bias)]
        return functional.instance_norm(x, eps=1e-5) * scale + bias


class Transformer(nn.Module):
    def __init__(self, width, blocks, norm=lambda maps: nn.InstanceNorm2d(maps, affine=True), mode="nearest"):
        super().__init__()
        self.blocks = blocks
        self.conv1, self.in1 = Mirrored(3, width, 9), norm(width)
        self.conv2, self.in2 = Mirrored(width, 2 * width, 3, 2), norm(2 * width)
        self.conv3, self.in3 = Mirrored(2 * width, 4 * width, 3, 2), norm(4 * width)
        for number in range(1, blocks + 1):
            block = nn.Module()
            block.conv1, block.in1 = Mirrored(4 * width, 4 * width, 3), norm(4 * width)
            block.conv2, block.in2 = Mirrored(4 * width, 4 * width, 3), norm(4 * width)
            setattr(self, f"res{number}", block)
        self.deconv1, self.in4 = Mirrored(4 * width, 2 * width, 3, 1, 2, mode), norm(2 * width)
        self.deconv2, self.in5 = Mirrored(2 * width, width, 3, 1, 2, mode), norm(width)
        self.deconv3 = Mirrored(width, 3, 9)

    def forward(self, x):
        for number in (1, 2, 3):
            x = getattr(self, f"in{number}")(getattr(self, f"conv{number}")(x)).relu()
        for number in range(1, self.blocks + 1):
            block = getattr(self, f"res{number}")
            x = block.in2(block.conv2(block.in1(block.conv1(x)).relu())) + x
        x = self.in5(self.deconv2(self.in4(self.deconv1(x)).relu())).relu()
        return self.deconv3(x)


def chosen(norm, maps):
    return nn.BatchNorm2d(maps) if norm == "batch" else nn.InstanceNorm2d(maps)


class ResidualBlock(nn.Module):
    def __init__(self, maps, norm):
        super().__init__()
        bias = norm == "instance"
        conv = [[nn.ReflectionPad2d(1), nn.Conv2d(maps, maps, 3, bias=bias), chosen(norm, maps)] for _ in range(2)]
        self.conv_block = nn.Sequential(*conv[0], nn.ReLU(), *conv[1])

    def forward(self, x):
        return x + self.conv_block(x)


class ResNet(nn.Module):
    def __init__(self, width, blocks, norm):
        super().__init__()
        bias = norm == "instance"
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7, bias=bias), chosen(norm, width), nn.ReLU()]
        for maps in (width, 2 * width):
            layers += [
                nn.Conv2d(maps, 2 * maps, 3, stride=2, padding=1, bias=bias), chosen(norm, 2 * maps), nn.ReLU()]
        layers += [ResidualBlock(4 * width, norm) for _ in range(blocks)]
        for maps in (4 * width, 2 * width):
            layers += [
                nn.ConvTranspose2d(maps, maps // 2, 3, stride=2, padding=1, output_padding=1, bias=bias),
                chosen(norm, maps // 2), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
        # The first convolution of the original follows the choice, the last always has a bias.
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x)


class UNetBlock(nn.Module):
    def __init__(self, outer, inner, norm, inside=None, inputs=None):
        super().__init__()
        bias = norm == "instance"
        self.outermost = inputs is not None
        down = nn.Conv2d(inputs or outer, inner, 4, 2, 1, bias=bias)
        up = nn.ConvTranspose2d(
            2 * inner if inside else inner, outer, 4, 2, 1, bias=bias or self.outermost)
        if self.outermost:
            layers = [down, inside, nn.ReLU(), up, nn.Tanh()]
        elif inside:
            layers = [
                nn.LeakyReLU(0.2), down, chosen(norm, inner), inside, nn.ReLU(), up, chosen(norm, outer)]
        else:
            layers = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, chosen(norm, outer)]
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        y = self.model(x)
        return y if self.outermost else torch.cat([x, y], 1)


class UNet(nn.Module):
    def __init__(self, width, depth, norm):
        super().__init__()
        maps = [width * 2 ** min(level, 3) for level in range(depth)]
        block = None
        for level in range(depth - 1, 0, -1):
            block = UNetBlock(maps[level - 1], maps[level], norm, block)
        self.model = UNetBlock(3, maps[0], norm, block, inputs=3)

    def forward(self, x):
        return self.model(x)


class Patches(nn.Module):
    def __init__(self, width, depth, norm):
        super().__init__()
        bias = norm == "instance"
        layers = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        maps = width
        for level in range(1, depth + 1):
            more = width * min(2**level, 8)
            stride = 2 if level < depth else 1
            layers += [nn.Conv2d(maps, more, 4, stride, 1, bias=bias), chosen(norm, more), nn.LeakyReLU(0.2)]
            maps = more
        self.model = nn.Sequential(*layers, nn.Conv2d(maps, 1, 4, 1, 1))

    def forward(self, x):
        return self.model(x)


class Pixels(nn.Module):
    def __init__(self, width, norm):
        super().__init__()
        bias = norm == "instance"
        self.net = nn.Sequential(
            nn.Conv2d(3, width, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, 2 * width, 1, bias=bias),
            chosen(norm, 2 * width), nn.LeakyReLU(0.2), nn.Conv2d(2 * width, 1, 1, bias=bias))

    def forward(self, x):
        return self.net(x)


class VGG(nn.Module):
    def __init__(self, stages, width):
        super().__init__()
        layers, maps = [], 3
        for stage, count in enumerate(stages):
            more = int(64 * 2 ** min(stage, 3) * width)
            for _ in range(count):
                layers += [nn.Conv2d(maps, more, 3, padding=1), nn.ReLU()]
                maps = more
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)

    def forward(self, x):
        return self.features(x)


class SmallVGG(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv0, maps = nn.Conv2d(3, 3, 1), 3
        for place in (11, 12, 21, 22, 31, 32, 33, 34, 41):
            more = width * 2 ** (place // 10 - 1)
            setattr(self, f"conv{place}", nn.Conv2d(maps, more, 3, padding=1, padding_mode="reflect"))
            maps = more

    def forward(self, x):
        x = self.conv0(x)
        for place in (11, 12, 21, 22, 31, 32, 33, 34, 41):
            if place in (21, 31, 41):
                x = functional.max_pool2d(x, 2)
            x = functional.relu(getattr(self, f"conv{place}")(x))
        return x


class AdaIN(nn.Module):
    def __init__(self, width, style):
        super().__init__()
        self.style = style

        def conv(maps, more):
            return [nn.ReflectionPad2d(1), nn.Conv2d(maps, more, 3), nn.ReLU()]

        def pool():
            return [nn.MaxPool2d(2, 2, ceil_mode=True)]

        def larger():
            return [nn.Upsample(scale_factor=2, mode="nearest")]

        w = width
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 3, 1), *conv(3, w), *conv(w, w), *pool(), *conv(w, 2 * w), *conv(2 * w, 2 * w), *pool(),
            *conv(2 * w, 4 * w), *conv(4 * w, 4 * w), *conv(4 * w, 4 * w), *conv(4 * w, 4 * w), *pool(),
            *conv(4 * w, 8 * w))
        self.decoder = nn.Sequential(
            *conv(8 * w, 4 * w), *larger(), *conv(4 * w, 4 * w), *conv(4 * w, 4 * w), *conv(4 * w, 4 * w),
            *conv(4 * w, 2 * w), *larger(), *conv(2 * w, 2 * w), *conv(2 * w, w), *larger(), *conv(w, w),
            *conv(w, 3)[:-1])

    def forward(self, x):
        content, style = self.encoder(x), self.encoder(self.style).detach()
        mean, variance = style.mean((2, 3), keepdim=True), style.var((2, 3), keepdim=True, correction=0)
        return self.decoder(functional.instance_norm(content, eps=1e-5) * (variance + 1e-5).sqrt() + mean)


def case(name, network, random, *shape, bias=0.0):
    """Weights that float16 has, at a size at which values neither vanish nor grow. Where no normalisation keeps ReLUs
    alive, biases do."""
    network = network.double()
    tensors = {}
    for key, value in network.state_dict().items():
        if not value.is_floating_point():
            continue
        if value.ndim == 4:
            value.copy_(random(*value.shape, deviation=(1.5 / value[0].numel()) ** 0.5))
        elif key.endswith("running_var") or (key.endswith("weight") and value.ndim < 4):
            value.copy_(random.between(0.5, 1.5, *value.shape))
        else:
            value.copy_(random(*value.shape, deviation=0.2, mean=bias))
        value.copy_(value.half().double())
        tensors[f"weights.{key}"] = value.half()
    x = random(*shape).half().double().requires_grad_()
    if any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        tensors["evaluated"] = network.eval()(x).float()
        network.train()
    y = network(x)
    dy = random(*y.shape).half().double()
    parameters = dict(network.named_parameters())
    dx, *grads = torch.autograd.grad(y, [x, *parameters.values()], dy)
    tensors |= {"x": x.half(), "y": y.float()}
    if name != "vgg19":
        tensors |= {f"grads.{key}": grad.float() for key, grad in zip(parameters, grads)}
        tensors |= {"dy": dy.half(), "dx": dx.float()}
    if isinstance(network, AdaIN):
        tensors["style"] = network.style.half()
    if isinstance(network, VGG):
        tensors["features"] = network.features[:9](x).float()
    return {f"{name}.{key}": value for key, value in tensors.items()}


def network_cases(folder):
    random = Random(120)
    tensors = case("transformer", Transformer(2, 2), random, 1, 3, 12, 12)
    blend = [0.25, 0.75, 0]
    tensors |= case(
        "conditional", Transformer(1, 1, lambda maps: Rows(maps, blend)), random, 1, 3, 12, 8)
    for norm in ("instance", "batch"):
        count = 2 if norm == "batch" else 1
        tensors |= case(f"resnet_{norm}", ResNet(2, count, norm), random, 1, 3, 8, 12)
        tensors |= case(f"unet_{norm}", UNet(1, 2 + count, norm), random, count, 3, 16, 16)
        tensors |= case(f"patches_{norm}", Patches(2, 2, norm), random, count, 3, 17, 14)
        tensors |= case(f"pixels_{norm}", Pixels(3, norm), random, count, 3, 5, 4)
    tensors |= case("vgg16", VGG([2, 2, 3, 3, 3], 1 / 64), random, 1, 3, 32, 33)
    tensors |= case("vgg19", VGG([2, 2, 4, 4, 4], 1 / 64), random, 1, 3, 32, 33)
    style = random(1, 3, 20, 17, mean=0.5).half().double()
    tensors |= case("adain", AdaIN(1, style), random, 1, 3, 16, 24, bias=0.3)
    tensors |= case("small_vgg19", SmallVGG(2), random, 1, 3, 17, 16, bias=0.3)
    tensors |= case("transformer_bilinear", Transformer(2, 1, mode="bilinear"), random, 1, 3, 12, 8)
    save(tensors, folder / "networks.safetensors")
