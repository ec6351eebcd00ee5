"""Collects the training texts, splits off what is held out, and (second call) turns them into token arrays.

    python training/base/prepare.py texts  --run training/runs/base --data ../shared/data/text
    python training/base/train_tokenizer.py --run training/runs/base
    python training/base/prepare.py tokens --run training/runs/base

Without `--data` only our own story generator is used. Held out: every book whose file's SHA-256 begins with 0, and
5 % of the TinyStories samples (chosen by the hash of the story), and stories of another generator seed.
"""

import argparse
import hashlib
import json
import random
import sys
import tarfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "data"))
from stories import stories  # noqa: E402

SEED = 20261
HELD_OUT_SEED = 777
END = "<|endoftext|>"


def tiny_stories(path: Path):
    train, held = [], []
    for story in path.read_text(encoding="utf-8").split(END):
        story = story.strip()
        if story:
            digest = hashlib.sha256(story.encode()).digest()
            (held if digest[0] < 13 else train).append(story)  # 13 / 256 = 5.1 %
    return train, held


def books(path: Path):
    """Books as documents of whole paragraphs, about 3000 characters each."""
    train, held = [], []
    with tarfile.open(path) as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            if not member.isfile():
                continue
            raw = archive.extractfile(member).read()
            target = held if hashlib.sha256(raw).hexdigest().startswith("0") else train
            part = []
            for paragraph in raw.decode("utf-8").split("\n\n"):
                part.append(paragraph.strip())
                if sum(map(len, part)) > 3000:
                    target.append("\n\n".join(part))
                    part = []
            if part:
                target.append("\n\n".join(part))
    return train, held


def texts(options):
    sources = {"generated": (list(stories(SEED, options.stories)), list(stories(HELD_OUT_SEED, 200)))}
    if options.data:
        sources["tinystories"] = tiny_stories(options.data / "tinystories-samples" / "tinystories.txt")
        sources["books"] = books(options.data / "children" / "children.tar.xz")
    options.run.mkdir(parents=True, exist_ok=True)
    for name, (train, held) in sources.items():
        (options.run / f"text-{name}.json").write_text(json.dumps({"train": train, "held_out": held}))
        print(name, len(train), "documents,", sum(map(len, train)), "characters; held out", len(held), sum(map(len, held)))
    # The tokenizer should serve simple English first: little of the old books.
    r = random.Random(SEED)
    sample = sources["generated"][0][:3000]
    if options.data:
        sample = sample[:1000] + sources["tinystories"][0] + r.sample(sources["books"][0], 300)
    (options.run / "tokenizer-texts.json").write_text(json.dumps(sample))


def tokens(options):
    tokenizer = Tokenizer.from_file(str(options.run / "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    for path in sorted(options.run.glob("text-*.json")):
        name = path.stem.removeprefix("text-")
        for split, documents in json.loads(path.read_text()).items():
            ids, starts = [], []
            for first in range(0, len(documents), 1000):
                for encoding in tokenizer.encode_batch(documents[first:first + 1000], add_special_tokens=False):
                    starts.append(len(ids))
                    ids += encoding.ids
                    ids.append(end)
            byte_count = sum(len(d.encode()) for d in documents)
            np.savez(options.run / f"tokens-{name}-{split}.npz", ids=np.array(ids, dtype=np.uint16),
                     starts=np.array(starts, dtype=np.int64), bytes=np.int64(byte_count))
            print(f"{name} {split}: {len(documents)} documents, {len(ids)} tokens, {byte_count / len(ids):.2f} bytes per token")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("step", choices=["texts", "tokens"])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder with tinystories-samples/ and children/")
    parser.add_argument("--stories", type=int, default=60000, help="generated stories")
    options = parser.parse_args()
    {"texts": texts, "tokens": tokens}[options.step](options)


if __name__ == "__main__":
    main()
