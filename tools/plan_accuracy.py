#!/usr/bin/env python3
"""How near a plan of this machine is to this machine: probe, plan, then measure.

    tools/plan_accuracy.py [-b build/seam] [-w FOLDER] prepare          write the models, once
    tools/plan_accuracy.py [-b build/seam] [-w FOLDER] measure NAME     one model, eight to fifteen minutes
    tools/plan_accuracy.py [-b build/seam] [-w FOLDER] table [-o FILE]  what all of them gave, as table and JSON
    tools/plan_accuracy.py [-b build/seam] [-w FOLDER] all [-o FILE]    the three, one after the other

Three synthetic models (dense, MoE with grouped-query attention, MoE with MLA) at three prompt lengths, in two
layouts: alone with all cores, and as two nodes of one machine: `fast` sweeps with all cores and streams its weights
from the disk, past the page cache; `slow` decodes with one core. The two never compute at the same time, so each is
planned with the rates of a probe with as many threads. What is probed is a file of three layers, not the model
itself. Probe, plan and measurement take turns, so that minutes of a shared machine do not stand between them: both
machines of the pool are probed right before it is measured. A turn's plan is made before its measurement, and the
medians of all turns are compared. docs/probe.md says what the result was.
"""
import argparse
import datetime
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys

PROMPTS = (256, 1024, 2048)
TURNS = 5
ROUNDS = 3  # of a probe
OUTPUT = 64
MODELS = {
    "dense": dict(like="llama-3.1-8b", type="Q8_0", layers=9, sets=dict(
        embedding_length=1536, feed_forward_length=6144, **{"attention.head_count": 12, "attention.head_count_kv": 4})),
    "moe-gqa": dict(like="qwen3-30b-a3b", type="Q4_0", layers=10, experts=32, sets=dict(
        embedding_length=1536, expert_feed_forward_length=512, expert_used_count=6,
        **{"attention.head_count": 16, "attention.head_count_kv": 4})),
    "moe-mla": dict(like="kimi-k2.6", type="Q8_0", layers=10, experts=24, sets=dict(
        embedding_length=1536, feed_forward_length=6144, expert_feed_forward_length=512, expert_used_count=4,
        **{"attention.head_count": 16, "attention.q_lora_rank": 768})),
}


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def run(words, **kw):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, **kw)
    if done.returncode not in (0, 14):  # 14: a probe that says it is noisy, and gives its results all the same
        sys.exit(f"plan_accuracy: {' '.join(map(str, words))}: status {done.returncode}\n{done.stderr}")
    return done.stdout


