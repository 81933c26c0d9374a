"""Augmentations that imitate how copies of images differ on the web, for training the copy descriptor."""

import torch
import torch.nn.functional as F

SMALLEST_AREA = 0.5
"""Smallest share of an image that a crop keeps."""


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Returns one augmented view of each image, (B, 3, H, W) in [-1, 1]; all draws are from `generator`.

    The augmentations are crop, mirror, quarter turn, exposure, tint, grayscale, filled box, blur and noise
    (SSCD, section 4.1, without its blends of two images).
    """
    views = _random_geometry(images, generator)
    views = _random_color(views, generator)
    views = _random_box(views, generator)
    views = _random_blur(views, generator)
    sigma = 0.12 * _uniform(generator, len(views)) * _bernoulli(generator, len(views), 0.3)
    views = views + sigma * torch.randn(views.shape, generator=generator)
    return views.clamp(-1, 1).contiguous(memory_format=torch.channels_last)


def _random_geometry(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Returns random crops, some of them mirrored or turned by multiples of 90 degrees."""
    count = len(images)
    area = SMALLEST_AREA + (1 - SMALLEST_AREA) * _uniform(generator, count).flatten()
    stretch = torch.exp(0.2 * (_uniform(generator, count).flatten() - 0.5))
    width = (area.sqrt() * stretch).clamp(max=1)
    height = (area.sqrt() / stretch).clamp(max=1)
    left, top = ((2 * torch.rand(count, generator=generator) - 1) * (1 - side) for side in (width, height))
    mirror = 1 - 2 * _bernoulli(generator, count, 0.5).flatten()
    quarter = torch.randint(0, 4, (count,), generator=generator) * _bernoulli(generator, count, 0.3).flatten()
    cosine, sine = torch.cos(quarter * torch.pi / 2), torch.sin(quarter * torch.pi / 2)
    across = torch.stack([width * mirror * cosine, -width * mirror * sine, left], 1)
    down = torch.stack([height * sine, height * cosine, top], 1)
    grid = F.affine_grid(torch.stack([across, down], 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _random_color(views: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Returns views with random exposure, tint and offset, some of them in gray."""
    count = len(views)
    gain = torch.exp(0.8 * (_uniform(generator, count) - 0.5))
    tint = 1 + 0.2 * (torch.rand((count, 3, 1, 1), generator=generator) - 0.5)
    offset = 0.4 * (_uniform(generator, count) - 0.5)
    gray = _bernoulli(generator, count, 0.15)
    views = views * (1 - gray) + views.mean(1, keepdim=True) * gray
    return ((views + 1) * gain * tint - 1 + offset).clamp(-1, 1)


def _random_box(views: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Returns views, some of them with a filled box."""
    count, _, height, width = views.shape
    size = 0.1 + 0.4 * torch.rand((count, 2), generator=generator)
    corner = torch.rand((count, 2), generator=generator) * (1 - size)
    color = 2 * torch.rand((count, 3, 1, 1), generator=generator) - 1
    rows = _inside(height, corner[:, :1], size[:, :1])
    columns = _inside(width, corner[:, 1:], size[:, 1:])
    box = (rows[:, :, None] & columns[:, None, :])[:, None] * _bernoulli(generator, count, 0.3)
    return views * (1 - box) + color * box


def _inside(length: int, start: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    position = (torch.arange(length) + 0.5) / length
    return (position >= start) & (position < start + size)


def _random_blur(views: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Returns views, some of them blurred by a random amount."""
    soft = F.interpolate(F.avg_pool2d(views, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    share = _uniform(generator, len(views)) * _bernoulli(generator, len(views), 0.4)
    return views * (1 - share) + soft * share


def _uniform(generator: torch.Generator, count: int) -> torch.Tensor:
    return torch.rand((count, 1, 1, 1), generator=generator)


def _bernoulli(generator: torch.Generator, count: int, probability: float) -> torch.Tensor:
    return (torch.rand((count, 1, 1, 1), generator=generator) < probability).float()
