"""Draws measurements of `blockwise bench decode --prompts … --json` as bars, one group per file: an SVG without dependencies.

    python training/peer/plot_bars.py --value tokens_per_forward --title "Tokens per pass" --out bars.svg Python=python.json tales=tales.json
    … --labels "suffix=suffix,shape=all" names a way as the legend should, and leaves out ways without a label
"""

import argparse
import html
import json
from pathlib import Path

COLORS = ["#8a8f98", "#2b6cb0", "#63a4e0", "#dd8a1f", "#f0be66", "#2f855a", "#7cc39a", "#9b4d96", "#cf8fc9", "#c0392b"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", help="GROUP=FILE")
    parser.add_argument("--value", default="tokens_per_forward", help="the JSON key to draw")
    parser.add_argument("--title", default="")
    parser.add_argument("--labels", nargs="*", default=[], help="LABEL=NAME, in the order of the legend")
    parser.add_argument("--line", type=float, help="a line across at this value")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    groups = {}
    for entry in options.files:
        group, _, path = entry.partition("=")
        ways = json.loads(Path(path).read_text())
        ways = ways.get("ways", ways.get("results")) if isinstance(ways, dict) else ways
        groups[group] = {w["name"]: w[options.value] for w in ways}
    names = list(dict.fromkeys(n for g in groups.values() for n in g))
    labels = [(label.partition("=")[0], label.partition("=")[2]) for label in options.labels] or [(n, n) for n in names]
    unknown = [name for _, name in labels if name not in names]
    if unknown:
        raise SystemExit(f"no way is called {unknown[0]}; there are {', '.join(names)}")
    bar, gap, height, left, top = 16, 28, 220, 44, 58
    width = left + len(groups) * (len(labels) * bar + gap) + 10
    legend = -(-len(labels) // 3)
    peak = max(v for g in groups.values() for v in g.values()) * 1.12
    step = next(s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 1e9) if peak / s <= 7)

    def y(value):
        return top + height * (1 - value / peak)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{max(width, 640)}" height="{top + height + 44 + 18 * legend}" '
           'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>',
           f'<text x="{left}" y="24" font-size="15" font-weight="bold">{html.escape(options.title)}</text>']
    tick = 0.0
    while tick <= peak:
        out.append(f'<line x1="{left}" x2="{width - 10}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#e3e3e3"/>'
                   f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end" fill="#555">{tick:g}</text>')
        tick = round(tick + step, 6)
    for number, (group, values) in enumerate(groups.items()):
        x0 = left + gap / 2 + number * (len(labels) * bar + gap)
        for place, (label, name) in enumerate(labels):
            value = values.get(name)
            if value is None:
                continue
            x = x0 + place * bar
            out.append(f'<rect x="{x:.1f}" y="{y(value):.1f}" width="{bar - 2}" height="{top + height - y(value):.1f}" '
                       f'fill="{COLORS[place % len(COLORS)]}"><title>{html.escape(label)}: {value:.2f}</title></rect>'
                       f'<text x="{x + bar / 2 - 1:.1f}" y="{y(value) - 3:.1f}" font-size="8" text-anchor="middle" fill="#444">{value:.1f}</text>')
        out.append(f'<text x="{x0 + len(labels) * bar / 2:.1f}" y="{top + height + 18}" text-anchor="middle">{html.escape(group)}</text>')
    if options.line is not None:
        out.append(f'<line x1="{left}" x2="{width - 10}" y1="{y(options.line):.1f}" y2="{y(options.line):.1f}" stroke="#c0392b" stroke-dasharray="5 4"/>')
    for place, (label, _) in enumerate(labels):
        x, line = left + place % 3 * 230, top + height + 42 + place // 3 * 18
        out.append(f'<rect x="{x}" y="{line - 9}" width="10" height="10" fill="{COLORS[place % len(COLORS)]}"/>'
                   f'<text x="{x + 15}" y="{line}">{html.escape(label)}</text>')
    out.append("</svg>\n")
    options.out.write_text("\n".join(out))


if __name__ == "__main__":
    main()
