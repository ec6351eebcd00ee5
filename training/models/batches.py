"""Windows of whole documents; the batch of step s depends only on (seed, s)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer


@dataclass(frozen=True)
class Special:
    """Ids of the special tokens; the defaults are our tokenizer's."""
    end: int = 0
    turn: int = 2
    mask: int = 3

    @staticmethod
    def of(tokenizer: Tokenizer) -> "Special":
        return Special(*map(tokenizer.token_to_id, ("<|endoftext|>", "<|im_end|>", "<|mask|>")))


# Share of the tokens per source while training and in the final decay, which leans to what the model is to do.
MIXTURE = {
    "stable": {"lists": 0.28, "arithmetic": 0.12, "structured": 0.20, "functions": 0.07, "talk": 0.02, "tales": 0.19,
               "tinystories": 0.05, "books": 0.07},
    "decay": {"lists": 0.30, "arithmetic": 0.13, "structured": 0.21, "functions": 0.08, "talk": 0.02, "tales": 0.22,
              "tinystories": 0.04, "books": 0.0},
}


@dataclass
class Batch:
    """All [rows, length + 1]; `weights` of the tokens as targets (1 = full), `source` an index into the names,
    `document` numbers the documents of a row, `position` counts from each document's begin."""
    ids: torch.Tensor
    weights: torch.Tensor
    source: torch.Tensor
    document: torch.Tensor
    position: torch.Tensor


class Source:
    def __init__(self, path: Path):
        data = np.load(path)
        self.ids, self.weights, self.starts, self.bytes = data["ids"], data["weights"], data["starts"], int(data["bytes"])
        self.lengths = np.diff(self.starts)

    def document(self, r: np.random.Generator, length: int):
        """A document from its begin; of one longer than a window, half of the time a piece from anywhere."""
        i = int(r.integers(len(self.starts) - 1))
        start, end = int(self.starts[i]), int(self.starts[i + 1])
        if end - start > length and r.random() < 0.5:
            start += int(r.integers(end - start - length + 1))
        return self.ids[start:end].astype(np.int64), self.weights[start:end].astype(np.int64)


def sources(run: Path, split: str) -> dict:
    return {p.name.split("-")[1]: Source(p) for p in sorted(run.glob(f"tokens-*-{split}.npz")) if ".tmp" not in p.name}


def filled(r, ids, weights, end: int = Special.end):
    """Room for a fixed-length answer: a conversation's last answer is followed by end tokens up to a multiple of 16,
    and some sixteen more; they count a little, all but the first."""
    if weights[0] == 10:  # a text
        return ids, weights
    answer = int(np.argmax(weights[:-1][::-1] != 10))  # its length
    fill = -(answer + 1) % 16 + 16 * int(r.integers(3))
    return (np.concatenate((ids, np.full(fill, end))),
            np.concatenate((weights[:-1], [10], np.full(fill, 2))))


def batch(found: dict, phase: str, seed: int, step: int, rows: int, length: int, fill: bool = False,
          end: int = Special.end) -> Batch:
    names = sorted(found)
    size = length + 1
    # Documents to draw for a share of tokens: what does not fit into the rest of a window is cut off.
    share = np.array([MIXTURE[phase][n] / np.minimum(found[n].lengths, size * 0.6).mean() for n in names])
    share /= share.sum()
    out = [np.empty((rows, size), dtype=np.int64) for _ in range(5)]
    for row in range(rows):
        r = np.random.default_rng([seed, step, row])
        at, number = 0, 0
        while at < size:
            i = int(r.choice(len(names), p=share))
            ids, weights = found[names[i]].document(r, size)
            if fill:
                ids, weights = filled(r, ids, weights, end)
            n = min(len(ids), size - at)
            for target, value in zip(out, (ids[:n], weights[:n], i, number, np.arange(n))):
                target[row, at:at + n] = value
            at, number = at + n, number + 1
    ids, weights, source, document, position = map(torch.from_numpy, out)
    return Batch(ids, weights.float() / 10, source, document, position)
