"""Judges answers: one rule per kind of check, written down in README.md so that any evaluator can do the same."""

import json
import re
import subprocess
import sys

LIMITS = """
import resource, signal
resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
"""


def parse_list(text: str) -> list | None:
    """Lenient: what stands between the last `[` and the `]` after it, split at commas, quotes and spaces stripped."""
    start = text.rfind("[")
    if start < 0:
        return None
    end = text.find("]", start)
    inner = text[start + 1:end if end >= 0 else len(text)]
    items = [item.strip().strip("\"'").strip() for item in inner.split(",")]
    return [] if items == [""] else items


def is_strict_list(text: str) -> bool:
    """Nothing but `["a", "b"]`: both brackets, `, ` between items, double quotes, none inside."""
    return re.fullmatch(r'\[("[^"]*"(, "[^"]*")*)?\]', text.strip()) is not None


def check_list(c: dict, text: str) -> bool:
    out = parse_list(text)
    if out is None:
        return False
    rule, given, item = c["rule"], c.get("input", []), c.get("item")
    if rule == "equal":
        return out == c["expected"]
    if rule == "insert_any":
        if item not in out:
            return False
        out.remove(item)
        return out == given
    if rule == "remove_any":
        return len(out) == len(given) - 1 and any(given[:i] + given[i + 1:] == out for i in range(len(given)))
    if rule == "replace_any":
        if len(out) != len(given) or item not in out:
            return False
        i = out.index(item)
        return given[:i] + [item] + given[i + 1:] == out
    if rule == "shuffle":
        return sorted(out) == sorted(given) and out != given
    raise ValueError(f"unknown list rule {rule}")


def check_latin(c: dict, text: str) -> bool:
    symbols = set(c["symbols"])
    rows = [[cell.strip() for cell in line.split(",")] for line in text.split("\n")]
    rows = [row for row in rows if len(row) == len(symbols) and set(row) == symbols][:len(symbols)]
    return len(rows) == len(symbols) and all(set(column) == symbols for column in zip(*rows))


def check_number(c: dict, text: str) -> bool:
    found = re.findall(r"Answer: *(-?\d+)", text)
    return bool(found) and int(found[-1]) == c["expected"]


def same(a, b) -> bool:
    """Equal JSON values: numbers by value, objects without order, and true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) in (int, float) and type(b) in (int, float) and a == b or type(a) is type(b) and a == b


TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def fits(schema: dict, value) -> bool:
    """The part of JSON Schema that the generators use."""
    kind = schema.get("type")
    if kind in ("integer", "number"):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or kind == "integer" and value != int(value):
            return False
    elif kind and not isinstance(value, TYPES[kind]):
        return False
    if "enum" in schema and not any(same(value, e) for e in schema["enum"]):
        return False
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if isinstance(value, list):
        return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)) and all(
            fits(schema.get("items", {}), v) for v in value)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return all(k in value for k in schema.get("required", [])) and all(fits(known.get(k, {}), v) for k, v in value.items())
    return True


def refuse_duplicates(pairs):
    if len({k for k, _ in pairs}) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def parse_json(text: str):
    """(found, value): the whole answer, without spaces around it, must be one JSON text without repeated keys."""
    try:
        return True, json.loads(text.strip(), object_pairs_hook=refuse_duplicates)
    except (ValueError, RecursionError):
        return False, None


def check_json(c: dict, text: str) -> bool:
    found, value = parse_json(text)
    if not found:
        return False
    if "expected" in c:
        return same(value, c["expected"])
    return fits(c["schema"], value) and isinstance(value, dict) and all(
        k in value and same(value[k], v) for k, v in c.get("facts", {}).items())


def check_tool_call(c: dict, text: str) -> bool:
    match = re.fullmatch(r"<tool_call>\s*(.*?)\s*</tool_call>", text.strip(), re.S)
    return match is not None and check_json({"expected": {"name": c["name"], "arguments": c["arguments"]}}, match[1])


def check_python(c: dict, text: str) -> bool:
    """Runs the answer: a separate process, two seconds, 512 MB, an empty environment, no files; the caller's consent
    is needed (`--run-code`). The process has no network access only where the system takes it away (`unshare -n`)."""
    program = LIMITS + f"code = {text!r}\nscope = {{}}\nexec(code, scope)\n" + "".join(
        f"exec({t!r}, scope)\n" for t in c["tests"]) + "print('passed')\n"
    try:
        done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=10, env={}, cwd="/")
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and done.stdout.endswith("passed\n")


KINDS = {"list": check_list, "latin_square": check_latin, "number": check_number, "json": check_json,
         "tool_call": check_tool_call, "python": check_python,
         "text": lambda c, text: text.strip() == c["expected"],
         "one_of": lambda c, text: text.strip() in c["expected"]}


def check(c: dict, text: str) -> bool:
    return KINDS[c["kind"]](c, text)
