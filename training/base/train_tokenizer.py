"""Trains the base model's byte-level BPE tokenizer on the prepared text.

    python training/base/train_tokenizer.py --run training/runs/base
"""

import argparse
import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|mask|>"]

# The split pattern of Qwen2: llama.cpp knows it as `pre = qwen2`, so the GGUF file needs no pattern of its own.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train(texts, vocabulary_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--vocabulary", type=int, default=2048)
    options = parser.parse_args()

    texts = json.loads((options.run / "tokenizer-texts.json").read_text())
    tokenizer = train(texts, options.vocabulary)
    if tokenizer.get_vocab_size() != options.vocabulary:
        raise SystemExit(f"the text gave {tokenizer.get_vocab_size()} entries, not {options.vocabulary}")
    tokenizer.save(str(options.run / "tokenizer.json"))
    size = sum(len(t.encode()) for t in texts)
    count = sum(len(e.ids) for e in tokenizer.encode_batch(texts))
    print(f"{options.vocabulary} entries, {size / count:.2f} bytes per token over {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
