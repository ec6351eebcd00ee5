"""JSON extraction and generation under a schema in the prompt, and tool calls.

    python -m training.data.structured --count 5 --seed 1 --split train
"""

import json

from .chat import call_text
from .samples import Sample, command, samples

NAMES = ("Lily Mia Anna Sara Lucy Emma Zoe Ella Ruby Nora Tom Ben Max Tim Sam Jack Leo Finn Noah Jake Rosa Ivan Omar Yuki "
         "Nina Paul Karl Vera Hugo Alma").split()
CITIES = "Paris Rome London Oslo Berlin Madrid Vienna Lima Cairo Tokyo Delhi Dublin Athens Boston Lisbon Prague".split()
JOBS = "baker teacher farmer doctor painter driver singer cook nurse pilot writer sailor".split()
FRUIT = "apples plums pears grapes cherries berries lemons figs dates nuts".split()
COLORS = "red blue green yellow black white brown".split()
PETS = "cat dog rabbit hamster parrot turtle".split()
PET_NAMES = "Rex Spot Bella Luna Coco Milo Nala Simba Toby Kiki Pip Max Ruby Oscar Daisy Buddy".split()
GOODS = "lamp chair table kettle bag coat clock mirror pillow basket blanket radio".split()
SIZES = "small medium large".split()
TITLES = [f"The {a} {b}" for a in "Old Red Lost Last Quiet Golden Secret Little".split() for b in "Garden River Key Tower House Road Island Letter".split()]
GENRES = "novel poem comic guide".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
EVENTS = "concert picnic market race dance party lecture fair".split()
PLACES = "park school library harbor station museum castle square".split()
DISHES = "soup pizza salad pasta rice stew bread pancakes".split()
VEHICLES = "train bus ship plane car".split()
STRING, BOOLEAN = {"type": "string"}, {"type": "boolean"}


def integer(low, high):
    return {"type": "integer", "minimum": low, "maximum": high}


# A domain: the subject field with its opening words, and fields as name: (schema, draw, sentence). Sentences speak of
# {s}, the subject; the bounds of integers and the choices of enums appear in the schemas of generation tasks alone.
def flag(yes, no):
    return BOOLEAN, lambda r: r.random() < 0.5, lambda s, v: f"{s} {yes if v else no}."


def number(low, high, text):
    return integer(low, high), lambda r: r.randint(low, high), lambda s, v: text.format(s=s, v=v)


def word(values, text):
    return STRING, lambda r: r.choice(values), lambda s, v: text.format(s=s, v=v)


def choice(values, text):
    return {"type": "string", "enum": values}, lambda r: r.choice(values), lambda s, v: text.format(s=s, v=v)


def several(values, text):
    return ({"type": "array", "items": STRING}, lambda r: r.sample(values, r.randint(2, 3)),
            lambda s, v: text.format(s=s, v=", ".join(v[:-1]) + " and " + v[-1]))


DOMAINS = {
    "person": ("name", NAMES, "{s}", {
        "age": number(4, 90, "{s} is {v} years old."), "city": word(CITIES, "{s} lives in {v}."),
        "job": word(JOBS, "{s} works as a {v}."), "married": flag("is married", "is not married"),
        "likes": several(FRUIT, "{s} likes {v}."), "children": number(0, 9, "{s} has {v} children.")}),
    "pet": ("name", PET_NAMES, "{s}", {
        "kind": choice(PETS, "{s} is a {v}."), "age": number(1, 15, "{s} is {v} years old."),
        "color": choice(COLORS, "{s} has {v} fur."), "owner": word(NAMES, "{s} belongs to {v}."),
        "friendly": flag("is friendly", "is not friendly"), "weight": number(1, 40, "{s} weighs {v} kilos.")}),
    "product": ("product", GOODS, "the {s}", {
        "price": number(2, 99, "{s} costs {v} dollars."), "color": choice(COLORS, "{s} is {v}."),
        "size": choice(SIZES, "{s} has size {v}."), "in_stock": flag("is in stock", "is sold out"),
        "maker": word(CITIES, "{s} is made in {v}.")}),
    "book": ("title", TITLES, "{s}", {
        "author": word(NAMES, "{s} was written by {v}."), "pages": number(20, 99, "{s} has {v} pages."),
        "genre": choice(GENRES, "{s} is a {v}."), "for_children": flag("is for children", "is not for children"),
        "year": number(1900, 1999, "{s} appeared in {v}.")}),
    "event": ("event", EVENTS, "the {s}", {
        "day": choice(DAYS, "{s} is on {v}."), "place": word(PLACES, "{s} is at the {v}."),
        "guests": number(5, 99, "{s} has {v} guests."), "free": flag("is free", "is not free"),
        "host": word(NAMES, "{s} is planned by {v}."), "start": number(8, 20, "{s} begins at {v} o'clock.")}),
    "trip": ("traveler", NAMES, "{s}", {
        "from": word(CITIES, "{s} starts in {v}."), "to": word(CITIES, "{s} travels to {v}."),
        "days": number(1, 30, "{s} stays for {v} days."), "by": choice(VEHICLES, "{s} goes by {v}."),
        "alone": flag("travels alone", "does not travel alone")}),
    "order": ("customer", NAMES, "{s}", {
        "dish": choice(DISHES, "{s} orders {v}."), "table": number(1, 30, "{s} sits at table {v}."),
        "price": number(3, 50, "{s} pays {v} dollars."), "extras": several(FRUIT, "{s} also wants {v}."),
        "paid": flag("has paid", "has not paid yet")}),
}


