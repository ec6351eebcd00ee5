"""Small Python functions from a signature and a docstring, with unit tests that the reference answer passes.

    python -m training.data.functions --count 5 --seed 1 --split train
"""

from .samples import Sample, command, samples

# Pipelines over a list of numbers: which items, what of each, and what becomes of them. (words, expression)
FILTERS = [("the numbers", None), ("the even numbers", "{x} % 2 == 0"), ("the odd numbers", "{x} % 2 == 1"),
           ("the positive numbers", "{x} > 0"), ("the negative numbers", "{x} < 0"), ("the numbers above {n}", "{x} > {n}"),
           ("the numbers below {n}", "{x} < {n}"), ("the numbers divisible by {n}", "{x} % {n} == 0")]
MAPS = [("", "{x}"), ("the squares of ", "{x} * {x}"), ("the doubles of ", "2 * {x}"), ("the halves of ", "{x} // 2"),
        ("the absolute values of ", "abs({x})"), ("the opposites of ", "-{x}")]
TOTALS = [("the sum of ", "sum({g})", True), ("the list of ", "[{g}]", False), ("the sorted list of ", "sorted({g})", True),
          ("the set of ", "set({g})", True), ("the number of ", "len([{g}])", False)]
LISTS = "items values numbers xs data nums".split()
ITEMS = "x v n i".split()

# Others: (name, parameters, docstring, body, arguments of the tests); {n}, {m} are drawn, {w} is a word.
SIMPLE = [
    ("add_{n}", "x", "Return x plus {n}.", "return x + {n}", [(0,), (5,), (-3,)]),
    ("minus_{n}", "x", "Return x minus {n}.", "return x - {n}", [(0,), (5,), (30,)]),
    ("times_{n}", "x", "Return x times {n}.", "return x * {n}", [(0,), (4,), (-2,)]),
    ("is_above_{n}", "x", "Tell whether x is greater than {n}.", "return x > {n}", [(0,), (50,), (7,)]),
    ("is_multiple_of_{n}", "x", "Tell whether x is divisible by {n}.", "return x % {n} == 0", [(0,), (6,), (35,), (7,)]),
    ("at_least_{n}", "x", "Return x, or {n} if x is smaller.", "return max(x, {n})", [(0,), (100,), (5,)]),
    ("at_most_{n}", "x", "Return x, or {n} if x is greater.", "return min(x, {n})", [(0,), (100,), (5,)]),
    ("first_{n}", "items", "Return the first {n} items.", "return items[:{n}]", [([1, 2, 3, 4, 5, 6],), ([],)]),
    ("last_{n}", "items", "Return the last {n} items.", "return items[-{n}:]", [([1, 2, 3, 4, 5, 6],), ([9],)]),
    ("without_first_{n}", "items", "Return the items without the first {n}.", "return items[{n}:]", [([1, 2, 3, 4, 5, 6],), ([],)]),
    ("every_{n}th", "items", "Return every item whose index is divisible by {n}.", "return items[::{n}]", [([1, 2, 3, 4, 5, 6, 7],), ([],)]),
    ("repeat_{n}", "text", "Return the text repeated {n} times.", "return text * {n}", [("ab",), ("",)]),
    ("has_{n}_items", "items", "Tell whether there are {n} items.", "return len(items) == {n}", [([1, 2, 3],), ([],)]),
    ("starts_with_{w}", "text", "Tell whether the text starts with {w}.", 'return text.startswith("{w}")', [("cat",), ("dog",), ("{w}s",)]),
    ("ends_with_{w}", "text", "Tell whether the text ends with {w}.", 'return text.endswith("{w}")', [("cat",), ("dog",), ("a {w}",)]),
    ("count_{w}", "words", "Count how often {w} is in words.", 'return words.count("{w}")', [(["{w}", "a", "{w}"],), ([],)]),
    ("has_{w}", "words", "Tell whether {w} is in words.", 'return "{w}" in words', [(["{w}", "a"],), (["b"],)]),
    ("without_{w}", "words", "Return the words that are not {w}.", 'return [w for w in words if w != "{w}"]', [(["{w}", "a"],), (["b"],)]),
    ("join_with_{w}", "words", "Join the words with {w} between them.", 'return "{w}".join(words)', [(["a", "b"],), ([],)]),
    ("greet_{w}", "name", "Return {w}, a comma, and the name.", 'return "{w}, " + name', [("Tom",), ("Lily",)]),
    ("power_{n}", "x", "Return x to the power of {n}.", "return x ** {n}", [(2,), (3,), (0,)]),
    ("sum_to_{n}", "", "Return the sum of the numbers from 1 to {n}.", "return sum(range(1, {n} + 1))", [()]),
    ("longer_than_{n}", "words", "Return the words longer than {n} letters.", "return [w for w in words if len(w) > {n}]",
     [(["a", "tree", "elephant"],), ([],)]),
    ("clip", "x", "Return x, but not below {n} and not above {m}.", "return max({n}, min({m}, x))", [(0,), (100,), (12,)]),
    ("between", "x", "Tell whether x is from {n} to {m}.", "return {n} <= x <= {m}", [(0,), (100,), (12,)]),
    ("numbers", "", "Return the list of the numbers from {n} to {m}.", "return list(range({n}, {m} + 1))", [()]),
    ("swap_{n}", "x", "Return {n} if x is {m}, else x.", "return {n} if x == {m} else x", [(0,), (20,), (12,)]),
    ("sign_{n}", "x", "Return {n} if x is negative, else {m}.", "return {n} if x < 0 else {m}", [(-1,), (0,), (5,)]),
    ("largest", "items", "Return the largest item.", "return max(items)", [([3, 8, 1],), ([5],)]),
    ("smallest", "items", "Return the smallest item.", "return min(items)", [([3, 8, 1],), ([5],)]),
    ("backwards", "items", "Return the items in reverse order.", "return items[::-1]", [([1, 2, 3],), ("abc",)]),
    ("shout", "text", "Return the text in capital letters and with a !.", 'return text.upper() + "!"', [("hi",), ("",)]),
    ("is_palindrome", "text", "Tell whether the text reads the same backwards.", "return text == text[::-1]", [("anna",), ("ab",)]),
    ("factorial", "n", "Return the product of the numbers from 1 to n.",
     "result = 1\n    for i in range(1, n + 1):\n        result *= i\n    return result", [(0,), (3,), (5,)]),
    ("average", "items", "Return the sum of the items divided by their number.", "return sum(items) / len(items)", [([1, 2, 3],), ([4],)]),
]
WORDS = "cat dog sun tea red blue key tree hi hello bye yes no up".split()
NUMBERS = [[], [1, 2, 3, 4, 5, 6], [-4, -3, 0, 3, 8, 12, 15], [10, -7, 7, 21, 20]]


