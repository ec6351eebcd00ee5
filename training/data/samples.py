"""What every generator here makes, and how training and held-out samples are kept apart.

A sample is a conversation that ends with the assistant's answer, plus a rule that judges any other answer. Its `key`
names what is asked, apart from the wording. Whether a sample is held out is decided by a hash of the key alone: no
seed, count or order can ever put the same question into both splits.
"""

import argparse
import hashlib
import json
import random
from dataclasses import dataclass, field

SPLITS = ("train", "held_out")
HELD_OUT_SHARE = 8  # of 256


@dataclass
class Sample:
    task: str
    key: str
    question: str
    answer: str
    check: dict
    tools: list = field(default_factory=list)
    system: str | None = None

    def messages(self, answered: bool = True) -> list:
        out = [{"role": "system", "content": self.system}] if self.system else []
        out.append({"role": "user", "content": self.question})
        return out + [{"role": "assistant", "content": self.answer}] if answered else out

    def record(self, number: int) -> dict:
        """The line of a held-out file."""
        out = {"id": f"{self.task}/{number}", "task": self.task, "messages": self.messages(False)}
        if self.tools:
            out["tools"] = self.tools
        return out | {"answer": self.answer, "check": self.check}


def is_held_out(key: str) -> bool:
    return hashlib.sha256(key.encode()).digest()[0] < HELD_OUT_SHARE


def samples(name: str, make, seed: int, split: str, count: int):
    """`count` samples of `make(random source)`; the i-th depends only on (name, seed, split, i)."""
    for i in range(count):
        r = random.Random(f"{name}/{seed}/{split}/{i}")
        for _ in range(100_000):
            sample = make(r)
            if is_held_out(sample.key) == (split == "held_out"):
                break
        else:
            raise ValueError(f"{name}: no {split} sample found")
        yield sample


def distinct(name: str, make, seed: int, split: str, count: int) -> list:
    """As `samples`, without two samples of the same key; fewer when the task has no more."""
    found = {}
    for sample in samples(name, make, seed, split, 40 * count):
        found.setdefault(sample.key, sample)
        if len(found) == count:
            break
    return list(found.values())


def command(description: str, generate):
    """The command line that all generators share: prints samples as JSON lines."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=SPLITS, default="train")
    options = parser.parse_args()
    for i, sample in enumerate(generate(options.seed, options.split, options.count)):
        print(json.dumps(sample.record(i), ensure_ascii=False))
