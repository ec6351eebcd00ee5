"""Small talk and small knowledge: greetings, opposites, colors, animals, days, counting; for the chat format itself.

    python -m training.data.talk --count 5 --seed 1 --split train
"""

from .samples import Sample, command, samples

OPPOSITES = dict(p.split("-") for p in ("big-small hot-cold up-down day-night wet-dry fast-slow old-new happy-sad hard-soft long-short "
                                       "open-closed full-empty light-dark clean-dirty high-low loud-quiet near-far early-late "
                                       "black-white good-bad rich-poor strong-weak left-right sweet-sour").split())
SOUNDS = {"dog": "barks", "cat": "meows", "cow": "moos", "duck": "quacks", "lion": "roars", "sheep": "bleats", "owl": "hoots", "pig": "oinks",
          "horse": "neighs", "frog": "croaks", "mouse": "squeaks", "wolf": "howls", "bee": "buzzes", "snake": "hisses"}
COLORS = {"grass": "green", "snow": "white", "the sky": "blue", "a lemon": "yellow", "blood": "red", "coal": "black", "an orange": "orange",
          "a carrot": "orange", "a strawberry": "red", "milk": "white", "a frog": "green", "the night": "black", "chocolate": "brown"}
HOMES = {"bird": "in a nest", "bee": "in a hive", "dog": "in a kennel", "horse": "in a stable", "fish": "in the water", "spider": "in a web",
         "fox": "in a den", "rabbit": "in a burrow", "owl": "in a tree", "bear": "in a cave"}
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
LEGS = {"dog": 4, "bird": 2, "spider": 8, "ant": 6, "cat": 4, "bee": 6, "horse": 4, "duck": 2, "fly": 6, "cow": 4, "snake": 0}
FREE = [
    (("Hello!", "Hi!", "Hello there.", "Good morning!", "Hey!"), ("Hello! How can I help you?", "Hi! What can I do for you?")),
    (("Who are you?", "What are you?", "What is your name?"),
     ("I am a very small language model that runs in Blockwise.", "I am a very small language model. I know little, but I can tell stories.")),
    (("What can you do?", "How can you help me?", "Help me."),
     ("I can tell short stories, work with lists, solve easy sums, write JSON and small Python functions.",)),
    (("Thank you!", "Thanks.", "Thank you very much."), ("You are welcome!", "I am glad I could help.")),
    (("Goodbye!", "Bye.", "Good night!", "See you!"), ("Goodbye!", "See you soon!")),
    (("How are you?", "How do you do?"), ("I am fine, thank you. And you?",)),
]


def a(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def make(r) -> Sample:
    kind = r.randrange(9)
    if kind == 0:
        asked, answers = r.choice(FREE)
        question = r.choice(asked)
        return Sample("talk/free", "train-only", question, r.choice(answers), {"kind": "one_of", "expected": list(answers)})
    if kind == 1:
        x, y = r.choice([*OPPOSITES.items(), *((v, k) for k, v in OPPOSITES.items())])
        q, out = r.choice([f"What is the opposite of {x}?", f"Give the opposite of {x}."]), f"The opposite of {x} is {y}."
    elif kind == 2:
        x = r.choice(list(SOUNDS))
        q, out = r.choice([f"What sound does a {x} make?" if x != "owl" else "What sound does an owl make?", f"What does {a(x)} do when it is loud?"]), f"{a(x).capitalize()} {SOUNDS[x]}."
    elif kind == 3:
        x = r.choice(list(COLORS))
        q, out = r.choice([f"What color is {x}?", f"Tell me the color of {x}."]), f"{x.capitalize()} is {COLORS[x]}."
    elif kind == 4:
        x = r.choice(list(HOMES))
        q, out = r.choice([f"Where does {a(x)} live?", f"Where is the home of {a(x)}?"]), f"{a(x).capitalize()} lives {HOMES[x]}."
    elif kind == 5:
        i = r.randrange(7)
        q, out = r.choice([(f"Which day comes after {DAYS[i]}?", f"{DAYS[(i + 1) % 7]} comes after {DAYS[i]}."),
                           (f"Which day comes before {DAYS[i]}?", f"{DAYS[(i - 1) % 7]} comes before {DAYS[i]}.")])
    elif kind == 6:
        i = r.randrange(12)
        q, out = r.choice([(f"Which month comes after {MONTHS[i]}?", f"{MONTHS[(i + 1) % 12]} comes after {MONTHS[i]}."),
                           (f"Which month comes before {MONTHS[i]}?", f"{MONTHS[i - 1]} comes before {MONTHS[i]}.")])
    elif kind == 7:
        x = r.choice(list(LEGS))
        q, out = f"How many legs does {a(x)} have?", f"{a(x).capitalize()} has {LEGS[x] or 'no'} legs."
    else:
        low = r.randint(0, 40)
        high = low + r.randint(2, 9)
        q, out = f"Count from {low} to {high}.", ", ".join(map(str, range(low, high + 1)))
    return Sample("talk/facts", f"talk {q}", q, out, {"kind": "text", "expected": out})


def generate(seed: int, split: str, count: int):
    return samples("talk", make, seed, split, count)


if __name__ == "__main__":
    command(__doc__, generate)
