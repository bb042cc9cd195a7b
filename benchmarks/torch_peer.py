"""The same networks and steps in PyTorch, on CPU."""

import time

import torch
from torch import nn
from torch.nn import functional


def _norm_relu(channels):
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())


def _conv(before, after, size, stride=1):
    padding = size // 2
    return nn.Conv2d(before, after, size, stride, padding, bias=False)


class _Residual(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.first = _norm_relu(before)
        self.shortcut = None
        if stride > 1 or before != after:
            self.shortcut = _conv(before, after, 1, stride)
        self.rest = nn.Sequential(
            _conv(before, after, 3, stride),
            _norm_relu(after),
            _conv(after, after, 3),
        )

    def forward(self, x):
        activated = self.first(x)
        shortcut = self.shortcut(activated) if self.shortcut else x
        return shortcut + self.rest(activated)


class _Dense(nn.Module):
    def __init__(self, before, growth_rate):
        super().__init__()
        self.added = nn.Sequential(
            _norm_relu(before),
            _conv(before, 4 * growth_rate, 1),
            _norm_relu(4 * growth_rate),
            _conv(4 * growth_rate, growth_rate, 3),
        )

    def forward(self, x):
        return torch.cat([x, self.added(x)], 1)


def _head(channels, classes):
    return [
        _norm_relu(channels),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    ]


def wide_resnet(depth, width, classes):
    """The network of `keras_ban.models.wide_resnet`."""
    parts, channels = [_conv(3, 16, 3)], 16
    for stage in range(3):
        for block in range((depth - 4) // 6):
            after = 16 * 2**stage * width
            stride = 2 if stage and not block else 1
            parts.append(_Residual(channels, after, stride))
            channels = after
    return nn.Sequential(*parts, *_head(channels, classes))


def densenet(depth, growth_rate, classes):
    """The network of `keras_ban.models.densenet`."""
    parts, channels = [_conv(3, 16, 3)], 16
    for block in range(3):
        if block:
            half = channels // 2
            parts += [_norm_relu(channels), _conv(channels, half, 1)]
            parts.append(nn.AvgPool2d(2))
            channels = half
        for _ in range(-(-(depth - 4) // 6)):
            parts.append(_Dense(channels, growth_rate))
            channels += growth_rate
    return nn.Sequential(*parts, *_head(channels, classes))


def _network(name, classes):
    kind, depth, width = name.rsplit("_", 2)
    make = {"wide_resnet": wide_resnet, "densenet": densenet}[kind]
    return make(int(depth), int(width), classes).to(
        memory_format=torch.channels_last
    )


def candidates(args, x, y, classes):
    """Functions that run some steps and return the seconds of one."""
    if args.threads:
        torch.set_num_threads(args.threads)
    images = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(y).long()
    teacher = _network(args.teacher, classes).eval()

    def training(distills):
        model = _network(args.network, classes).train()
        optimizer = torch.optim.SGD(
            model.parameters(), 0.1, momentum=0.9, nesterov=True
        )

        def step(number):
            rows = slice(number * args.batch, (number + 1) * args.batch)
            logits = model(images[rows])
            loss = functional.cross_entropy(logits, labels[rows])
            if distills:
                with torch.no_grad():
                    p = teacher(images[rows]).softmax(-1)
                loss = loss + functional.cross_entropy(logits, p)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        def run():
            step(0)
            start = time.perf_counter()
            for number in range(args.steps):
                step(number)
            return (time.perf_counter() - start) / args.steps

        return run

    return {
        "PyTorch plain": training(False),
        "PyTorch online": training(True),
    }
