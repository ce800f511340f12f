#!/usr/bin/env python3
"""Makes the README's table of measurements from the raw JSON of `seam bench`.

  tools/bench_table.py            writes the table between the two marks in README.md
  tools/bench_table.py --check    fails when the README says something else than bench/results/llama-bench/*.json
  tools/bench_table.py --print FOLDER

A row per test, files and tests in the order of their names and of the JSON; a figure is a median with (smallest-largest).
"""
import glob
import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BEGIN, END = "<!-- bench: made by tools/bench_table.py -->\n", "<!-- bench: end -->\n"


def figure(stats, digits):
    return "{median:.{d}f} ({min:.{d}f}-{max:.{d}f})".format(d=digits, **stats)


def digits_of(stats):
    return 2 if stats["median"] < 10 else 1 if stats["median"] < 100 else 0


def test_name(test):
    if test["kind"] == "load":
        return "load, s"
    after = f" after {test['depth']}" if test["depth"] else ""
    return f"{test['kind']} {test['n_prompt'] or test['n_gen']}{after}, tokens/s"


def rows(result):
    for test in result["tests"]:
        key = "seconds" if test["kind"] == "load" else "tokens_per_s"
        cells = [test_name(test), figure(test[key], digits_of(test[key]))]
        if "against" in test:
            cells += [figure(test["against"][key], digits_of(test["against"][key])), "**" + figure(test["ratio"], 2) + "**"]
        else:
            cells += ["", ""]
        cells.append(f"{100 * test['share_of_limit']:.0f} %" if "share_of_limit" in test else "")
        yield cells


def machine(result):
    m, other = result["machine"], result.get("against")
    text = (f"{m['cpu']}, {m['cores']} cores, {m['memory_bytes'] / 1e9:.0f} GB, {m['system'].split()[0]}; {result['threads']} threads; "
            f"Seam {result['seam']['version']} ({result['seam']['commit']})")
    return text + (f"; llama-bench {other['build']}" if other else "") + f"; {result['date'][:10]}"


def table(folder):
    files = sorted(glob.glob(os.path.join(folder, "*.json")))
    if not files:
        return "No results yet.\n"
    lines, last = [], None
    for file in files:
        with open(file) as f:
            result = json.load(f)
        if result.get("format") != 1:
            raise SystemExit(f"bench_table: {file}: format {result.get('format')} is not 1")
        if machine(result) != last:
            last = machine(result)
            lines += ["", last, "", "| file | test | Seam | llama.cpp | ratio | of the machine's limit |", "|---|---|---|---|---|---|"]
        name = result["model"]["file"]
        for cells in rows(result):
            lines.append("| " + " | ".join([name] + cells) + " |")
            name = ""
    return "\n".join(lines[1:]) + "\n"


def main(words):
    if words[:1] == ["--print"] and len(words) == 2:
        sys.stdout.write(table(words[1]))
        return
    path = os.path.join(ROOT, "README.md")
    with open(path) as f:
        text = f.read()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise SystemExit("bench_table: README.md has not both marks once")
    head, rest = text.split(BEGIN)
    now, tail = rest.split(END)
    made = "\n" + table(os.path.join(ROOT, "bench", "results", "llama-bench")) + "\n"
    if words == ["--check"]:
        if now != made:
            raise SystemExit("bench_table: the README's table is not what bench/results says (run tools/bench_table.py)")
    elif not words:
        with open(path, "w") as f:
            f.write(head + BEGIN + made + END + tail)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
