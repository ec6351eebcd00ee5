"""Checks decoding and encoding of GGUF block types against ggml, and prints the tables of docs/verification.md.

    python training/verification/verify_blocks.py [--digests]

Compiles Sources/CBlockwiseKernels/block_*.c as they are into a shared library and calls it beside ggml's own functions.
With --digests it prints the numbers that the Swift tests hold (StoredBlockFormatTests, RowEncodingTests).

Needs clang, numpy and the package `llama-cpp-python` (made with 0.3.36), which brings libggml-base.
"""

import argparse
import ctypes
import pathlib
import subprocess
import tempfile

import llama_cpp
import numpy as np

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "Sources/CBlockwiseKernels"
DECODED = [3, 6, 7, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 29, 34, 35, 39, 40, 41, 42]
PLAIN = [2, 3, 6, 7, 8]
ENCODED = [*PLAIN, 12, 13, 14, 20]
MASK = (1 << 64) - 1

Convert = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)


class Traits(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("elements", ctypes.c_int64), ("interleaved", ctypes.c_int64),
        ("bytes", ctypes.c_size_t), ("is_quantized", ctypes.c_bool), ("to_float", Convert), ("from_float", Convert),
    ]


ggml = ctypes.CDLL(str(pathlib.Path(llama_cpp.__file__).parent / "lib/libggml-base.so"))
ggml.ggml_get_type_traits.restype = ctypes.POINTER(Traits)
ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3, ctypes.c_void_p]


def blockwise():
    library = pathlib.Path(tempfile.mkdtemp()) / "blocks.so"
    sources = [*sorted(SOURCES.glob("block_*.c")), SOURCES / "packing.c"]
    subprocess.run(
        ["clang", "-O2", "-shared", "-fPIC", f"-I{SOURCES}/include", "-o", library, *sources, "-lm"], check=True)
    result = ctypes.CDLL(str(library))
    result.bw_decode_blocks.argtypes = [ctypes.c_int32, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_void_p]
    result.bw_encode_row.argtypes = [ctypes.c_int32, ctypes.c_void_p, ctypes.c_ssize_t, *[ctypes.c_void_p] * 2]
    return result


class SplitMix:
    """The generator of the Swift tests."""

    def __init__(self, seed):
        self.state = (seed * 0x9E3779B97F4A7C15 + 0x12345678) & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        mixed = self.state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        return mixed ^ (mixed >> 31)

    def unit(self):
        return np.float32(self.next() >> 44) * np.float32(2**-20)


def digest(numbers):
    result = 0xCBF29CE484222325
    for number in numbers.tolist():
        result = ((result ^ number) * 0x100000001B3) & MASK
    text = f"{result:016X}"
    return "0x" + "_".join(text[i : i + 4] for i in range(0, 16, 4))


def traits(kind):
    return ggml.ggml_get_type_traits(kind).contents


def name(kind):
    return traits(kind).name.decode().upper()


def decode(kind, raw, shape):
    values = np.zeros(shape, np.float32)
    traits(kind).to_float(raw.ctypes.data, values.ctypes.data, values.size)
    return values


def pointer(array):
    return None if array is None else array.ctypes.data


