#!/usr/bin/env python3
"""The cost curve of `seam bench sweep --json`: microseconds a token over the prompt's length, as SVG on stdout.

usage: sweep_plot.py RESULT.json > CURVE.svg

Points: wall time, and time the device computed (without waiting for weights). Line: computed = a + b x tokens, fitted to the
lengths from 32,768 on; the legend sets b beside what attention at the measured rate would take. Standard library only.
"""
import json
import math
import sys

W, H, L, R, T, B = 760, 440, 70, 20, 50, 60


def fit(points):
    n = len(points)
    mx, my = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    b = sum((x - mx) * (y - my) for x, y in points) / sum((x - mx) ** 2 for x, _ in points)
    return my - b * mx, b


def main():
    d = json.load(open(sys.argv[1]))
    wall, busy, slope = {}, {}, 0.0
    for t in d["tests"]:
        n = t["tokens"]
        wall[n] = min(wall.get(n, math.inf), t["wall_s"] / n * 1e6)
        busy[n] = min(busy.get(n, math.inf), (t["device_s"] - t["stages"]["wait"]["s"]) / n * 1e6)
        slope = t["limit"]["attend_s"] / n / n * 1e6  # of the last, longest
    a, b = fit([(n, y) for n, y in busy.items() if n >= 32768])
    xs = sorted(wall)
    top = max(list(wall.values()) + list(busy.values())) * 1.05
    x_of = lambda n: L + (W - L - R) * (math.log2(n) - math.log2(xs[0])) / (math.log2(xs[-1]) - math.log2(xs[0]))
    y_of = lambda v: H - B - (H - T - B) * math.log10(v / 5) / math.log10(top / 5)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="12">',
           f'<rect width="{W}" height="{H}" fill="white"/>',
           f'<text x="{L}" y="20" font-size="14">{d["model"]["name"]}, {d["layers"]} layers: '
           f'sweep on {d["device"].split(" sweeps")[0]}</text>',
           f'<text x="{L}" y="38">computed = {a:.2f} us + {b * 1e6:.1f} ps x tokens; '
           f'attention at the measured rate alone: {slope * 1e6:.1f} ps ({b / slope:.2f} x)</text>']
    for n in xs:
        out.append(f'<text x="{x_of(n):.1f}" y="{H - B + 18}" text-anchor="middle">{n // 1024}k</text>')
        out.append(f'<line x1="{x_of(n):.1f}" y1="{T}" x2="{x_of(n):.1f}" y2="{H - B}" stroke="#eee"/>')
    for v in (5, 10, 20, 50, 100, 200, 500):
        if v <= top:
            out.append(f'<text x="{L - 8}" y="{y_of(v) + 4:.1f}" text-anchor="end">{v}</text>')
            out.append(f'<line x1="{L}" y1="{y_of(v):.1f}" x2="{W - R}" y2="{y_of(v):.1f}" stroke="#ddd"/>')
    line = " ".join(f"{x_of(xs[0] * 2 ** (i / 8)):.1f},{y_of(a + b * xs[0] * 2 ** (i / 8)):.1f}"
                    for i in range(int(8 * math.log2(xs[-1] / xs[0])) + 1))
    out.append(f'<polyline points="{line}" fill="none" stroke="#36c" stroke-dasharray="5 4"/>')
    for series, colour in ((wall, "#c33"), (busy, "#36c")):
        out += [f'<circle cx="{x_of(n):.1f}" cy="{y_of(v):.1f}" r="4" fill="{colour}"/>' for n, v in sorted(series.items())]
    out.append(f'<text x="{W - R}" y="{T + 14}" text-anchor="end" fill="#c33">wall time, weights from host memory</text>')
    out.append(f'<text x="{W - R}" y="{T + 30}" text-anchor="end" fill="#36c">computed; dashed: the fit</text>')
    out.append(f'<text x="{(L + W - R) / 2}" y="{H - 15}" text-anchor="middle">tokens of the prompt</text>')
    out.append(f'<text x="18" y="{(T + H - B) / 2}" transform="rotate(-90 18 {(T + H - B) / 2})" '
               f'text-anchor="middle">microseconds a token</text></svg>')
    print("\n".join(out))


if __name__ == "__main__":
    main()
