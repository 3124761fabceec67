"""What a training is made of, by PyTorch in float64: losses with their gradients, penalties, optimizers with weight decay,
clipping, averages of weights, schedules."""

from itertools import islice

import torch
from golden_gradients import Random, save
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler


def uniform_numbers(seed):
    """SplitMix64 again, as numbers from 0 to 1."""
    mask = (1 << 64) - 1
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield ((z ^ (z >> 31)) >> 11) / (1 << 53)


def losses():
    random = Random(90)
    x, y = random(3, 4, 5, 6, deviation=1.5).requires_grad_(), random(3, 4, 5, 6, deviation=1.5)
    other = random(1, 4, 7, 5, deviation=0.8, mean=0.3)
    real, fake = random(3, 1, 4, 4, deviation=2).requires_grad_(), random(3, 1, 4, 4, deviation=2).requires_grad_()
    tensors = {"x": x, "y": y, "other": other, "real": real, "fake": fake}

    def case(name, loss, *inputs):
        tensors[name] = loss.reshape(1)
        for key, gradient in zip("ab", torch.autograd.grad(loss, inputs)):
            tensors[f"{name}.{key}"] = gradient

    for delta in (0.4, 1.0):
        case(f"huber.{delta}", functional.huber_loss(x, y, delta=delta), x)

    def gram(features):
        n, c, h, w = features.shape
        flat = features.view(n, c, h * w)
        return flat.bmm(flat.transpose(1, 2)) / (c * h * w)

    case("gram", functional.mse_loss(gram(x), gram(other).expand(3, -1, -1)), x)
    case("gram_each", functional.mse_loss(gram(x), gram(y)), x)

    def moments(features):
        variance = features.var((2, 3), unbiased=False)
        return features.mean((2, 3)), (variance + 1e-5).sqrt()

    for name, style in [("moments", other.expand(3, -1, -1, -1)), ("moments_each", y)]:
        (mean, deviation), (style_mean, style_deviation) = moments(x), moments(style)
        case(name, functional.mse_loss(mean, style_mean) + functional.mse_loss(deviation, style_deviation), x)
    steps = [x[:, :, 1:] - x[:, :, :-1], x[:, :, :, 1:] - x[:, :, :, :-1]]
    case("total_variation", steps[0].abs().mean() + steps[1].abs().mean(), x)

    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    entropy = functional.binary_cross_entropy_with_logits
    case("crossEntropy.discriminator", entropy(real, ones) + entropy(fake, zeros), real, fake)
    case("crossEntropy.generator", entropy(fake, ones), fake)
    squares = functional.mse_loss
    case("leastSquares.discriminator", squares(real, ones) + squares(fake, zeros), real, fake)
    case("leastSquares.generator", squares(fake, ones), fake)
    case("hinge.discriminator", (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean(), real, fake)
    case("hinge.generator", -fake.mean(), fake)
    case("wasserstein.discriminator", fake.mean() - real.mean(), real, fake)
    case("wasserstein.generator", -fake.mean(), fake)
    return tensors


def penalties():
    """Of a critic of two linear maps with a tanh between them; the places between real and fake are those of seed 7."""
    random = Random(91)
    w1 = random(6, 12, deviation=0.5).requires_grad_()
    w2 = random(2, 6).requires_grad_()
    real, fake = random(3, 3, 2, 2), random(3, 3, 2, 2)
    tensors = {"penalty.w1": w1, "penalty.w2": w2, "penalty.real": real, "penalty.fake": fake}

    def slopes(data):
        data = data.detach().requires_grad_()
        score = (data.flatten(1) @ w1.T).tanh() @ w2.T
        return torch.autograd.grad(score.sum(), data, create_graph=True)[0].flatten(1)

    blend = torch.tensor(list(islice(uniform_numbers(7), 3)), dtype=torch.float64).reshape(3, 1, 1, 1)
    mixed = blend * real + (1 - blend) * fake
    for name, value in [
        ("wasserstein", (slopes(mixed).norm(dim=1) - 1).square().mean()),
        ("r1", slopes(real).square().sum(1).mean()),
    ]:
        tensors[f"penalty.{name}"] = value.reshape(1)
        tensors[f"penalty.{name}.w1"], tensors[f"penalty.{name}.w2"] = torch.autograd.grad(value, [w1, w2])
    return tensors


def steps():
    """Three steps of two parameters, with clipping by their norm where `clip` is not None; a cosine as schedule."""
    random = Random(92)
    starts, grads = [random(5), random(2, 3)], [random(3, 5), random(3, 2, 3)]
    tensors = {}
    for index in range(2):
        tensors |= {f"start.{index}": starts[index], f"grads.{index}": grads[index]}
    makers = {
        "adam": lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.99), weight_decay=0.1),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.99), weight_decay=0.1),
        "sgd": lambda p: torch.optim.SGD(p, lr=0.05, weight_decay=0.1),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.1),
        "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    }
    for name, make in makers.items():
        for clip in (None, 1.5):
            parameters = [nn.Parameter(start.clone()) for start in starts]
            optimizer = make(parameters)
            schedule = lr_scheduler.CosineAnnealingLR(optimizer, 4, eta_min=0.05 * 0.1)
            for step in range(3):
                for parameter, grad in zip(parameters, grads):
                    parameter.grad = grad[step].clone()
                if clip:
                    nn.utils.clip_grad_norm_(parameters, clip)
                optimizer.step()
                schedule.step()
            for index, parameter in enumerate(parameters):
                tensors[f"{name}{'.clipped' if clip else ''}.{index}"] = parameter
    return tensors


def averages():
    values = Random(93)(6, 5)
    tensors = {"average.values": values}
    model = nn.Linear(5, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(values[0])
        # What it is made with is the average to begin with; the first update of PyTorch's would copy.
        average = torch.optim.swa_utils.AveragedModel(
            model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
        )
        average.n_averaged += 1
        for value in values[1:]:
            model.weight.copy_(value)
            average.update_parameters(model)
    tensors["average.plain"] = average.module.weight.reshape(5)
    weights = 0.9 ** torch.arange(4, -1, -1, dtype=torch.float64)
    tensors["average.corrected"] = (weights[:, None] * values[1:]).sum(0) / weights.sum()
    return tensors


def schedules():
    makers = {
        "linear": lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.ConstantLR(o, 1.0), lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=8)], [5]
        ),
        "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 20, eta_min=0.1),
        "steps": lambda o: lr_scheduler.MultiStepLR(o, [3, 7, 7, 15], gamma=0.5),
        "warm": lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.LinearLR(o, 0.25, total_iters=3), lr_scheduler.CosineAnnealingLR(o, 16)], [4]
        ),
    }
    tensors = {}
    for name, make in makers.items():
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = make(optimizer)
        rates = []
        for _ in range(20):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        tensors[f"schedule.{name}"] = torch.tensor(rates, dtype=torch.float64)
    return tensors


def training_cases(folder):
    save(losses() | penalties() | steps() | averages() | schedules(), folder / "training.safetensors")
