"""Reference decoding loops in PyTorch: greedy, batched, written for clearness. What an engine computes is held to these.

Prompts of different lengths are padded on the left; padding is never visible and positions count from a row's first
token. Every loop returns the new tokens of each row up to (without) its first stop token, and the number of passes in
which the row still took part (the pass over the prompt not counted).
"""

import torch
import torch.nn.functional as F

from .batches import Special


def padded(prompts):
    """(ids, valid), both [rows, longest]."""
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    valid = torch.zeros(len(prompts), longest, dtype=torch.bool)
    for row, p in enumerate(prompts):
        ids[row, longest - len(p):] = torch.tensor(p)
        valid[row, longest - len(p):] = True
    return ids, valid


def visible(square, valid):
    """[rows, 1, q, k]; a padding row sees itself, because nothing at all would give NaN."""
    keys = valid.shape[1]
    own = torch.eye(keys, dtype=torch.bool)[-square.shape[0]:]
    return ((square & valid[:, None, :]) | own)[:, None]


def cut(tokens: list, special: Special) -> list:
    for i, token in enumerate(tokens):
        if token in (special.end, special.turn):
            return tokens[:i]
    return tokens


def stops(tokens, special: Special):
    return (tokens == special.end) | (tokens == special.turn)


class Context:
    """Committed tokens with their keys and values, always computed under the causal mask."""

    def __init__(self, model, prompts):
        self.model, self.caches = model, [[] for _ in model.model.layers]
        ids, self.valid = padded(prompts)
        self.length = (self.valid.cumsum(1) - 1).clamp(min=0)[:, -1] + 1  # tokens per row
        positions = (self.valid.cumsum(1) - 1).clamp(min=0)
        causal = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
        hidden = model.hidden(ids, positions, visible(causal, self.valid), self.caches)
        self.next = model.logits(hidden[:, -1]).float()

    def look(self, ids):
        """Logits [rows, n, vocabulary] of a block that sees itself and the context; nothing is kept."""
        return self.model.logits(self._hidden(ids, torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool), keep=False)).float()

    def commit(self, ids):
        hidden = self._hidden(ids, torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril(), keep=True)
        self.next = self.model.logits(hidden[:, -1]).float()

    def _hidden(self, ids, inner, keep):
        n, before = ids.shape[1], self.valid.shape[1]
        positions = self.length[:, None] + torch.arange(n)
        valid = torch.cat((self.valid, torch.ones(len(ids), n, dtype=torch.bool)), dim=1)
        square = torch.cat((torch.ones(n, before, dtype=torch.bool), inner), dim=1)
        caches = self.caches if keep else [list(c) for c in self.caches]
        hidden = self.model.hidden(ids, positions, visible(square, valid), caches)
        if keep:
            self.valid, self.length = valid, self.length + n
        return hidden


def choose(logits, special: Special = Special()):
    """Most likely tokens, the mask token apart: ([…] ids, their probabilities)."""
    logits = logits.clone()
    logits[..., special.mask] = float("-inf")
    confidence, token = F.softmax(logits, dim=-1).max(dim=-1)
    return token, confidence


@torch.no_grad()
def autoregressive(model, prompts, limit: int = 160, special: Special = Special(), **_):
    context, out = Context(model, prompts), []
    done = torch.zeros(len(prompts), dtype=torch.bool)
    for _ in range(limit):
        token, _confidence = choose(context.next, special)
        out.append(token)
        done |= stops(token, special)
        if done.all() or len(out) == limit:
            break
        context.commit(token[:, None])
    rows = [cut(row, special) for row in torch.stack(out, dim=1).tolist()]
    return rows, [min(len(r), limit - 1) for r in rows]


@torch.no_grad()
def blocks(model, prompts, limit: int = 160, block_size: int = 32, threshold: float | None = None,
           special: Special = Special(), **_):
    """Context-causal block diffusion with logits shifted by one. Without `threshold` every pass commits the one most
    confident token; with it, also all above it. A finished block is passed once more, causally, into the context."""
    context, out = Context(model, prompts), []
    count = len(prompts)
    done, passes, used = torch.zeros(count, dtype=torch.bool), torch.zeros(count, dtype=torch.long), 0
    while used < limit and not done.all():
        size = min(block_size, limit - used)
        x = torch.full((count, size), special.mask)
        x[:, 0] = choose(context.next, special)[0]  # the committed context has predicted it
        while True:
            masked = x == special.mask
            if not masked.any():
                break
            token, confidence = choose(context.look(x)[:, :-1], special)
            token, confidence = F.pad(token, (1, 0)), F.pad(confidence, (1, 0))  # row i - 1 speaks of token i
            confidence = confidence.masked_fill(~masked, -1)
            chosen = F.one_hot(confidence.argmax(dim=1), size).bool()
            if threshold is not None:
                chosen |= confidence > threshold
            passes += masked.any(dim=1) & ~done
            x = torch.where(chosen & masked, token, x)
        passes += ~done
        context.commit(x)
        out.append(x)
        used += size
        done |= stops(x, special).any(dim=1)
    return [cut(row, special) for row in torch.cat(out, dim=1).tolist()], passes.tolist()


@torch.no_grad()
def masked(model, prompts, limit: int = 64, block_size: int = 16, threshold: float | None = None,
           special: Special = Special(), **_):
    """LLaDA: prompt and `limit` masks, all seeing all; commits happen block by block from the left, the most confident
    token of a pass first."""
    ids, valid = padded(prompts)
    x = torch.cat((ids, torch.full((len(prompts), limit), special.mask)), dim=1)
    valid = torch.cat((valid, torch.ones(len(prompts), limit, dtype=torch.bool)), dim=1)
    positions = (valid.cumsum(1) - 1).clamp(min=0)
    mask = visible(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), valid)
    start, passes = ids.shape[1], torch.zeros(len(prompts), dtype=torch.long)
    for begin in range(start, start + limit, block_size):
        end = min(begin + block_size, start + limit)
        if stops(x[:, start:begin], special).any(dim=1).all() and begin > start:
            break  # what follows a stop token is cut off
        while (x[:, begin:end] == special.mask).any():
            is_open = x[:, begin:end] == special.mask
            token, confidence = choose(model.logits(model.hidden(x, positions, mask)[:, begin:end]).float(), special)
            confidence = confidence.masked_fill(~is_open, -1)
            chosen = F.one_hot(confidence.argmax(dim=1), end - begin).bool()
            if threshold is not None:
                chosen |= confidence > threshold
            passes += is_open.any(dim=1)
            x[:, begin:end] = torch.where(chosen & is_open, token, x[:, begin:end])
    return [cut([t for t in row if t != special.mask], special) for row in x[:, start:].tolist()], passes.tolist()


DECODERS = {"autoregressive": autoregressive, "blocks": blocks, "masked": masked}
