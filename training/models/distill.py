"""Token arrays whose answers a model has written itself: what several tokens a pass are learned from best.

A block of masks is filled with tokens that are drawn side by side, so that a text which could go on in many ways tears apart.
A model's own greedy answers go on in one way (sequence-level distillation, arXiv 1606.07947; for block decoding arXiv
2509.26488). Answers that the task's rule finds wrong are replaced by the generator's; Python is not run, and kept.

    python -m training.models.distill --model training/runs/base-diffusion-2 --tokens training/runs/base --out training/runs/own-answers
"""

import argparse
import random
import shutil
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from ..data import checks
from ..data.chat import END, END_TURN, render
from ..data.stories import tales
from .batches import Special
from .decode import autoregressive
from .evaluate import load
from .prepare import ANSWER_WEIGHT, GENERATORS, QUESTION_WEIGHT, SEED

COUNTS = {"lists": 6000, "arithmetic": 2500, "structured": 2500, "functions": 1200, "tales": 800}


def questions(name: str, split: str, count: int):
    """(prompt, the generator's answer, its rule or None)."""
    if name == "tales":
        for request, text in tales(SEED + 1, split, 3 * count):
            if request is not None:
                yield render([{"role": "user", "content": request}], [], generate=True), text, None
    else:
        for sample in GENERATORS[name].generate(SEED + 1, split, count):
            check = None if sample.check["kind"] == "python" else sample.check
            yield render(sample.messages(False), sample.tools, generate=True), sample.answer, check


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokens", type=Path, required=True, help="folder with tokenizer.json and the held-out token files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--limit", type=int, default=200, help="longest answer, tokens; longer ones are left out")
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    shutil.copy(options.tokens / "tokenizer.json", options.out / "tokenizer.json")
    tokenizer = Tokenizer.from_file(str(options.out / "tokenizer.json"))
    model, special, end = load(options.model), Special.of(tokenizer), tokenizer.token_to_id(END)
    for name, count in COUNTS.items():
        path = options.out / f"tokens-{name}-train.npz"
        held = options.tokens / f"tokens-{name}-held_out.npz"
        if held.exists():
            shutil.copy(held, options.out / held.name)
        if path.exists():
            continue
        found = list(questions(name, "train", max(8, round(count * options.scale))))[:max(8, round(count * options.scale))]
        prompts = [tokenizer.encode(p, add_special_tokens=False).ids for p, _, _ in found]
        order = sorted(range(len(found)), key=lambda i: len(prompts[i]))
        documents, own, late = [], 0, 0
        for first in range(0, len(order), options.batch):
            group = order[first:first + options.batch]
            rows, _ = autoregressive(model, [prompts[i] for i in group], limit=options.limit, special=special)
            for i, row in zip(group, rows):
                _, reference, check = found[i]
                if len(row) >= options.limit:
                    late += 1
                    continue
                text = tokenizer.decode(row, skip_special_tokens=False)
                if row and (check is None or checks.check(check, text)):
                    answer, own = row, own + 1
                else:
                    answer = tokenizer.encode(reference, add_special_tokens=False).ids
                documents.append((prompts[i], answer + tokenizer.encode(END_TURN, add_special_tokens=False).ids))
            print(f"\r{name}: {first + len(group)} of {len(order)}", end="", flush=True)
        random.Random(SEED).shuffle(documents)
        ids, weights, starts = [], [], []
        for prompt, answer in documents:
            starts.append(len(ids))
            ids += prompt + answer + [end]
            weights += [QUESTION_WEIGHT] * len(prompt) + [ANSWER_WEIGHT] * len(answer) + [QUESTION_WEIGHT]
        starts.append(len(ids))
        size = np.int64(sum(len(tokenizer.decode(p + a, skip_special_tokens=False).encode()) for p, a in documents))
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, ids=np.array(ids, dtype=np.uint16 if tokenizer.get_vocab_size() <= 1 << 16 else np.uint32),
                 weights=np.array(weights, dtype=np.uint8), starts=np.array(starts, dtype=np.int64), bytes=size)
        temporary.rename(path)
        print(f"\r{name}: {len(documents)} documents, {len(ids)} tokens, {own} answers of its own, {late} too long", flush=True)


if __name__ == "__main__":
    main()