def ggml_encode(kind, x, importance=None):
    out = np.zeros(x.size // traits(kind).elements * traits(kind).bytes, np.uint8)
    ggml.ggml_quantize_chunk(kind, x.ctypes.data, out.ctypes.data, 0, *x.shape, pointer(importance))
    return out


def own_encode(library, kind, x, importance=None):
    out = np.zeros((len(x), x.shape[1] // traits(kind).elements * traits(kind).bytes), np.uint8)
    for row, target in zip(x, out):
        assert library.bw_encode_row(kind, row.ctypes.data, row.size, pointer(importance), target.ctypes.data) == 0
    return out.reshape(-1)


def error(kind, raw, x, weights=1.0):
    return (weights * (x.astype(np.float64) - decode(kind, raw, x.shape)) ** 2).sum()


def samples():
    random = np.random.default_rng(3)
    shape = (64, 1024)
    yield "normal", random.standard_normal(shape) * 0.02
    yield "Student t, 4", random.standard_t(4, shape) * 0.02
    yield "uniform", random.uniform(-1, 1, shape)
    yield "positive", np.abs(random.standard_normal(shape))
    outliers = random.standard_normal(shape) * 0.02
    outliers[:, ::97] *= 20
    yield "outlier columns", outliers
    sparse = random.standard_normal(shape) * 0.02
    sparse[random.random(shape) < 0.7] = 0
    yield "70 % zeros", sparse


def check_decoding(library, count):
    random = np.random.default_rng(1)
    print(f"Decoding, {count} blocks of random bytes each: values that differ\n")
    differing = 0
    for kind in DECODED:
        raw = random.integers(0, 256, (count, traits(kind).bytes), dtype=np.uint8)
        expected = decode(kind, raw, (count, traits(kind).elements))
        found = np.zeros_like(expected)
        library.bw_decode_blocks(kind, raw.ctypes.data, found.size, found.ctypes.data)
        same = (found.view(np.uint32) == expected.view(np.uint32)) | (np.isnan(found) & np.isnan(expected))
        differing += (~same).sum()
        print(f"{name(kind)}: {(~same).sum()}")
    print(f"all: {differing}\n")


def check_encoding(library):
    print("| rows | " + " | ".join(name(kind) for kind in ENCODED) + " |")
    print("|---|" + "---|" * len(ENCODED))
    for label, values in samples():
        x = values.astype(np.float32)
        importance = (np.random.default_rng(5).gamma(0.5, 1, x.shape[1]) + 1e-3).astype(np.float32)
        cells = []
        for kind in ENCODED:
            own, reference = own_encode(library, kind, x), ggml_encode(kind, x)
            plain = error(kind, own, x) / error(kind, reference, x)
            weighed = error(kind, own_encode(library, kind, x, importance), x, importance)
            weighed /= error(kind, ggml_encode(kind, x, importance), x, importance)
            first = ("same bytes" if (own == reference).all() else "other bytes") if kind in PLAIN else f"{plain:.3f}"
            cells.append(f"{first}, {weighed:.3f}")
        print(f"| {label} | " + " | ".join(cells) + " |")


def print_digests(library):
    for kind in DECODED:
        random = SplitMix(kind)
        raw = np.array([random.next() >> 56 for _ in range(64 * traits(kind).bytes)], np.uint8)
        values = decode(kind, raw, 64 * traits(kind).elements)
        bits = values.view(np.uint32).copy()
        bits[np.isnan(values)] = 0x7FC00000
        print(f"{name(kind)}: {digest(bits)}")
    random, shape = SplitMix(7), (16, 512)
    units = [random.unit() + random.unit() + random.unit() + random.unit() for _ in range(shape[0] * shape[1])]
    x = ((np.array(units, np.float32) - np.float32(2)) * np.float32(1 / 16)).reshape(shape)
    x[3, 64:96] = 0
    x[5, :256] = np.abs(x[5, :256])
    x[6, 256:] += np.float32(0.5)
    x[9, 17] *= 8
    x[15, 256:] = 0
    importance = np.array([random.unit() + np.float32(2**-6) for _ in range(shape[1])], np.float32)
    for kind in ENCODED:
        raw, weighed = ggml_encode(kind, x), ggml_encode(kind, x, importance)
        print(f"{name(kind)}: {digest(raw)}, {error(kind, raw, x):.6e}, {error(kind, weighed, x, importance):.6e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digests", action="store_true", help="print the numbers of the Swift tests")
    parser.add_argument("--blocks", type=int, default=3000, help="random blocks per type")
    arguments = parser.parse_args()
    library = blockwise()
    if arguments.digests:
        print_digests(library)
    else:
        check_decoding(library, arguments.blocks)
        check_encoding(library)


if __name__ == "__main__":
    main()
