"""Writes tokenizers and what the reference libraries do with them, for the tests of BlockwiseText.

    python training/verification/tokenizer_vectors.py --out /tmp/vectors --texts 2000
    BLOCKWISE_TOKENIZER_VECTORS=/tmp/vectors swift test -c release --filter GeneratedVectorTests

Each folder of the output holds one tokenizer as a model folder would (`tokenizer.json`, or `tokenizer.model` with its
companions) and `vectors.json`: texts, their ids, and the text those ids decode to where the library defines it.
Vocabularies are trained on generated text, so nothing is downloaded. Needs `tokenizers` 0.23.3 and `sentencepiece`
0.2.3. Deterministic up to the trainers' threads.
"""

import argparse
import base64
import io
import json
import pathlib
import random

import sentencepiece
import tokenizers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

SYLLABLES = "ba be bi ka ke lo la mo na ne or pa re ri sa se ta te ti to un ve wo za th str ing er ed ly é ß ö".split()
FOREIGN = "der die das und ist не как что это в на 中文 日本語 テスト 한국어 안녕 العربية مرحبا हिन्दी नमस्ते ไทย Ελληνικά".split()
ODD = [
    " ", "  ", "   ", "      ", "\t", "\n", "\n\n", "\r\n", "\r", "\u00a0", "\u3000", "\u2028", "\u200b", "\u200d", "\ufeff", "\u0301",
    "e\u0301", "ﬁ", "Ⅷ", "½", "²", "①", "㍿", "ｶﾞ", "Ａ", "ﾊﾟ", "\u1100\u1161", "가", "\u212b", "Å", "🙂", "👍🏽", "👨‍👩‍👧",
    "🇩🇪", "𝒜", "𐐀", "𠀀", "▁", "▁▁", " ▁", "<0x41>", "<unk>", "<s>", "</s>", "<pad>", "\x00", "\x01", "\x7f", "\u0085", "\u00ad", "_", "~", "～", "'",
    "’", "“", "”", "…", "...", "--", "/", "//", "\\", "{", "}", "(", ")", "[", "]", "0", "1", "12", "123", "1234567", "٣", "३", "!", "?!", ".", ",", "a", "A",
    "aaaaaaaa", "I'm", "don't", "we'LL", "HTTPServer", "camelCase", "x=1;", "\u0e33", "\u0e4d\u0e32", "ｶ\u3099", "\u0958", "한\u11a8", "ǆ", "Ǆ", "ſ",
    "İ", "ı", "\ufdfa", "\U0010ffff", "\ue000", "\ufffe", "\ufffd",
]


def word(generator):
    if generator.random() < 0.2:
        return generator.choice(FOREIGN)
    text = "".join(generator.choice(SYLLABLES) for _ in range(generator.randint(1, 4)))
    return generator.choice([text, text, text, text.capitalize(), text.upper()])


def text(generator):
    parts = []
    for _ in range(generator.randint(1, 14)):
        parts.append(word(generator) if generator.random() < 0.55 else generator.choice(ODD))
        if generator.random() < 0.5:
            parts.append(" ")
    if generator.random() < 0.05:
        parts.append(chr(generator.choice([generator.randrange(0x20, 0xD7FF), generator.randrange(0xE000, 0x30000)])) * 3)
    return "".join(parts)


def corpus(generator, lines):
    return [" ".join(word(generator) for _ in range(generator.randint(3, 12))) + generator.choice(".!?…") for _ in range(lines)]


def texts(generator, count):
    return ["", " ", "  ", "a", " a ", "▁"] + [text(generator) for _ in range(count)]


class Output:
    def __init__(self, root, count):
        self.root, self.count = pathlib.Path(root), count

    def write(self, name, files, encode, decode, generator):
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (folder / file).write_bytes(content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode())
        vectors = []
        for sample in texts(generator, self.count):
            try:
                ids = encode(sample)
            except BaseException:  # the reference cannot encode it, e.g. without an unknown token
                continue
            vector = {"text": sample, "ids": ids}
            if decode:
                vector["decoded"] = decode(ids)
            vectors.append(vector)
        (folder / "vectors.json").write_text(json.dumps(vectors, ensure_ascii=False), encoding="utf-8")
        print(f"{name}: {len(vectors)} texts", flush=True)

    def json(self, name, tokenizer, generator):
        reference = Tokenizer.from_str(json.dumps(tokenizer))
        self.write(
            name, {"tokenizer.json": tokenizer}, lambda sample: reference.encode(sample, add_special_tokens=False).ids,
            lambda ids: reference.decode(ids, skip_special_tokens=False), generator)


