#!/usr/bin/env python3
"""Put the held-out tasks to a running Seam server (python3 standard library only).

usage: eval.py --url http://127.0.0.1:7077/v1 [--url ...] [--only SET[,SET]] [--limit N] [--score "build/seam run -m FILE"] [--verbose]

Sets: facts_2k_4k, facts_12k_16k, absent, chains_10, prose. Greedy, thinking off. A fact counts when the reply holds the
planted value; an absent key when the reply says so and the sentence holds no value; a chain when all ten calls came with
arguments that fit the declared schema and ids functions.NAME:IDX counting from 0, every result was used, and the final
reply holds the final word. Several --url: as many cases at a time, one on each server. The last line of stdout is the
result.
"""
import argparse
import json
import lzma
import os
import queue
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TASKS = os.path.join(ROOT, "models", "tasks")
ABSENT = re.compile(r"\b(is|are) not (given|in|found|mentioned)\b|\bno such\b|\bnot in the document\b", re.I)
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list}


def rows(name):
    with lzma.open(os.path.join(TASKS, name + ".jsonl.xz"), "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


class Server:
    def __init__(self, url, model):
        self.url, self.model, self.paths = url.rstrip("/"), model, {}

    def chat(self, messages, tools=None, max_tokens=64):
        """-> the assistant's message"""
        body = {"messages": messages, "temperature": 0, "max_tokens": max_tokens,
                "chat_template_kwargs": {"thinking": False}}
        if self.model:
            body["model"] = self.model
        if tools:
            body["tools"] = tools
        req = urllib.request.Request(self.url + "/chat/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(req, timeout=900) as f:
                reply = json.load(f)
        except urllib.error.HTTPError as e:
            sys.exit(f"eval.py: the server answered {e.code}: {e.read().decode(errors='replace')[:500]}")
        except urllib.error.URLError as e:
            sys.exit(f"eval.py: no server at {self.url}: {e.reason} (start one, or use eval.sh)")
        path = (reply.get("seam") or {}).get("path", "?")
        self.paths[path] = self.paths.get(path, 0) + 1
        return reply["choices"][0]["message"]


def fits(value, schema):
    """A small JSON-schema check: type, enum, required, properties, no unknown names."""
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind in ("integer", "number") and isinstance(value, bool))):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if kind == "object":
        props = schema.get("properties", {})
        return (all(n in value for n in schema.get("required", [])) and all(n in props for n in value) and
                all(fits(v, props[n]) for n, v in value.items()))
    return True


def fact(server, doc, case):
    text = server.chat([{"role": "user", "content": doc + case["question"]}]).get("content") or ""
    if case["want"] is None:
        return bool(ABSENT.search(text)) and case["key"] in text, text
    return re.search(rf"(?<!\w){re.escape(case['want'])}(?!\w)", text) is not None and not ABSENT.search(text), text


def takes(schema):
    return {n: p["type"] for n, p in schema["properties"].items()}


def chain(server, case):
    """Play the chain: the table of results stands in for the tools.

    Some cases declare twins, two tools of the same parameters for the same end ("lookup" and "find_key"). Nothing
    tells them apart, so the table answers for either.
    """
    table = {json.dumps(a, sort_keys=True): res for a, res in case["steps"]}
    schema = {t["function"]["name"]: t["function"]["parameters"] for t in case["tools"]}
    kind = takes(schema[case["name"]])
    twins = [n for n in schema if takes(schema[n]) == kind]
    messages, done = [{"role": "user", "content": case["user"]}], 0
    while True:
        m = server.chat(messages, case["tools"], max_tokens=96)
        calls = m.get("tool_calls") or []
        if not calls:
            text = m.get("content") or ""
            if done != len(case["steps"]):
                return False, f"stopped after {done} calls: {text}"
            return re.search(rf"(?<!\w){re.escape(case['want'])}(?!\w)", text, re.I) is not None, text
        messages.append({"role": "assistant", "content": m.get("content"), "tool_calls": calls})
        for c in calls:
            name, raw = c["function"]["name"], c["function"]["arguments"]
            try:
                args = json.loads(raw)
            except ValueError:
                return False, f"call {done}: arguments are not JSON: {raw}"
            if name not in schema or not fits(args, schema[name]):
                return False, f"call {done}: does not fit the schema: {name} {raw}"
            if c["id"] != f"functions.{name}:{done}":
                return False, f"call {done}: id {c['id']}"
            res = table.get(json.dumps(args, sort_keys=True)) if name in twins else None
            if res is None:
                return False, f"call {done}: not what the last result asked for: {name} {raw}"
            messages.append({"role": "tool", "tool_call_id": c["id"], "content": res})
            done += 1
            if done > len(case["steps"]):
                return False, "more calls than steps"


