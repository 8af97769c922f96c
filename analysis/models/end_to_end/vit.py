"""A small vision transformer, trained from scratch (Dosovitskiy et al. 2021)."""

import torch
from torch import nn
from torch.nn import functional

from analysis.models.end_to_end.fit import fit_end_to_end
from analysis.models.network import Network, Standardise, n_classes
from analysis.models.registry import Fitted, Job, Kind


class Block(nn.Module):
    """Self-attention and a two-layer perceptron, each applied to normalised tokens and added to them."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return tokens (n, tokens, width)."""
        n, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(n, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (n, heads, tokens, width / heads)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.project(mixed.transpose(1, 2).reshape(n, tokens, width))
        return x + self.contract(functional.gelu(self.expand(self.norm2(x))))


class ViT(Network):
    """A convolutional stem, tokens with learned positions, `depth` blocks, and the normalised mean token as ``top``.

    Tokens come from 3 x 3 convolutions of stride 2 with batch norm and ReLU, one per entry of `stem`, and a 1 x 1
    convolution: with plain patches a transformer learns nothing from a few hundred images (Xiao et al. 2021, "Early
    convolutions help transformers see better").
    """

    def __init__(self, size: int, stem: list[int], width: int, depth: int, heads: int, hidden: int, classes: int = 2):
        super().__init__(("stem", *(f"block{number + 1}" for number in range(depth)), "top"))
        self.side = size // 2 ** len(stem)
        self.standardise = Standardise()
        self.stem = nn.Sequential()
        for before, after in zip([3, *stem], stem, strict=False):
            self.stem.extend([nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()])
        self.embed = nn.Conv2d(stem[-1], width, 1)
        self.place = nn.Parameter(torch.zeros(1, self.side**2, width))
        self.blocks = nn.ModuleList(Block(width, heads, hidden) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes)."""
        x = self.layers["stem"](self.stem(self.standardise(x)))
        x = self.embed(x).flatten(2).transpose(1, 2) + self.place  # (n, side^2, width)
        for number, block in enumerate(self.blocks):
            maps = block(x).transpose(1, 2).unflatten(2, (self.side, self.side))  # (n, width, side, side)
            x = self.layers[f"block{number + 1}"](maps).flatten(2).transpose(1, 2)
        return self.head(self.layers["top"](self.norm(x.mean(1))))


def initialise_(network: ViT, generator: torch.Generator) -> None:
    """Draw weights and positions from N(0, 0.02^2) truncated at two SDs; the stem as in He et al. (2015)."""
    for part in network.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            nn.init.trunc_normal_(part.weight, std=0.02, a=-0.04, b=0.04, generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for part in network.stem:
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu", generator=generator)
    nn.init.trunc_normal_(network.place, std=0.02, a=-0.04, b=0.04, generator=generator)


def build(architecture: dict) -> Network:
    """Return the untrained network."""
    return ViT(**architecture | {"classes": n_classes(architecture)})


def fit(job: Job) -> Fitted:
    """Train the network."""
    architecture = job.entry.model_dump(include={"size", "stem", "width", "depth", "heads", "hidden"}) | job.classes
    return fit_end_to_end(job, build(architecture), architecture, initialise_)


KIND = Kind(fit, build)
