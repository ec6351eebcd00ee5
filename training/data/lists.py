"""List tasks after ParallelBench (arXiv 2510.04767), on items of one token each; full names as an extra.

    python -m training.data.lists --count 5 --seed 1 --split train

The tasks differ in how much an item of the answer depends on the others: copy, reverse, sort and everything at a given
index have one right answer; insert, remove, replace "anywhere" and shuffle have many, which is what makes decoding
several tokens at once go wrong.
"""

import json

from .samples import Sample, command, samples

LETTERS = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
WORDS = (
    "ant ape apple arm bag ball bat bear bed bee bell bird boat book boot bowl box bread brick bus cake camel car cat "
    "chair cheese chick clock cloud coat coin corn cow crab crow cup deer desk dog doll door drum duck ear egg eye fan farm "
    "fish flag fly fog fox frog gate goat gold grape grass hand hat hen hill horse house ice ink jam jar key king kite "
    "lake lamb lamp leaf lemon lion lock log map milk moon moss mouse nail nest net nose nut oak owl ox pan park path "
    "pear pen pie pig pin plum pond pot queen rain rat ring road rock rope rose salt sand seal seed shell sheep ship shoe "
    "sky snow soap sock soup spoon star stone sun swan tea tent toad toy train tree truck van vase wall wasp well whale "
    "wind wing wolf wood wool worm yard zebra").split()
FIRST = ("Ada Ben Cora Dan Elsa Fred Gina Hugo Iris Jack Kara Leo Mona Nils Olga Paul Rita Sven Tara Vera "
         "Alma Bruno Clara David Emil Frida Georg Hanna Ivan Julia").split()
LAST = ("Adams Baker Carter Dixon Evans Fisher Grant Hill Irwin Jones King Lopez Mason Nolan Owens Price Quinn Reed "
        "Smith Turner Usher Vance Ward Young Zimmer Brown Clark Drake Ellis Frost").split()

WORDINGS = {
    "copy": ["Copy the list: {list}", "Repeat this list: {list}", "Write the same list again: {list}"],
    "reverse": ["Reverse the list: {list}", "Write the list backwards: {list}", "Turn the order around: {list}"],
    "sort": ["Sort the list: {list}", "Put the list in alphabetical order: {list}", "Sort from A to Z: {list}"],
    "index": ["Which item is at index {index}? {list}", "Give the item at index {index} of the list: {list}",
              "Write only item number {index}, counting from 0: {list}"],
    "insert_index": ['Insert "{item}" at index {index}: {list}', 'Put "{item}" into the list at index {index}: {list}'],
    "insert_random": ['Insert "{item}" anywhere: {list}', 'Put "{item}" into the list at any place: {list}'],
    "remove_index": ["Remove the item at index {index}: {list}", "Delete index {index} from the list: {list}"],
    "remove_random": ["Remove any one item: {list}", "Delete one item of the list, no matter which: {list}"],
    "replace_index": ['Replace index {index} by "{item}": {list}', 'Put "{item}" in place of the item at index {index}: {list}'],
    "replace_random": ['Replace any one item by "{item}": {list}', 'Put "{item}" in place of one item, no matter which: {list}'],
    "shuffle": ["Shuffle the list: {list}", "Write the list in another order: {list}", "Mix up the list: {list}"],
}
PUZZLES = ("latin_square", "sudoku")
TASKS = (*WORDINGS, *PUZZLES)


def show(items: list) -> str:
    return json.dumps(items)


def pool(r, names: bool) -> list:
    if names:
        return [f"{first} {last}" for first in FIRST for last in LAST]
    return LETTERS if r.random() < 0.4 else WORDS


