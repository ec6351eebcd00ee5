"""The three losses. Each returns (loss to minimise, detached losses, weights, sources) of the targets, for the log."""

import torch
import torch.nn.functional as F

from .batches import Batch, Special
from .network import Parts


def cross_entropy(logits, targets):
    return F.cross_entropy(logits.float(), targets, reduction="none")


def mean(losses, weights):
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)


def autoregressive(model, b: Batch, **_):
    """Next token, causal."""
    losses = cross_entropy(model(b.ids[:, :-1]).flatten(0, 1), b.ids[:, 1:].flatten())
    weights, source = b.weights[:, 1:].flatten(), b.source[:, 1:].flatten()
    return mean(losses, weights), losses.detach(), weights, source


def block_mask(block: torch.Tensor) -> torch.Tensor:
    """What attends to what in [noisy view 1; noisy view 2; clean], all of length L: [rows, 1, 3L, 3L], true = visible.

    A noisy row sees its own block in its own view, both ways, and the clean tokens of strictly earlier blocks; a clean
    row sees the clean tokens up to itself, so the committed context stays strictly causal (NBDiff, arXiv 2512.06776).
    `block` [rows, L] numbers the blocks.
    """
    length = block.shape[1]
    same = block[:, :, None] == block[:, None, :]
    earlier = block[:, None, :] < block[:, :, None]
    causal = torch.ones(length, length, dtype=torch.bool).tril().expand_as(same)
    none = torch.zeros_like(same)
    rows = [torch.cat(parts, dim=2) for parts in ((same, none, earlier), (none, same, earlier), (none, none, causal))]
    return torch.cat(rows, dim=1)[:, None]


def block_parts(block: torch.Tensor) -> Parts:
    """The same as `block_mask`, without its empty squares."""
    length = block.shape[1]
    mask = block_mask(block)
    first, second, clean = (slice(i * length, (i + 1) * length) for i in range(3))
    own = torch.cat((mask[:, :, first, first], mask[:, :, first, clean]), dim=3)
    return Parts([first, second, clean], [[first, clean], [second, clean], [clean]], [own, own, None])


def block_diffusion(model, b: Batch, generator: torch.Generator, block_size: int, causal_share: float = 0.5,
                    mask: int = Special.mask, **_):
    """Masked tokens inside blocks, seen from the row before them, plus `causal_share` times the next-token loss.

    The grid of blocks begins anywhere, because at inference it begins where the prompt ends. The first slot of a block
    is never masked: in decoding it is the token that the committed context has predicted. Two complementary views let
    every other token be a target once (Fast-dLLM v2, arXiv 2509.26328).
    """
    ids = b.ids[:, :-1]
    rows, length = ids.shape
    offset = torch.randint(block_size, (rows, 1), generator=generator)
    grid = torch.arange(length) + offset
    block, slot = grid // block_size, grid % block_size
    open_ = slot != 0
    open_[:, 0] = False
    noise = torch.rand(rows, (length + block_size) // block_size + 1, generator=generator)  # one level per block
    first = (torch.rand(rows, length, generator=generator) < torch.gather(noise, 1, block)) & open_
    second = open_ & ~first
    noisy = [torch.where(m, mask, ids) for m in (first, second)]
    hidden = model.hidden(torch.cat((*noisy, ids), dim=1), torch.arange(length).repeat(3), block_parts(block))
    found = []
    for view, masked in enumerate((first, second)):
        row, column = masked.nonzero(as_tuple=True)  # column >= 1 by construction
        found.append((hidden[row, view * length + column - 1], row, column))
    parts = [(h, b.ids[r, c], b.weights[r, c], b.source[r, c]) for h, r, c in found]
    targets, weights, source = (torch.cat([p[i] for p in parts]) for i in (1, 2, 3))
    masked_losses = cross_entropy(model.logits(torch.cat([p[0] for p in parts])), targets)
    causal_losses = cross_entropy(model.logits(hidden[:, 2 * length:]).flatten(0, 1), b.ids[:, 1:].flatten())
    loss = causal_share * mean(causal_losses, b.weights[:, 1:].flatten())
    if len(targets):
        loss = loss + mean(masked_losses, weights)
    return loss, masked_losses.detach(), weights, source


def masked(model, b: Batch, generator: torch.Generator, mask: int = Special.mask, **_):
    """LLaDA (arXiv 2502.09992): everything sees everything of its document; one noise level per document; cross-entropy
    at the masked tokens divided by the level. What is asked is never masked, as at inference."""
    ids, document = b.ids[:, :-1], b.document[:, :-1]
    weights, source, position = b.weights[:, :-1], b.source[:, :-1], b.position[:, :-1]
    rows, length = ids.shape
    # Spread evenly over the documents of the batch, so that every step sees weak and strong noise.
    count = int(document.max()) + 1
    spread = torch.randperm(rows * count, generator=generator).view(rows, count).float() / (rows * count)
    level = 0.05 + 0.95 * ((spread + torch.rand(1, generator=generator)) % 1)
    level = torch.gather(level, 1, document)
    hit = (torch.rand(rows, length, generator=generator) < level) & (weights > 0.15)
    same = (document[:, :, None] == document[:, None, :])[:, None]
    hidden = model.hidden(torch.where(hit, mask, ids), position, same)
    losses = cross_entropy(model.logits(hidden[hit]), ids[hit])
    weights = weights[hit]
    loss = (losses * weights / level[hit]).sum() / (b.weights[:, :-1] * (b.weights[:, :-1] > 0.15)).sum().clamp(min=1e-6)
    return loss, losses.detach(), weights, source[hit]


OBJECTIVES = {"autoregressive": autoregressive, "block": block_diffusion, "masked": masked}
