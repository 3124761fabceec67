"""Whole training steps whose gradients have gradients, by PyTorch in float64: WGAN-GP, CycleGAN, AdaIN.

Networks are made of 1x1 mixings of maps (matrix products on the (N, C, H W) view), so that no convolution is needed.
"""

import torch
from safetensors.torch import save_file
from torch.nn import functional


class Random:
    """Seeded float64 values of a normal distribution."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape, deviation=1.0, mean=0.0):
        return torch.randn(shape, generator=self.generator, dtype=torch.float64) * deviation + mean

    def between(self, low, high, *shape):
        values = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        return values * (high - low) + low


def save(tensors, path):
    save_file({key: value.detach().contiguous().clone() for key, value in tensors.items()}, path)


def trainable(values):
    return {key: value.clone().requires_grad_() for key, value in values.items()}


def gradients(loss, parameters):
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values()))))


def mix(weight, x):
    """A 1x1 convolution without bias: weight (M, C), x (N, C, H, W)."""
    return (weight @ x.flatten(2)).unflatten(2, x.shape[2:])


def instance(x, weight, bias):
    return functional.instance_norm(x, weight=weight, bias=bias, eps=1e-5)


CRITIC_NORMS = {
    "instance": instance,
    "group": lambda x, weight, bias: functional.group_norm(x, 2, weight, bias, eps=1e-5),
    "layer": lambda x, weight, bias: functional.group_norm(x, 1, weight, bias, eps=1e-5),
    "batch": lambda x, weight, bias: functional.batch_norm(x, None, None, weight, bias, training=True, eps=1e-5),
}


def wgan_gp(folder):
    """A critic's step of WGAN-GP (Gulrajani et al. 2017); Adam would follow."""
    random = Random(60)
    real, fake = random(2, 3, 5, 4), random(2, 3, 5, 4, deviation=0.7, mean=0.4)
    blend = random.between(0, 1, 2, 1, 1, 1)
    mixed = blend * real + (1 - blend) * fake
    start = {
        "w1": random(4, 3),
        "scale1": random.between(0.5, 1.5, 4),
        "bias1": random(4, deviation=0.3),
        "scale2": random.between(0.5, 1.5, 4),
        "bias2": random(4, deviation=0.3),
        # Slopes on both sides of 1.
        "w2": random(2, 4, deviation=5.0),
    }
    tensors = {"real": real, "fake": fake, "blend": blend, "mixed": mixed, **start}
    for name, norm in CRITIC_NORMS.items():
        p = trainable(start)

        def critic(x):
            maps = mix(p["w1"], x)
            hidden = functional.leaky_relu(norm(maps, p["scale1"], p["bias1"]), 0.2) + maps
            hidden = norm(hidden, p["scale2"], p["bias2"]).tanh()
            return mix(p["w2"], hidden).mean((1, 2, 3))

        data = mixed.clone().requires_grad_()
        score = critic(data)
        (slope,) = torch.autograd.grad(score.sum(), data, create_graph=True)
        slopes = slope.flatten(1).norm(dim=1)
        penalty = 10 * (slopes - 1).square().mean()
        fake_score, real_score = critic(fake), critic(real)
        loss = fake_score.mean() - real_score.mean() + penalty
        found = {
            "fake_score": fake_score,
            "real_score": real_score,
            "mixed_score": score,
            "mixed_grad": slope,
            "slopes": slopes,
            "penalty": penalty.reshape(1),
            "loss": loss.reshape(1),
        }
        found |= {f"penalty.{key}_grad": value for key, value in gradients_kept(penalty, p).items()}
        found |= {f"{key}_grad": value for key, value in gradients(loss, p).items()}
        tensors |= {f"{name}.{key}": value for key, value in found.items()}
    save(tensors, folder / "wgan_gp.safetensors")


def gradients_kept(loss, parameters):
    """Gradients of a loss that is differentiated again later."""
    found = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True, materialize_grads=True)
    return dict(zip(parameters, found))


def cyclegan(folder):
    """Both generators' loss without the discriminators (Zhu et al. 2017): cycles and identities."""
    random = Random(70)
    day, dusk = random(2, 3, 5, 4), random(2, 3, 5, 4, deviation=0.6, mean=-0.3)
    start = {}
    for generator in ("forth", "back"):
        start |= {
            f"{generator}.w1": random(4, 3),
            f"{generator}.scale": random.between(0.5, 1.5, 4),
            f"{generator}.bias": random(4, deviation=0.3),
            f"{generator}.w2": random(3, 4, deviation=0.5),
        }
    p = trainable(start)

    def generate(name, x):
        hidden = instance(mix(p[f"{name}.w1"], x), p[f"{name}.scale"], p[f"{name}.bias"]).relu()
        return mix(p[f"{name}.w2"], hidden).tanh()

    def forth(x):
        return generate("forth", x)

    def back(x):
        return generate("back", x)

    def distance(x, y):
        return (x - y).abs().mean()

    cycles = distance(back(forth(day)), day) + distance(forth(back(dusk)), dusk)
    loss = cycles + 0.5 * distance(forth(dusk), dusk) + 0.5 * distance(back(day), day)
    tensors = {
        "day": day,
        "dusk": dusk,
        **start,
        "forth_of_day": forth(day),
        "back_of_forth_of_day": back(forth(day)),
        "back_of_dusk": back(dusk),
        "forth_of_back_of_dusk": forth(back(dusk)),
        "forth_of_dusk": forth(dusk),
        "back_of_day": back(day),
        "loss": loss.reshape(1),
    }
    tensors |= {f"{key}_grad": value for key, value in gradients(loss, p).items()}
    save(tensors, folder / "cyclegan.safetensors")


def adain_gradients(folder):
    """Adaptive instance normalisation (Huang and Belongie 2017), twice differentiated."""
    random = Random(80)
    epsilon = 1e-5
    tensors = {"epsilon": torch.tensor([epsilon], dtype=torch.float64)}
    for name, styles in [("a_style_each", 3), ("one_style", 1)]:
        content = random(3, 4, 5, 6, deviation=1.5, mean=0.7).requires_grad_()
        style = random(styles, 4, 3, 7, deviation=0.8, mean=-0.2).requires_grad_()
        weights = random(3, 4, 5, 6)

        def moments(x):
            mean = x.mean((2, 3), keepdim=True)
            return mean, (x.var((2, 3), unbiased=False, keepdim=True) + epsilon).sqrt()

        mean, deviation = moments(content)
        style_mean, style_deviation = moments(style)
        y = style_deviation * (content - mean) / deviation + style_mean
        value = (weights * y).sum()
        content_grad, style_grad = torch.autograd.grad(value, [content, style], create_graph=True)
        squared = content_grad.square().sum()
        content_second, style_second = torch.autograd.grad(squared, [content, style])
        found = {
            "content": content,
            "style": style,
            "weights": weights,
            "y": y,
            "value": value.reshape(1),
            "content_grad": content_grad,
            "style_grad": style_grad,
            "squared": squared.reshape(1),
            "squared_content_grad": content_second,
            "squared_style_grad": style_second,
        }
        tensors |= {f"{name}.{key}": value for key, value in found.items()}
    save(tensors, folder / "adain_gradients.safetensors")


def gradient_cases(folder):
    wgan_gp(folder)
    cyclegan(folder)
    adain_gradients(folder)