def bits_per_byte(command, size):
    """`seam run --score`: nats over the held-out prose."""
    with lzma.open(os.path.join(TASKS, "prose.txt.xz"), "rt", encoding="utf-8") as f:
        text = f.read(size)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        out = subprocess.run(command.split() + ["--score", f.name, "--json"], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)["bits_per_byte"]


def document_jobs(only, limit):
    """One job a document: all questions on it in a row, the server's prefix cache then reads it once."""
    jobs = []
    absent = rows("absent") if "absent" in only else []

    def ask(server, doc, cases):
        return [(name, c, fact(server, doc, c)) for name, c in cases]

    for name in ("facts_2k_4k", "facts_12k_16k"):
        if name not in only and "absent" not in only:
            continue
        tasks = rows(name)
        docs = [x["text"] for x in tasks if "text" in x]
        mine = [(name, x) for x in tasks if "ask" in x][:limit] if name in only else []
        gone = [("absent", x) for x in absent if x["set"] == name][:max(1, limit // 2)]
        for d, doc in enumerate(docs):
            cases = [c for c in mine + gone if c[1]["ask"] == d]
            if cases:
                jobs.append((ask, doc, cases))
    return jobs


def chain_jobs(only, limit):
    def play(server, case):
        return [("chains_10", case, chain(server, case))]

    return [(play, case) for case in rows("chains_10")[:limit]] if "chains_10" in only else []


def main():
    p = argparse.ArgumentParser(description="thimble's held-out tasks against a running server")
    p.add_argument("--url", required=True, action="append", help="a server; several share the cases")
    p.add_argument("--model", help="name of the model in requests")
    p.add_argument("--only", default="facts_2k_4k,facts_12k_16k,absent,chains_10,prose")
    p.add_argument("--limit", type=int, default=10**9, help="cases of each set")
    p.add_argument("--score", help="command that scores prose, e.g. 'build/seam run -m models/thimble-q8_0.gguf'")
    p.add_argument("--prose-bytes", type=int, default=65536, help="how much of the held-out prose")
    p.add_argument("--verbose", action="store_true")
    a = p.parse_args()
    only = a.only.split(",")
    servers, count, start = queue.Queue(), {}, time.time()
    pool = [Server(url, a.model) for url in a.url]
    for server in pool:
        servers.put(server)

    def note(name, case, result):
        ok, text = result
        c = count.setdefault(name, [0, 0])
        c[0] += ok
        c[1] += 1
        if a.verbose or not ok:
            print(f"{name} {c[1]} {'ok' if ok else 'MISSED'}: {case.get('question') or case.get('user')} -> {text!r} "
                  f"(wanted {case['want']!r})", file=sys.stderr)

    def with_server(work, *words):
        server = servers.get()
        try:
            return work(server, *words)
        finally:
            servers.put(server)

    def score():
        return bits_per_byte(a.score, a.prose_bytes) if a.score and "prose" in only else None

    with ThreadPoolExecutor(len(pool) + 1) as threads:
        prose = threads.submit(score)
        jobs = [threads.submit(with_server, *job) for job in document_jobs(only, a.limit) + chain_jobs(only, a.limit)]
        for done, job in enumerate(jobs):
            try:
                results = job.result()
            except SystemExit as e:
                threads.shutdown(cancel_futures=True)
                sys.exit(e)
            for name, case, result in results:
                note(name, case, result)
            if sys.stderr.isatty() or done % 10 == 9:
                print(f"{done + 1} of {len(jobs)} documents and chains, {time.time() - start:.0f} s: {count}", file=sys.stderr)
        bpb = prose.result()
    paths = {}
    for server in pool:
        for path, n in server.paths.items():
            paths[path] = paths.get(path, 0) + n
    cases = ", ".join(f"{k} {v[0]}/{v[1]}" for k, v in count.items())
    print(f"{cases}; paths {paths}; {time.time() - start:.0f} s", file=sys.stderr)

    def percent(name):
        return f"{name}={100 * count[name][0] / count[name][1]:.1f}%" if name in count else f"{name}=not-run"

    print(*(percent(n) for n in ("facts_2k_4k", "facts_12k_16k", "absent", "chains_10")),
          f"bits_per_byte={bpb:.3f}" if bpb is not None else "bits_per_byte=not-run")


if __name__ == "__main__":
    main()
