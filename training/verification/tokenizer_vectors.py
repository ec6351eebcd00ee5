"""Writes tokenizers and what the reference libraries do with them, for the tests of BlockwiseText.

    python training/verification/tokenizer_vectors.py --out vectors --texts 2000
    BLOCKWISE_TOKENIZER_VECTORS=vectors swift test -c release --filter GeneratedVectorTests

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

    def pieces(self, name, files, cut, generator):
        """As `write`, for the text's pieces instead of ids."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (folder / file).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        vectors = []
        for sample in texts(generator, self.count // 4):
            try:
                vectors.append({"text": sample, "pieces": cut(sample)})
            except BaseException as error:
                if "Panic" not in type(error).__name__:
                    raise
        (folder / "vectors.json").write_text(json.dumps(vectors, ensure_ascii=False), encoding="utf-8")

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


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
FOLD = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORDS = r"|[^\r\n\p{L}\p{N}]?\p{L}+"
PUNCTUATION = r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
LOWER = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
UPPER = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
LLAMA3 = FOLD + WORDS + r"|\p{N}{1,3}" + PUNCTUATION + SPACES
QWEN2 = FOLD + WORDS + r"|\p{N}" + PUNCTUATION + SPACES
GPT4O = LOWER + FOLD + "?|" + UPPER + FOLD + r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES
HAN_HEAD, HAN_TAIL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
DEEPSEEK3 = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+", "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?"
             r"[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*" + SPACES]