def capital(text: str) -> str:
    return text[0].upper() + text[1:]


def a(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def bare(schema: dict) -> dict:
    """A schema for extraction: only types; enums stay."""
    return {k: v for k, v in schema.items() if k not in ("minimum", "maximum")}


def whole(properties: dict) -> dict:
    return {"type": "object", "properties": properties, "required": list(properties)}


def extract(r) -> Sample:
    domain = r.choice(list(DOMAINS))
    subject, values, form, fields = DOMAINS[domain]
    who = r.choice(values)
    told = r.sample(list(fields), r.randint(2, 4))
    facts = {name: fields[name][1](r) for name in told}
    s = form.format(s=who)
    text = " ".join(capital(fields[name][2](s, facts[name])) for name in told)
    asked = told if len(told) < 3 or r.random() < 0.6 else r.sample(told, len(told) - 1)  # the rest is beside the point
    asked = r.sample(asked, len(asked))
    value = {subject: who} | {name: facts[name] for name in asked}
    schema = whole({subject: STRING} | {name: bare(fields[name][0]) for name in asked})
    wording = r.choice(["Extract the {d} as JSON.\nSchema: {schema}\nText: {text}", "Text: {text}\nWrite it as JSON with this schema: {schema}"])
    return Sample("json/extract", f"extract {text}", wording.format(d=domain, schema=json.dumps(schema), text=text),
                  json.dumps(value), {"kind": "json", "expected": value})


def invent(r) -> Sample:
    """Generation: any object that fits the schema and contains what is said about it."""
    domain = r.choice(list(DOMAINS))
    subject, values, form, fields = DOMAINS[domain]
    who = r.choice(values)
    names = r.sample(list(fields), r.randint(2, 3))
    properties, value = {subject: STRING}, {subject: who}
    for name in names:
        schema, draw, _ = fields[name]
        if schema.get("type") == "integer":
            low = draw(r)
            schema = integer(low, low + r.randint(2, 40))
            value[name] = r.randint(schema["minimum"], schema["maximum"])
        elif "enum" in schema:
            schema = {"type": "string", "enum": r.sample(schema["enum"], r.randint(2, 3))}
            value[name] = r.choice(schema["enum"])
        elif schema["type"] == "array":
            count = r.randint(1, 3)
            schema = schema | {"minItems": count, "maxItems": count}
            value[name] = r.sample(FRUIT, count)
        else:
            value[name] = draw(r)
        properties[name] = schema
    schema = whole(properties)
    said = r.random() < 0.6
    wish = f" Its {subject} is {who}." if said else ""
    question = r.choice(["Invent {d} as JSON.{wish} Schema: {schema}", "Make up {d} that fits this JSON schema.{wish}\n{schema}"])
    return Sample("json/generate", f"invent {json.dumps(schema)} {who if said else ''}", question.format(d=a(domain), wish=wish, schema=json.dumps(schema)),
                  json.dumps(value), {"kind": "json", "schema": schema, "facts": {subject: who} if said else {}})


def tool(name, description, parameters, wordings):
    """`parameters`: name: (schema, draw, text of the value in the request)."""
    return {"name": name, "description": description, "parameters": parameters, "wordings": wordings}


ROOMS = "kitchen bedroom hall office garage garden bathroom cellar".split()
DEVICES = "lamp heater fan radio oven television".split()
SONGS = [f"{a} {b}" for a in "Blue Silver Summer Winter Happy Midnight".split() for b in "Moon River Rain Train Heart Road".split()]
NOTES = ["come home", "call me", "dinner is ready", "good luck", "see you soon", "bring milk", "the door is open", "I am late"]
W = {"type": "string"}
N = {"type": "integer"}


def one_of(values):
    return {"type": "string", "enum": values}


TOOLS = [
    tool("get_weather", "Weather of a city", {"city": (W, lambda r: r.choice(CITIES))},
         ["How is the weather in {city}?", "What is the weather like in {city}?", "Will it rain in {city}?"]),
    tool("set_timer", "Start a timer", {"minutes": (N, lambda r: r.randint(1, 90))},
         ["Set a timer for {minutes} minutes.", "Wake me in {minutes} minutes.", "Start a timer of {minutes} minutes, please."]),
    tool("play_song", "Play music", {"title": (W, lambda r: r.choice(SONGS)), "volume": (N, lambda r: r.randint(1, 10))},
         ["Play {title} at volume {volume}.", "I want to hear {title} with volume {volume}."]),
    tool("add_numbers", "Add two numbers", {"a": (N, lambda r: r.randint(1, 999)), "b": (N, lambda r: r.randint(1, 999))},
         ["Add {a} and {b}.", "What is {a} plus {b}?"]),
    tool("send_message", "Send a message", {"to": (W, lambda r: r.choice(NAMES)), "text": (W, lambda r: r.choice(NOTES))},
         ['Tell {to}: "{text}".', 'Send {to} the message "{text}".', 'Write "{text}" to {to}.']),
    tool("switch", "Switch a device", {"room": (one_of(ROOMS[:4]), lambda r: r.choice(ROOMS[:4])), "device": (W, lambda r: r.choice(DEVICES)),
                                      "on": (BOOLEAN, lambda r: r.random() < 0.5)},
         ["Turn {on} the {device} in the {room}.", "Switch {on} the {room} {device}."]),
    tool("book_table", "Book a table", {"day": (W, lambda r: r.choice(DAYS)), "people": (N, lambda r: r.randint(1, 12))},
         ["Book a table for {people} on {day}.", "We are {people} people and want a table on {day}."]),
    tool("add_to_list", "Add to the shopping list", {"item": (W, lambda r: r.choice(FRUIT)), "count": (N, lambda r: r.randint(1, 20))},
         ["Put {count} {item} on my list.", "I need {count} {item}.", "Add {count} {item} to the shopping list."]),
    tool("find_train", "Find a train", {"from": (W, lambda r: r.choice(CITIES[:8])), "to": (W, lambda r: r.choice(CITIES[8:]))},
         ["Find a train from {from} to {to}.", "I must go from {from} to {to} by train."]),
    tool("add_event", "Add to the calendar", {"event": (W, lambda r: r.choice(EVENTS)), "day": (W, lambda r: r.choice(DAYS)), "hour": (N, lambda r: r.randint(8, 20))},
         ["The {event} is on {day} at {hour}. Note it.", "Put the {event} into my calendar: {day} at {hour}."]),
]


def specification(t: dict) -> dict:
    parameters = {name: schema for name, (schema, _) in t["parameters"].items()}
    return {"type": "function", "function": {"name": t["name"], "description": t["description"], "parameters": whole(parameters)}}


def tool_call(r) -> Sample:
    offered = r.sample(TOOLS, r.choice((1, 2, 2)))
    t = r.choice(offered)
    arguments = {name: draw(r) for name, (_, draw) in t["parameters"].items()}
    said = {name: ("on" if v else "off") if isinstance(v, bool) else v for name, v in arguments.items()}
    return Sample("tools/call", f"call {t['name']} {json.dumps(arguments)}", r.choice(t["wordings"]).format(**said),
                  call_text(t["name"], arguments), {"kind": "tool_call", "name": t["name"], "arguments": arguments},
                  tools=[specification(x) for x in offered])


KINDS = {"json/extract": extract, "json/generate": invent, "tools/call": tool_call}


def mixed(r) -> Sample:
    return r.choices(list(KINDS.values()), weights=(5, 2, 3))[0](r)


def generate(seed: int, split: str, count: int):
    return samples("structured", mixed, seed, split, count)


if __name__ == "__main__":
    command(__doc__, generate)
