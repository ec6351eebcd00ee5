"""Texts of others that may be used for training, read from a folder and never copied into the project.

    python -m training.data.texts --data ../shared/data/text

`DIR/tinystories-samples/tinystories.txt` and `DIR/children/children.tar.xz` (books of children's fiction, one file
each). Held out: 5 % of the TinyStories samples by the hash of the story, and every book whose file's SHA-256 begins
with 0.
"""

import argparse
import hashlib
import tarfile
from pathlib import Path

END = "<|endoftext|>"


def tiny_stories(folder: Path):
    train, held = [], []
    for story in (folder / "tinystories-samples" / "tinystories.txt").read_text(encoding="utf-8").split(END):
        story = story.strip()
        if story:
            (held if hashlib.sha256(story.encode()).digest()[0] < 13 else train).append(story)
    return train, held


def books(folder: Path):
    """Books as documents of whole paragraphs, about 3000 characters each."""
    train, held = [], []
    with tarfile.open(folder / "children" / "children.tar.xz") as archive:
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


SOURCES = {"tinystories": tiny_stories, "books": books}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    for name, read in SOURCES.items():
        train, held = read(options.data)
        print(f"{name}: {len(train)} documents, {sum(map(len, train))} characters; held out {len(held)}, {sum(map(len, held))}")
