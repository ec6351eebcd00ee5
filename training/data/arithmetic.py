"""Arithmetic word problems with worked steps: every line of the answer is one equation, the last is `Answer: N`.

    python -m training.data.arithmetic --count 5 --seed 1 --split train
"""

from .samples import Sample, command, samples

GIRLS = "Lily Mia Anna Sara Lucy Emma Zoe Ella Ruby Nora Rose Grace".split()
BOYS = "Tom Ben Max Tim Sam Jack Leo Finn Noah Jake Luke Peter".split()
THINGS = ("apples pears plums eggs cookies shells stones coins marbles books pens cards stickers balls flowers nuts "
          "stamps buttons beads carrots").split()
BOXES = "boxes bags baskets jars rows packs drawers trays".split()


def person(r):
    girl = r.random() < 0.5
    return r.choice(GIRLS if girl else BOYS), ("She", "her") if girl else ("He", "him")


def change(r, total: int, subject: str, him: str, other: str):
    """One event: (sentence, equation, new total)."""
    kind = r.choice(("more", "less", "more", "less", "double"))
    if kind == "double" and total <= 40:
        return f"Then {subject.lower()} doubles them.", f"{total} * 2 = {2 * total}", 2 * total
    if kind == "less" and total > 2:
        n = r.randint(1, min(total - 1, 30))
        text = r.choice((f"{subject} gives {n} to {other}.", f"{subject} loses {n}.", f"{other} takes {n}.", f"{subject} sells {n}."))
        return text, f"{total} - {n} = {total - n}", total - n
    n = r.randint(1, 30)
    text = r.choice((f"{other} gives {him} {n} more.", f"{subject} finds {n} more.", f"{subject} buys {n} more."))
    return text, f"{total} + {n} = {total + n}", total + n


def story(r):
    name, (subject, him) = person(r)
    other = r.choice([n for n in GIRLS + BOYS if n != name])
    thing, total = r.choice(THINGS), r.randint(2, 40)
    texts, steps = [f"{name} has {total} {thing}."], []
    for _ in range(r.choice((1, 2, 2, 3))):
        text, step, total = change(r, total, subject, him, other)
        texts.append(text)
        steps.append(step)
    return texts, f"How many {thing} does {name} have now?", steps, total


def groups(r):
    name, (subject, him) = person(r)
    a, b, thing, box = r.randint(2, 9), r.randint(2, 9), r.choice(THINGS), r.choice(BOXES)
    texts, steps, total = [f"{name} has {a} {box} with {b} {thing} each."], [f"{a} * {b} = {a * b}"], a * b
    if r.random() < 0.5:
        text, step, total = change(r, total, subject, him, r.choice([n for n in GIRLS + BOYS if n != name]))
        texts.append(text)
        steps.append(step)
    return texts, f"How many {thing} does {name} have?", steps, total


def sharing(r):
    children, each, thing = r.randint(2, 9), r.randint(2, 9), r.choice(THINGS)
    name, _ = person(r)
    total = children * each
    if r.random() < 0.5:
        first = r.randint(1, total - 1)
        return ([f"{name} has {first} {thing} and gets {total - first} more.", f"Then {children} children share them."],
                f"How many {thing} does each child get?",
                [f"{first} + {total - first} = {total}", f"{total} / {children} = {each}"], each)
    return [f"{children} children share {total} {thing}."], f"How many {thing} does each child get?", [f"{total} / {children} = {each}"], each


def together(r):
    a, b = r.sample(GIRLS + BOYS, 2)
    thing, x, d = r.choice(THINGS), r.randint(3, 40), r.randint(1, 20)
    kind = r.randrange(3)
    if kind == 0:
        return [f"{a} has {x} {thing} and {b} has {d}."], f"How many {thing} do they have together?", [f"{x} + {d} = {x + d}"], x + d
    if kind == 1:
        y = x + d
        return ([f"{a} has {x} {thing}. {b} has {d} more than {a}."], f"How many {thing} do they have together?",
                [f"{x} + {d} = {y}", f"{x} + {y} = {x + y}"], x + y)
    x += d
    return ([f"{a} has {x} {thing}. {b} has {d} less than {a}."], f"How many {thing} does {b} have?", [f"{x} - {d} = {x - d}"], x - d)


def buying(r):
    name, _ = person(r)
    n, price, thing = r.randint(2, 9), r.randint(2, 9), r.choice(THINGS)
    cost = n * price
    if r.random() < 0.5:
        money = cost + r.randint(1, 30)
        return ([f"{name} has {money} dollars and buys {n} {thing} for {price} dollars each."], "How many dollars are left?",
                [f"{n} * {price} = {cost}", f"{money} - {cost} = {money - cost}"], money - cost)
    return [f"{name} buys {n} {thing} for {price} dollars each."], f"How many dollars does {name} pay?", [f"{n} * {price} = {cost}"], cost


def plain(r):
    op = r.choice("+-*")
    a, b = (r.randint(2, 9), r.randint(2, 9)) if op == "*" else (r.randint(1, 99), r.randint(1, 99))
    if op == "-" and a < b:
        a, b = b, a
    value = {"+": a + b, "-": a - b, "*": a * b}[op]
    return [], f"What is {a} {op} {b}?", [f"{a} {op} {b} = {value}"], value


def make(r, kind=None) -> Sample:
    """One problem of any kind (`plain` without a story)."""
    kind = kind or r.choices((story, groups, sharing, together, buying, plain), weights=(5, 3, 2, 3, 2, 3))[0]
    texts, asked, steps, value = kind(r)
    return Sample("arithmetic/plain" if kind is plain else "arithmetic/story",
                  f"{kind.__name__} {' '.join(steps)}", " ".join((*texts, asked)), "\n".join((*steps, f"Answer: {value}")),
                  {"kind": "number", "expected": value})


def words(r) -> Sample:
    return make(r, r.choices((story, groups, sharing, together, buying), weights=(5, 3, 2, 3, 2))[0])


def generate(seed: int, split: str, count: int):
    return samples("arithmetic", make, seed, split, count)


if __name__ == "__main__":
    command(__doc__, generate)