def charsmap(rule, **options):
    """The character rules that SentencePiece compiles for a named normalisation."""
    model = train_model(random.Random(1), model_type="bpe", vocab_size=400, normalization_rule_name=rule, **options)
    normalizer = next(value for field, _, value in fields(model) if field == 3)
    return next(value for field, _, value in fields(normalizer) if field == 2)


def train_model(generator, **options):
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus(generator, 3000)), model_writer=buffer, minloglevel=2, num_threads=1,
        hard_vocab_limit=False, **options)
    return buffer.getvalue()


def varint(data, place):
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def fields(message):
    """The fields of a Protocol Buffers message: number, wire type, value."""
    place = 0
    while place < len(message):
        tag, place = varint(message, place)
        if tag & 7 == 0:
            value, place = varint(message, place)
        else:
            size, place = varint(message, place) if tag & 7 == 2 else ({1: 8, 5: 4}[tag & 7], place)
            value, place = message[place:place + size], place + size
        yield tag >> 3, tag & 7, value


def write_varint(value):
    output = bytearray()
    while value >= 0x80:
        output.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(output) + bytes([value])


def message(items):
    output = b""
    for field, wire, value in items:
        output += write_varint(field << 3 | wire)
        output += write_varint(value) if wire == 0 else (write_varint(len(value)) if wire == 2 else b"") + value
    return output


def with_unused(generator, model):
    """The model with a quarter of its longer pieces made unused."""
    changed = []
    for field, wire, value in fields(model):
        if field == 1:
            piece = list(fields(value))
            is_normal = all(number != 3 or kind == 1 for number, _, kind in piece)
            if is_normal and len(piece[0][2].decode()) > 1 and generator.random() < 0.25:
                value = message([item for item in piece if item[0] != 3] + [(3, 0, 5)])
        changed.append((field, wire, value))
    return message(changed)


def unigram_vocabulary(generator, size):
    """A random vocabulary: scalars and pieces with random scores, many of them equal."""
    pieces = {"<unk>": 0.0}
    for sample in corpus(generator, 400):
        sample = "▁" + sample.replace(" ", "▁")
        for _ in range(8):
            start = generator.randrange(len(sample))
            piece = sample[start:start + generator.randint(1, 7)]
            pieces.setdefault(piece, -generator.choice([1.0, 2.0, 2.5, 4.0, generator.uniform(1, 12)]))
    items = list(pieces.items())
    return items[:1] + generator.sample(items[1:], min(size, len(items) - 1))


def unigram(vocabulary, unknown=0, fallback=False, normalizer=None, pre=None, decoder=None, added=()):
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added), "normalizer": normalizer,
        "pre_tokenizer": pre, "post_processor": None, "decoder": decoder,
        "model": {"type": "Unigram", "unk_id": unknown, "vocab": [list(item) for item in vocabulary], "byte_fallback": fallback},
    }


def metaspace(scheme="always"):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": True}