class Bench:
    def __init__(self, seam, work):
        self.seam, self.work = os.path.abspath(seam), os.path.abspath(work)
        os.makedirs(self.work, exist_ok=True)
        self.cores = json.loads(run([self.seam, "version", "--json"])) and len(os.sched_getaffinity(0))

    def path(self, *parts):
        return os.path.join(self.work, "-".join(parts))

    # ---- models

    def synth(self, name, layers, path):
        m = MODELS[name]
        words = [self.seam, "synth", "--like", m["like"], "--type", m["type"], "--layers", layers, "--vocab", 8192,
                 "--ctx", 16384, "-o", path]
        words += ["--experts", m["experts"]] if "experts" in m else []
        for key, value in m["sets"].items():
            words += ["--set", f"{key}={value}"]
        run(words)

    def prepare(self, name):
        self.synth(name, MODELS[name]["layers"], self.path(name, "model.gguf"))
        self.synth(name, 3, self.path(name, "layers.gguf"))
        say(f"{name}: {os.path.getsize(self.path(name, 'model.gguf')) / 1e9:.2f} GB")

    def forget(self, path):
        """Out of the page cache, so that a sweep reads the disk."""
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)

    # ---- probe and plan

    def probe(self, name, threads, node=None):
        out = self.path(name, f"probe{threads}.yaml")
        words = [self.seam, "probe", "--model", self.path(name, "layers.gguf"), "--threads", threads, "--rounds", ROUNDS, "--name",
                 f"cpu{threads}", "-o", out, "--json"]
        report = json.loads(run(words + (["--node", node] if node else [])))
        say(f"{name}: probed with {threads} threads in {report['seconds']:.0f} s; exact: {report['exact']}")
        return report, open(out).read()

    @staticmethod
    def section(text, key):
        found = re.search(rf"^{key}:\n((?:[ #].*\n)*)", text, re.M)
        return found.group(1) if found else ""

    def plan(self, name, cluster, prompts, stages, sweep):
        """Predictions of one layout: {prompt: (ttft s, decode tokens/s, swept)}."""
        model = self.path(name, "model.gguf")
        words = [self.seam, "plan", "-c", cluster, "-m", model, "-p", ",".join(map(str, prompts)), "-n", OUTPUT]
        plan = json.loads(run(words + ["--json"]))
        # A sweep that is faster for no prompt is not shown: its layout is then the one without it.
        shown = {bool(l["sweep"]): l for l in plan["layouts"] if [s["node"] for s in l["stages"]] == stages and l["sweep"] in (sweep, [])}
        l = shown.get(bool(sweep)) or shown.get(False)
        if not l:
            sys.exit(f"plan_accuracy: no layout {stages} swept by {sweep} among {plan['layouts']}")
        answer = {}
        for n in prompts:
            key = f"{l['letter']}.ttft.{n // 1024}k+0" if n % 1024 == 0 else f"{l['letter']}.ttft.{n}+0"
            swept = "(sweep)" in run(words + ["--explain", key])
            answer[n] = (plan["numbers"][key], plan["numbers"][key.replace("ttft", "decode")], swept)
        return answer

    # ---- measure

    def alone(self, name):
        """{prompt: (ttft s, decode tokens/s)} with all cores."""
        bench, answer = [self.seam, "bench", "-m", self.path(name, "model.gguf"), "-r", 1, "--json"], {}
        for n in PROMPTS:
            first = json.loads(run([*bench, "-p", n, "-n", 0, "-d", 0, "--no-warmup"]))["tests"][0]
            after = json.loads(run([*bench, "-p", 0, "-n", OUTPUT, "-d", n]))["tests"][0]
            answer[n] = (first["samples_ns"][0] / 1e9, OUTPUT * 1e9 / after["samples_ns"][0])
        return answer

    def node(self, name, role, *words):
        p = subprocess.Popen([self.seam, "node", "-m", self.path(name, "model.gguf"), "--role", role, "--name", role,
                              "--listen", "127.0.0.1:0", "--ctx", "8192", "--json", *map(str, words)],
                             stdout=subprocess.PIPE, stderr=open(self.path(name, role + ".log"), "w"), text=True)
        line = p.stdout.readline()
        if not line:
            sys.exit(f"plan_accuracy: the {role} node did not start: {open(self.path(name, role + '.log')).read()}")
        return p, json.loads(line)["ready"]

    def text(self, name, tokens, seed):
        """Words of about so many tokens, no two texts with a common beginning."""
        r = random.Random(seed)
        path = self.path(name, "prompt.txt")
        letters = "abcdefghijklmnopqrstuvwxyz"
        with open(path, "w") as f:
            f.write("".join(r.choice(letters) for _ in range(tokens - 1)))
        return path

    def pooled(self, name, nodes, prompt, path, seed):
        self.forget(self.path(name, "model.gguf"))
        words = [self.seam, "run", "-m", self.path(name, "model.gguf"), "-f", self.text(name, prompt, seed), "-n", OUTPUT,
                 "--ignore-eos", "--temp", 0, "--path", path, "--json"]
        for n in nodes:
            words += ["--node", n]
        got = json.loads(run(words))
        if got["path"] != path or got["fallback"] or got["cached_tokens"]:
            sys.exit(f"plan_accuracy: a run went another way: {got['why']} {got['fallback']}")
        t = got["timings_ms"]
        return got["prompt_tokens"], t["first_token"] / 1e3, (OUTPUT - 1) / (t["total"] - t["first_token"]) * 1e3

    def weights_of_sweep(self, name):
        """Enough for two neighbouring layers: what a plan gives a sweep node."""
        shape = json.loads(run([self.seam, "inspect", self.path(name, "model.gguf"), "--json"]))
        return int(2.6 * shape["weight_bytes"] / MODELS[name]["layers"])

    # ---- one model

    @staticmethod
    def cell(plans, measured, fastest):
        """One number: the median of the turns' plans beside the median of their measurements."""
        likely, value = (statistics.median(x) for x in ([p["likely"] for p in plans], measured))
        best = fastest(p["best"] for p in plans)
        ends = sorted(statistics.median(p[c] for p in plans) for c in ("best", "worst"))
        return dict(predicted=likely, low=ends[0], high=ends[1], measured=value, plans=[p["likely"] for p in plans],
                    samples=measured, best_error=best / fastest(measured) - 1, error=likely / value - 1)

    def cells(self, name, layout, turns):
        """turns: [({prompt: plan}, {prompt: (ttft, speed)})]"""
        return [dict(model=name, layout=layout, prompt=n, path=["sweep" if p[n][2] else "local" for p, _ in turns],
                     ttft=self.cell([p[n][0] for p, _ in turns], [m[n][0] for _, m in turns], min),
                     decode=self.cell([p[n][1] for p, _ in turns], [m[n][1] for _, m in turns], max))
                for n in turns[0][1]]

    def write_pool(self, cluster, name, fast, slow):
        """Two nodes on this machine: `fast` has too little memory for the model, `slow` holds it."""
        room = max(500, os.path.getsize(self.path(name, "model.gguf")) / 1e6)  # MB; less is no machine to a plan
        with open(cluster, "w") as f:
            f.write("machines:\n" + self.section(fast, "machines") + self.section(slow, "machines"))
            f.write("cables:\n" + self.section(slow, "cables"))
            f.write(f"nodes:\n  - name: fast\n    machine: cpu{self.cores}\n    usable: {{is: {room:.0f} MB, from: too little}}\n"
                    "  - name: slow\n    machine: cpu1\nlinks:\n  - between: [fast, slow]\n    cable: to-decode\n")

    def turn_alone(self, name):
        """((plan, measured), report, the machine as YAML)"""
        cluster, everything = self.path(name, "alone.yaml"), f"cpu{self.cores}"
        self.forget(self.path(name, "layers.gguf"))
        report, fast = self.probe(name, str(self.cores))
        with open(cluster, "w") as f:
            f.write(fast)
        plan = self.plan(name, cluster, PROMPTS, [everything], [])
        return (plan, self.alone(name)), report, fast

    def turn_pooled(self, name, turn):
        """((plan, measured), reports, cluster)"""
        cluster = self.path(name, "pool.yaml")
        decode, decode_at = self.node(name, "decode", "--threads", "1")
        sweep, sweep_at = self.node(name, "sweep", "--threads", str(self.cores), "--weights-memory", self.weights_of_sweep(name))
        try:
            reports, machines = zip(self.probe(name, "1", decode_at), self.probe(name, str(self.cores)))
            slow, fast = machines
            self.write_pool(cluster, name, fast, slow)
            nodes = [decode_at, sweep_at]
            extra = self.pooled(name, nodes, PROMPTS[0], "sweep", 1)[0] - PROMPTS[0]  # the same in every turn
            lengths = [n + extra for n in PROMPTS]
            plan, measured = self.plan(name, cluster, lengths, ["slow"], ["fast"]), {}
            for n in lengths:
                measured[n] = self.pooled(name, nodes, n - extra, "sweep" if plan[n][2] else "local", 1000 * n + turn)[1:]
        finally:
            for p in (decode, sweep):
                p.send_signal(signal.SIGTERM)
                p.wait()
        return (plan, measured), reports, open(cluster).read()

    def measure(self, name):
        alone, pooled, probes, clusters = [], [], [], []
        for turn in range(1, TURNS + 1):
            got, report, fast = self.turn_alone(name)
            alone.append(got), probes.append(report), clusters.append(fast)
            got, reports, cluster = self.turn_pooled(name, turn)
            pooled.append(got), probes.extend(reports), clusters.append(cluster)
        rows = self.cells(name, "alone", alone) + self.cells(name, "sweep + decode", pooled)
        with open(self.path(name, "result.json"), "w") as f:
            json.dump(dict(rows=rows, probes=probes, clusters=clusters), f, indent=1)
        self.print(rows)

    # ---- all of them

    @staticmethod
    def print(rows):
        print(f"{'model':8} {'layout':15} {'prompt':>6} {'path':6} {'first token, s':>24} {'error':>8} {'tokens/s':>20} {'error':>8}")
        for r in rows:
            t, d = r["ttft"], r["decode"]
            print(f"{r['model']:8} {r['layout']:15} {r['prompt']:6} {'/'.join(sorted(set(r['path']))):6} {t['predicted']:11.3f} / {t['measured']:9.3f} "
                  f"{100 * t['error']:+7.1f}% {d['predicted']:9.2f} / {d['measured']:8.2f} {100 * d['error']:+7.1f}%", flush=True)

    def table(self, out):
        results = {n: json.load(open(self.path(n, "result.json"))) for n in MODELS if os.path.exists(self.path(n, "result.json"))}
        rows = [r for x in results.values() for r in x["rows"]]
        self.print(rows)
        summary = {}
        for what in ("ttft", "decode"):
            e = [abs(r[what]["error"]) for r in rows]
            summary[what] = dict(n=len(e), median=statistics.median(e), worst=max(e))
            print(f"{what}: median error {100 * summary[what]['median']:.1f} %, worst {100 * summary[what]['worst']:.1f} %, of {len(e)}")
        both = [abs(r[w]["error"]) for r in rows for w in ("ttft", "decode")]
        summary["all"] = dict(n=len(both), median=statistics.median(both), worst=max(both))
        best = [abs(r[w]["best_error"]) for r in rows for w in ("ttft", "decode")]
        summary["best_of_rounds"] = dict(n=len(best), median=statistics.median(best), worst=max(best))
        print(f"the best of the plans against the best of the runs: median {100 * statistics.median(best):.1f} %, worst {100 * max(best):.1f} %")
        print(f"all: median error {100 * summary['all']['median']:.1f} %, worst {100 * summary['all']['worst']:.1f} %; "
              "the bar is 10 % and 25 %")
        first = next(iter(results.values()))["probes"][0]
        report = dict(format=1, date=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                      seam=first["seam"], cpu=first["cpu"], system=first["system"], device=first["device"], cores=self.cores,
                      prompts=PROMPTS, output=OUTPUT, turns=TURNS, rounds=ROUNDS, models=MODELS, summary=summary, rows=rows,
                      probes={n: x["probes"] for n, x in results.items()}, clusters={n: x["clusters"] for n, x in results.items()})
        if out:
            os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
            json.dump(report, open(out, "w"), indent=1)
            say(f"wrote {out}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-b", "--seam", default="build/seam")
    p.add_argument("-w", "--work", default="build/plan-accuracy")
    p.add_argument("-o", "--out")
    p.add_argument("what", choices=["prepare", "measure", "table", "all"])
    p.add_argument("name", nargs="?", choices=list(MODELS))
    o = p.parse_args()
    b = Bench(o.seam, o.work)
    for name in [o.name] if o.name else MODELS:
        if o.what in ("prepare", "all"):
            b.prepare(name)
        if o.what in ("measure", "all"):
            b.measure(name)
    if o.what in ("table", "all"):
        b.table(o.out)


main()