# What llama.cpp's table of pre-tokenisers stands for.
GGUF_PRE = {
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"], "gpt-2": [GPT2], "llama-bpe": [LLAMA3], "dbrx": [LLAMA3],
    "qwen35": [FOLD + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + SPACES], "stablelm2": [QWEN2],
    "qwen2": [QWEN2], "smollm": [r"\p{N}", GPT2], "tekken": [LOWER + "|" + UPPER + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES],
    "gpt-4o": [GPT4O], "deepseek-v3": DEEPSEEK3, "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
    "kimi-k2": [r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?" + HAN_HEAD + "*" + HAN_TAIL + "+" + FOLD + r"?|[^\r\n\p{L}\p{N}]?" + HAN_HEAD + "+"
                + HAN_TAIL + "*" + FOLD + r"?|\p{N}{1,3}" + PUNCTUATION + SPACES],
    "jais-2": [FOLD + WORDS + r"|\p{N}{1,3}" + PUNCTUATION + r"|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}"
               r"(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}"],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+", r"\p{N}"],
    "deepseek-llm": [
        "[\r\n]", "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ\u1f5f-\u1f7dᾀ-ᾴᾶ-ᾼ"
        "\u1fbeῂ-ῄῆ-ῌ\u1fd0-\u1fd3\u1fd6-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻"
        "𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+", r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+".replace(r"\u3000", "\u3000"), r"\s+$", "[一-龥ࠀ-一가-\ud7ff]+", r"\p{N}+"],
    "bloom": [" ?[^(\\s|.,!?…。，、।۔،)]+"], "viking": [" ?[^(\\s|.,!?…。，、।۔،)]+", r"\p{N}"],
    "chameleon": ["<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]", GPT2],
    "tiny_aya": [r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O],
    "llada-moe": [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"],
    "seed-coder": [FOLD + WORDS + r"|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+" + SPACES],
    "exaone-moe": [FOLD + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"],
}
NFC = {"qwen2", "qwen35"}

# Constructs of the interpreter, each as one expression.
EXPRESSIONS = [
    r"\p{N}{1,3}+", r"\p{N}{2}?", r"\p{N}{,2}", r"a++b|\w", r"^\w|\w$", r".+", r"[a-c&&[^b]]+", r"[a[xy]é-ö]+", r"(?i)strasse|k|å", r"(?i:[a-f]+)x?",
    r"\x{41}|\x42|\u0043|[\x61-\x64]", r"\p{Han}+|\p{Hiragana}+|\p{Katakana}+|\p{Hangul}+", r"\p{^L}+", r"\P{L}+?\d", r"(?-i:a)+|(?i:B)+", r"a{2",
    r"x*", r"", r"[\w.-]+|[^a-]", r"[]a]+", r"[^]a]+", r"\bt\w*\b|\B\w\B", r"\A\w+|\w+\z", r"(?>a+)b|a", r"(a|b)*?c|l+?o", r"(?:ab?){2,3}|o", r"(?=(\d{3})+(?!\d))",
    r"(?=n)|(?!e)t", r"(\w*)*!", r"((a*)*)*b|a", r"(a|aa)+$", r"\s*[\r\n]|\s+(?!\S)|\s", r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"\p{Lu}\p{Ll}+|\p{Lt}|\p{Lm}+|\p{Lo}", r"\p{Mn}|\p{Mc}|\p{Me}", r"\p{Nd}+|\p{Nl}|\p{No}", r"\p{Pc}|\p{Pd}|\p{Ps}|\p{Pe}|\p{Pi}|\p{Pf}|\p{Po}+", r"\p{Sm}|\p{Sc}|\p{Sk}|\p{So}",
    r"\p{Zs}+|\p{Zl}|\p{Zp}", r"\p{Cc}|\p{Cf}|\p{Co}|\p{Cn}", r"\p{Letter}+|\p{Punctuation}|\p{Symbol}", r"\d+", r"\w+", r"\s+", r"\D+|\W+|\S+", r"\w+|[^\w\s]+", r"[^\S\r\n]+", r"[\p{L}\p{N}_]+",
    r" ?\p{L}{3}| {2,}|\t|\/|\.|\-", r"\n|\r|\f|\v|\e", r"t(?!h)|h(?=a)", r"(?:(?:(?:e)?r)?s)?", r"[^\x00-\x7F]+", r"[A-Z](?=[a-z])", r"\Z|\w",
]


def pre_tokenizers_alone(output, seed):
    """Texts -> pieces, before any vocabulary."""
    generator = random.Random(seed)

    def write(name, normalizer, pre, extra=None):
        tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": normalizer, "pre_tokenizer": pre,
                     "post_processor": None, "decoder": None, "model": {"type": "BPE", "vocab": {}, "merges": []}}
        reference = Tokenizer.from_str(json.dumps(tokenizer))

        def pieces(sample):
            normalized = reference.normalizer.normalize_str(sample) if normalizer else sample
            cut = reference.pre_tokenizer.pre_tokenize_str(normalized) if pre else [(normalized, None)]
            return [piece for piece, _ in cut if piece]

        output.pieces(name, extra or {"tokenizer.json": tokenizer}, pieces, generator)

    def split(expression, behavior="Isolated", invert=False):
        return {"type": "Split", "pattern": {"Regex": expression}, "behavior": behavior, "invert": invert}

    for index, expression in enumerate(EXPRESSIONS):
        write(f"pre-expression-{index:02}", None, split(expression))
    for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        for invert in [False, True]:
            for index, expression in enumerate([r"\s+", r"\p{L}", GPT2, r"x*"]):
                write(f"pre-{behavior}-{invert}-{index}".lower(), None, split(expression, behavior, invert))
        write(f"pre-punctuation-{behavior}".lower(), None, {"type": "Punctuation", "behavior": behavior})
    for kind in ["Whitespace", "WhitespaceSplit", "BertPreTokenizer"]:
        write(f"pre-{kind}".lower(), None, {"type": kind})
    write("pre-delimiter", None, {"type": "CharDelimiterSplit", "delimiter": "é"})
    for scheme in ["always", "first", "never"]:
        for cut in [False, True]:
            write(f"pre-metaspace-{scheme}-{cut}".lower(), None,
                  {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut})
    for individual in [False, True]:
        write(f"pre-digits-{individual}".lower(), None, {"type": "Digits", "individual_digits": individual})
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    write("pre-after-bytes", None, {"type": "Sequence", "pretokenizers": [
        {"type": "Punctuation", "behavior": "Contiguous"}, byte_level, {"type": "Digits", "individual_digits": False},
        split("[0-9][0-9][0-9]")]})
    for index, (expression, content) in enumerate([(r" {2,}", "▁"), (r"\s+", " "), (r"\p{Mn}", ""), (r"x*", "-"), (r"(?i)the\b", "<>")]):
        write(f"pre-normalizer-replace-{index}", {"type": "Replace", "pattern": {"Regex": expression}, "content": content}, None)
    for kind in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]:
        write(f"pre-normalizer-{kind}".lower(), {"type": kind}, None)
    for left in [False, True]:
        for right in [False, True]:
            write(f"pre-normalizer-strip-{left}-{right}".lower(), {"type": "Strip", "strip_left": left, "strip_right": right}, None)
    for name, expressions in GGUF_PRE.items():
        write(f"gguf-{name}", {"type": "NFC"} if name in NFC else None,
              {"type": "Sequence", "pretokenizers": [split(expression) for expression in expressions]}, {"pre.json": name})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    output = Output(arguments.out, arguments.texts)
    json_unigrams(output, arguments.seed)
    sentencepieces(output, arguments.seed + 1)
    pre_tokenizers_alone(output, arguments.seed + 2)