def expected(code: str, name: str, arguments: tuple):
    scope = {}
    exec(code, scope)  # our own text, not a model's
    return scope[name](*arguments)


def build(task, key, name, parameters, doc, body, cases) -> Sample:
    head = f'def {name}({parameters}):\n    """{doc}"""\n'
    code = f"{head}    {body}"
    tests = [f"assert {name}({', '.join(map(repr, case))}) == {expected(code, name, case)!r}" for case in cases]
    return Sample(task, key, f"Write this Python function:\n{head.rstrip()}", code, {"kind": "python", "tests": tests})


def pipeline(r) -> Sample:
    which, condition = r.choice(FILTERS)
    of_each, expression = r.choice(MAPS)
    total, form, bare = r.choice(TOTALS)
    n, xs, x = r.randint(2, 12), r.choice(LISTS), r.choice(ITEMS)
    core = expression.format(x=x) + f" for {x} in {xs}" + (f" if {condition.format(x=x, n=n)}" if condition else "")
    doc = f"Return {total}{of_each}{which.format(n=n)}."
    name = r.choice(["f", "solve", "compute", "collect", "process"])
    body = "return " + form.format(g=core)
    return build("python/list", f"pipeline {doc}", name, xs, doc, body, [(v,) for v in NUMBERS])


def simple(r) -> Sample:
    name, parameters, doc, body, cases = r.choice(SIMPLE)
    n = r.randint(2, 12) if r.random() < 0.8 else r.randint(13, 40)
    values = {"n": n, "m": n + r.randint(1, 9), "w": r.choice(WORDS)}
    if name == "power_{n}":
        values["n"] = r.randint(2, 5)

    def put(text):
        return text.format(**values)

    cases = [tuple(put(v) if isinstance(v, str) else [put(w) if isinstance(w, str) else w for w in v] if isinstance(v, list) else v
                   for v in case) for case in cases]
    plain = "{" not in name and "{" not in doc  # nothing to draw: vary the name instead
    name = put(name) if not plain else r.choice([name, f"get_{name}", f"my_{name}", f"find_{name}"])
    return build("python/simple", f"simple {name} {put(doc)}", name, parameters, put(doc), put(body), cases)


def make(r) -> Sample:
    return simple(r) if r.random() < 0.55 else pipeline(r)


def generate(seed: int, split: str, count: int):
    return samples("functions", make, seed, split, count)


if __name__ == "__main__":
    command(__doc__, generate)
