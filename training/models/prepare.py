"""Makes the training material: texts for the tokenizer, then token arrays of every source.

    python -m training.models.prepare texts  --run training/runs/base --data ../shared/data/text
    python -m training.models.tokenizer      --run training/runs/base
    python -m training.models.prepare tokens --run training/runs/base --data ../shared/data/text

Without `--data` everything comes from our own generators. A document is a story, a piece of a book or a conversation;
in a conversation the answers weigh ten times as much as what is asked, which for most tasks is drawn at random.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from ..data import arithmetic, functions, lists, structured, talk, texts
from ..data.chat import END, END_TURN, render
from ..data.stories import tales

SEED = 20261
# Documents per generator: together about one pass of the training.
COUNTS = {"lists": 130_000, "arithmetic": 60_000, "structured": 45_000, "functions": 30_000, "talk": 12_000, "tales": 40_000}
GENERATORS = {"lists": lists, "arithmetic": arithmetic, "structured": structured, "functions": functions, "talk": talk}
HELD_OUT = 200
TEXT_WEIGHT, ANSWER_WEIGHT, QUESTION_WEIGHT = 10, 10, 1
SHORT = 220  # tokens: longer conversations are not prolonged by another turn


def documents(name: str, split: str, count: int, data: Path | None):
    """Documents as lists of (text, weight)."""
    if name in texts.SOURCES:
        train, held = texts.SOURCES[name](data)
        for text in train if split == "train" else held[:HELD_OUT]:
            yield [(text, TEXT_WEIGHT)]
    elif name == "tales":
        for request, text in tales(SEED, split, count):
            yield [(text, TEXT_WEIGHT)] if request is None else [*question([{"role": "user", "content": request}]), (text + END_TURN, ANSWER_WEIGHT)]
    else:
        r, parts = random.Random(f"turns/{name}/{SEED}/{split}"), []
        for sample in GENERATORS[name].generate(SEED, split, count):
            new = [*question(sample.messages(False), sample.tools), (sample.answer + END_TURN, ANSWER_WEIGHT)]
            # Now and then a conversation has a second turn; tools and system texts only begin one.
            if parts and (r.random() > 0.15 or sample.tools or sample.system or len(parts) > 2 or sum(len(t) for t, _ in parts + new) > 3 * SHORT):
                yield parts
                parts = []
            parts += ([("\n", QUESTION_WEIGHT)] if parts else []) + new
        if parts:
            yield parts


def question(messages, tools=()):
    return [(render(messages, tools, generate=True), QUESTION_WEIGHT)]


def sources(data: Path | None) -> list:
    return [*GENERATORS, "tales", *(texts.SOURCES if data else [])]


def tokenizer_texts(options):
    """What the tokenizer learns from: the simple English first, little of the old books, and every item of the lists."""
    r, out = random.Random(SEED), []
    small = {"lists": 3000, "arithmetic": 1500, "structured": 1500, "functions": 2000, "talk": 800, "tales": 3500}
    for name in sources(options.data):
        found = ["".join(t for t, _ in d) for d in documents(name, "train", small.get(name, 0), options.data)]
        out += r.sample(found, min(len(found), 300)) if name == "books" else found
    items = lists.WORDS * 60
    r.shuffle(items)
    out.append(json.dumps(items))
    options.run.mkdir(parents=True, exist_ok=True)
    (options.run / "tokenizer-texts.json").write_text(json.dumps(out))
    print(f"{sum(map(len, out)) / 1e6:.1f} M characters for the tokenizer")


def tokens(options):
    tokenizer = Tokenizer.from_file(str(options.run / "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    for name in sources(options.data):
        for split in ("train", "held_out"):
            count = max(200, round(COUNTS.get(name, 0) * options.scale)) if split == "train" else HELD_OUT
            ids, weights, starts, byte_count = [], [], [], 0

            def flush(group):
                encoded = iter(tokenizer.encode_batch_fast([t for d in group for t, _ in d], add_special_tokens=False))
                for d in group:
                    starts.append(len(ids))
                    for _, weight in d:
                        new = next(encoded).ids
                        ids.extend(new)
                        weights.extend([weight] * len(new))
                    ids.append(end)
                    weights.append(weights[-1] if len(d) == 1 else QUESTION_WEIGHT)

            group = []
            for d in documents(name, split, count, options.data):
                byte_count += sum(len(t.encode()) for t, _ in d)
                group.append(d)
                if len(group) == 1000:
                    flush(group)
                    group = []
            flush(group)
            starts.append(len(ids))
            path = options.run / f"tokens-{name}-{split}.npz"
            np.savez(path.with_suffix(".tmp.npz"), ids=np.array(ids, dtype=np.uint16 if tokenizer.get_vocab_size() <= 1 << 16 else np.uint32), weights=np.array(weights, dtype=np.uint8),
                     starts=np.array(starts, dtype=np.int64), bytes=np.int64(byte_count))
            path.with_suffix(".tmp.npz").rename(path)
            print(f"{name} {split}: {len(starts) - 1} documents, {len(ids)} tokens, {byte_count / len(ids):.2f} bytes per token, "
                  f"weight {sum(weights) / len(ids) / 10:.2f}", flush=True)
    (options.run / "tokens-complete").write_text(f"{options.scale}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("step", choices=["texts", "tokens"])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder with tinystories-samples/ and children/")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of generated documents")
    options = parser.parse_args()
    {"texts": tokenizer_texts, "tokens": tokens}[options.step](options)


if __name__ == "__main__":
    main()
