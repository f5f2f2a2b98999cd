"""Draws held-out loss against bytes sent up, one line per arm, as a self-contained SVG."""

import html
import math

WIDTH, HEIGHT = 940, 480
LEFT, RIGHT, TOP, BOTTOM = 60, 370, 20, 50
# Okabe and Ito's colours, which people with any colour vision can tell apart. Arms of one codec share one.
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
STYLE = ("svg{background:#fff;font:12px sans-serif} text{fill:#333} .grid{stroke:#ddd} "
         "polyline{fill:none;stroke-width:2} .dropped{stroke-dasharray:5 4}")


def curve(metrics):
    """(bytes up, held-out loss) at each evaluation."""
    points, bytes_up = [], 0
    for m in metrics:
        if m["kind"] == "stats":
            bytes_up = sum(worker["bytes_up"] for worker in m["workers"])
        elif m["kind"] == "evaluation" and bytes_up > 0:
            points.append((bytes_up, m["held_out_loss"]))
        elif m["kind"] == "final":
            points.append((m["bytes_up"], m["held_out_loss"]))
    return points


class Axes:
    def __init__(self, points):
        self.decades = (math.floor(math.log10(min(x for x, _ in points))),
                        math.ceil(math.log10(max(x for x, _ in points))))
        self.losses = (min(y for _, y in points) - 0.05, max(y for _, y in points) + 0.05)

    def x(self, bytes_up):
        low, high = self.decades
        return LEFT + (math.log10(bytes_up) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, loss):
        low, high = self.losses
        return TOP + (high - loss) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def lines(self):
        for decade in range(self.decades[0], self.decades[1] + 1):
            x = self.x(10 ** decade)
            name = f"{10 ** (decade - 6):g} MB"
            yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{name}</text>'
        for tenth in range(math.ceil(self.losses[0] * 4), math.floor(self.losses[1] * 4) + 1):
            y = self.y(tenth / 4)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tenth / 4:.2f}</text>'
        middle = (LEFT + WIDTH - RIGHT) / 2
        yield f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">bytes sent up (both workers)</text>'
        yield f'<text transform="translate(16,{HEIGHT / 2}) rotate(-90)" text-anchor="middle">held-out loss, nats per byte</text>'


def draw(results, path):
    """`results`: (name of the arm, its metrics.jsonl as a list)."""
    curves = [(name, curve(metrics)) for name, metrics in results]
    axes = Axes([point for _, points in curves for point in points])
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
             f"<style>{STYLE}</style>", *axes.lines()]
    codecs = []
    for number, (name, points) in enumerate(curves):
        codec = name.partition(", no error feedback")[0]
        if codec not in codecs:
            codecs.append(codec)
        colour = COLOURS[codecs.index(codec) % len(COLOURS)]
        style = ' class="dropped"' if codec != name else ""
        text = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in points)
        y = TOP + 12 + 20 * number
        x = WIDTH - RIGHT + 16
        parts += [f'<polyline{style} stroke="{colour}" points="{text}"/>',
                  f'<polyline{style} stroke="{colour}" points="{x},{y} {x + 24},{y}"/>',
                  f'<text x="{x + 30}" y="{y + 4}">{html.escape(name)}</text>']
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([*parts, "</svg>", ""]))