def make(r, task: str, length: int | None = None, names: bool = False) -> Sample:
    """One sample; `length` items in the given list (by default 2–8, of names 3–4)."""
    if task in PUZZLES:
        return latin_square(r) if task == "latin_square" else sudoku(r)
    n = length or (r.randint(3, 4) if names else r.choice((2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8)))
    *items, item = r.sample(pool(r, names), n + 1)
    index = r.randrange(n + 1 if task == "insert_index" else n)
    wording = r.choice(WORDINGS[task])
    question = wording.format(list=show(items), item=item, index=index)
    rule, facts = {"kind": "list", "rule": "equal"}, {}
    if task == "copy":
        out = items
    elif task == "reverse":
        out = items[::-1]
    elif task == "sort":
        out = sorted(items, key=lambda x: x.split()[::-1])  # names: by last name, then by first
    elif task == "index":
        out = [items[index]]
    elif task.startswith("insert"):
        at = index if task == "insert_index" else r.randrange(n + 1)
        out, facts = items[:at] + [item] + items[at:], {"rule": "insert_any", "input": items, "item": item}
    elif task.startswith("remove"):
        at = index if task == "remove_index" else r.randrange(n)
        out, facts = items[:at] + items[at + 1:], {"rule": "remove_any", "input": items}
    elif task.startswith("replace"):
        at = index if task == "replace_index" else r.randrange(n)
        out, facts = items[:at] + [item] + items[at + 1:], {"rule": "replace_any", "input": items, "item": item}
    else:
        out = items
        while out == items:
            out = r.sample(items, n)
        facts = {"rule": "shuffle", "input": items}
    rule |= facts if task.endswith("random") or task == "shuffle" else {"expected": out}
    answer = show(out)
    if task == "index":
        answer, rule = out[0], {"kind": "text", "expected": out[0]}
    # The key leaves the item and the index out: a list held out for a task is never seen in training for that task.
    return Sample(f"names/{task}" if names else f"list/{task}", f"{task} {show(items)}", question, answer, rule)


def latin_square(r) -> Sample:
    symbols = r.sample(LETTERS + list("0123456789"), 4)
    rows = [[symbols[(i + j) % 4] for j in range(4)] for i in range(4)]
    r.shuffle(rows)
    columns = list(zip(*rows))
    r.shuffle(columns)
    answer = "\n".join(",".join(row) for row in zip(*columns))
    question = r.choice(["Make a Latin square of {}.", "Write a 4 by 4 Latin square with the symbols {}."]).format(",".join(symbols))
    return Sample("puzzle/latin_square", f"latin {sorted(symbols)}", question, answer,
                  {"kind": "latin_square", "symbols": symbols})


def sudoku_solutions() -> list:
    out = []

    def fill(grid):
        if len(grid) == 16:
            out.append(grid)
            return
        row, column = divmod(len(grid), 4)
        taken = set(grid[row * 4:]) | set(grid[column::4]) | {
            grid[i * 4 + j] for i in range(row // 2 * 2, row) for j in range(column // 2 * 2, column // 2 * 2 + 2)}
        for digit in "1234":
            if digit not in taken:
                fill(grid + digit)
    fill("")
    return out


SOLUTIONS = sudoku_solutions()


def grid(cells: str) -> str:
    return "\n".join(cells[i:i + 4] for i in range(0, 16, 4))


def sudoku(r) -> Sample:
    """4 by 4, twelve cells given, one solution."""
    while True:
        solution = r.choice(SOLUTIONS)
        blank = set(r.sample(range(16), 4))
        given = "".join("0" if i in blank else c for i, c in enumerate(solution))
        if sum(all(g in ("0", s) for g, s in zip(given, other)) for other in SOLUTIONS) == 1:
            return Sample("puzzle/sudoku", f"sudoku {given}", f"Solve the sudoku (0 is empty):\n{grid(given)}", grid(solution),
                          {"kind": "text", "expected": grid(solution)})


# Share of the training samples; copy and the index tasks teach what the others are made of.
WEIGHTS = {"copy": 8, "reverse": 12, "sort": 10, "index": 12, "insert_index": 10, "insert_random": 6, "remove_index": 10,
           "remove_random": 6, "replace_index": 10, "replace_random": 6, "shuffle": 7, "latin_square": 3, "sudoku": 3}


def mixed(r) -> Sample:
    task = r.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
    return make(r, task, names=task not in PUZZLES and r.random() < 0.08)


def generate(seed: int, split: str, count: int):
    return samples("lists", mixed, seed, split, count)


if __name__ == "__main__":
    command(__doc__, generate)