def json_unigrams(output, seed):
    generator = random.Random(seed)
    byte_pieces = [("<0x%02X>" % byte, 0.0) for byte in range(256)]
    special = [{"id": 0, "content": "<unk>", "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}]
    rules = base64.b64encode(charsmap("nmt_nfkc")).decode()
    precompiled = {"type": "Precompiled", "precompiled_charsmap": rules}
    spaces = {"type": "Replace", "pattern": {"String": "   "}, "content": " "}
    for index in range(4):
        vocabulary = unigram_vocabulary(generator, 1500)
        output.json(f"unigram-random-{index}", unigram(vocabulary, pre=metaspace(), decoder=metaspace()), generator)
    vocabulary = unigram_vocabulary(generator, 900)
    output.json("unigram-bytes", unigram(
        vocabulary[:1] + byte_pieces + vocabulary[1:], fallback=True, pre=metaspace("first"),
        decoder={"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                                                  {"type": "ByteFallback"}, {"type": "Fuse"}]}, added=special), generator)
    output.json("unigram-some-bytes", unigram(
        vocabulary[:1] + byte_pieces[:200] + vocabulary[1:], fallback=True, pre=metaspace("never"), decoder=metaspace("never")), generator)
    output.json("unigram-unknown-inside", unigram(
        [("qqz", -1.0), ("<unk>", -2.0), ("é", 3.0), ("éß", -30.0), ("zq", -4.0)]
        + [item for item in vocabulary[1:] if item[0] not in ("é", "éß", "<unk>")], unknown=1), generator)
    output.json("unigram-no-unknown", unigram(vocabulary[1:], unknown=None, pre=metaspace()), generator)
    output.json("unigram-precompiled", unigram(
        vocabulary, normalizer={"type": "Sequence", "normalizers": [precompiled, spaces]}, pre=metaspace(), decoder=metaspace(),
        added=special), generator)
    trained = Tokenizer(models.Unigram())
    trained.normalizer = normalizers.NFKC()
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator(corpus(generator, 4000), trainers.UnigramTrainer(
        vocab_size=2000, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False))
    output.json("unigram-trained", json.loads(trained.to_str()), generator)


def sentencepieces(output, seed):
    generator = random.Random(seed)
    cases = {
        "unigram": dict(model_type="unigram", vocab_size=1500),
        "unigram-bytes": dict(model_type="unigram", vocab_size=1500, byte_fallback=True, character_coverage=0.98),
        "unigram-identity": dict(model_type="unigram", vocab_size=1200, normalization_rule_name="identity", add_dummy_prefix=False,
                                 remove_extra_whitespaces=False),
        "unigram-nfkc-cf": dict(model_type="unigram", vocab_size=1200, normalization_rule_name="nmt_nfkc_cf"),
        "unigram-user": dict(model_type="unigram", vocab_size=1200, user_defined_symbols="<user>,ab,\n,中文,12",
                             control_symbols="<ctrl>,<x>"),
        "unigram-user-spaces": dict(model_type="unigram", vocab_size=1200, user_defined_symbols="<user>,▁▁,ab,▁▁▁▁",
                                    remove_extra_whitespaces=False, byte_fallback=True),
        "bpe": dict(model_type="bpe", vocab_size=1500),
        "bpe-bytes": dict(model_type="bpe", vocab_size=1500, byte_fallback=True, normalization_rule_name="identity",
                          remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True),
        "bpe-no-prefix": dict(model_type="bpe", vocab_size=1500, byte_fallback=True, add_dummy_prefix=False,
                              remove_extra_whitespaces=False),
        "bpe-user": dict(model_type="bpe", vocab_size=1500, user_defined_symbols="<user>,▁▁,▁▁▁,ab,\n,中文,12,<user>x",
                         normalization_rule_name="nfkc", byte_fallback=True, remove_extra_whitespaces=False),
        "bpe-user-unknown": dict(model_type="bpe", vocab_size=900, user_defined_symbols="aa,ba,▁the", character_coverage=0.98),
        "bpe-across-spaces": dict(model_type="bpe", vocab_size=1500, split_by_whitespace=False),
    }
    for name, options in cases.items():
        model = train_model(generator, **options)
        reference = sentencepiece.SentencePieceProcessor(model_proto=model)
        output.write(f"spm-{name}", {"tokenizer.model": model, "tokenizer_config.json": {"add_bos_token": False, "add_eos_token": False}},
                     lambda sample: reference.encode(sample), lambda ids: reference.decode(ids), generator)
        if "bpe" in name or name == "unigram":
            changed = with_unused(generator, model)
            unused = sentencepiece.SentencePieceProcessor(model_proto=changed)
            output.write(f"spm-{name}-unused", {"tokenizer.model": changed, "tokenizer_config.json": {
                "add_bos_token": False, "add_eos_token": False}}, lambda sample: unused.encode(sample), None, generator)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    output = Output(arguments.out, arguments.texts)
    json_unigrams(output, arguments.seed)
    sentencepieces(output, arguments.seed + 1)
