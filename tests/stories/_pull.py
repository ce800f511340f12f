"""The cases of pull.sh: seam pull against _hub.py, each seeded case with one fault. Each must end in the right bytes under their name or in one
clear error with its exit status, and nothing but the right bytes may ever lie under a final name. Usage: _pull.py SEAM FOLDER [CASES]"""
import concurrent.futures
import json
import os
import pty
import random
import re
import resource
import signal
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _hub import Hub, REPO

SEAM, HERE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
N_CASES = int(sys.argv[3]) if len(sys.argv) > 3 else 200
PIECE = 65536
FAILED = []


def clean_env(**more):
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith(("HF_", "HUGGING_"))}
    return {**env, "HOME": HERE, "SEAM_LOG": "info", **more}


def command(case, out, *words, what="Q8_0"):
    return [SEAM, "pull", f"{REPO}:{what}", "-o", out, "--endpoint", case.endpoint, "--retries", "3", "--timeout", "2", *words]


def pull(case, out, *words, what="Q8_0", limit=None, **env):
    def prepare():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return subprocess.run(command(case, out, *words, what=what), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          env=clean_env(**env), preexec_fn=prepare if limit else None)


def names(case, what="Q8_0"):
    return {os.path.basename(p): b for p, b in case.files.items() if p.startswith(what)}


def read(path):
    with open(path, "rb") as f:
        return f.read()


def wrong_files(case, out):
    """Final names that hold something else than the hub's bytes."""
    have = [n for n in (os.listdir(out) if os.path.isdir(out) else []) if n.endswith(".gguf")]
    return [n for n in have if read(f"{out}/{n}") != names(case).get(n)]


def check(ok, story, own=None):
    if not ok:
        if own is not None:
            own.append(story)
        FAILED.append(story)
        print(f"FAILED: {story}", file=sys.stderr)
    return ok


# ---- faults: `times` says how often each strikes (a large number: always) ----

class Fault:
    """status: what a permanent fault ends in. exact: no byte that arrived may be asked for again."""
    status, exact, status_any = None, True, ()

    def __init__(self, rng, always):
        self.rng, self.always = rng, always
        self.times = 10 ** 9 if always else rng.randint(1, 3)

    def strikes(self, case):
        return case.count("fault") < self.times

    def tree(self, case, reply):
        pass

    def resolve(self, case, path, reply):
        pass

    def bytes(self, case, path, first, last, reply):
        pass


def body_fault(name, status, exact, change):
    def bytes_(self, case, path, first, last, reply):
        if self.strikes(case):
            change(self, case, path, first, last, reply)
    return type(name, (Fault,), {"bytes": bytes_, "status": status, "exact": exact, "__name__": name})


def resolve_fault(name, status, change):
    def resolve(self, case, path, reply):
        if self.strikes(case):
            change(self, reply)
    return type(name, (Fault,), {"resolve": resolve, "status": status})


def tree_fault(name, status, change, exact=True):
    def tree(self, case, reply):
        if self.strikes(case):
            change(self, reply)
    return type(name, (Fault,), {"tree": tree, "status": status, "exact": exact})


def say(reply, status, *headers, text=b"<html>no</html>"):
    reply.status, reply.headers, reply.body = status, list(headers), text


def say_bytes(reply, status, *headers):
    say(reply, status, *headers)
    reply.headers.append(("Content-Length", str(len(reply.body))))


def header(reply, key, value):
    reply.headers = [(k, v) for k, v in reply.headers if k != key] + ([(key, value)] if value is not None else [])


def cut(f, case, path, first, last, r):
    # always: nothing arrives any more after the first pieces
    r.cut = f.rng.randrange(len(r.body)) if case.count("cut") < 5 else 0


def stall(f, case, path, first, last, r):
    r.stall = f.rng.randrange(len(r.body))
    if f.always and case.count("stall") >= 2:
        r.stall = 0


def slow(f, case, path, first, last, r):
    r.pause = 0.01


def wrong_range(f, case, path, first, last, r):
    data = case.files[path]
    shift = f.rng.choice([-1, 1, 64, -4096])
    a = max(0, min(len(data) - 1, first + shift))
    r.body = data[a:a + len(r.body)]
    header(r, "Content-Range", f"bytes {a}-{a + len(r.body) - 1}/{len(data)}")
    header(r, "Content-Length", str(len(r.body)))
    if a == first:
        header(r, "Content-Range", f"bytes {a + 1}-{a + len(r.body)}/{len(data)}")


def no_range_header(f, case, path, first, last, r):
    header(r, "Content-Range", f.rng.choice([None, "bytes */*", "bytes 99999999999999999999-1/2", "items 0-1/2"]))


def other_total(f, case, path, first, last, r):
    header(r, "Content-Range", f"bytes {first}-{last}/{len(case.files[path]) + f.rng.choice([-1, 1, 10 ** 12])}")


def whole_file(f, case, path, first, last, r):
    r.status, r.body = 200, case.files[path]
    header(r, "Content-Range", None)
    header(r, "Content-Length", str(len(r.body)))


def long_length(f, case, path, first, last, r):  # announces more than it has, and more than was asked for
    header(r, "Content-Length", str(len(r.body) + f.rng.randint(1, 99999)))
    r.cut = len(r.body)


def short_length(f, case, path, first, last, r):
    header(r, "Content-Length", str(f.rng.randrange(len(r.body))))


def overlong(f, case, path, first, last, r):  # no length, and more bytes than were asked for
    header(r, "Content-Length", None)
    r.body = r.body + b"x" * f.rng.randint(1, 9999)
    r.cut = len(r.body)


def short_body(f, case, path, first, last, r):  # no length, fewer bytes, and a clean end
    header(r, "Content-Length", None)
    r.cut = f.rng.randrange(len(r.body))
    if f.always and case.count("short") >= 3:
        r.cut = 0


def flip(f, case, path, first, last, r):
    at = f.rng.randrange(len(r.body))
    r.body = r.body[:at] + bytes([r.body[at] ^ (1 << f.rng.randrange(8))]) + r.body[at + 1:]


def other_bytes(f, case, path, first, last, r):  # the right headers, bytes from elsewhere
    r.body = r.body[1:] + r.body[:1]
    if r.body == case.files[path][first:last + 1]:
        flip(f, case, path, first, last, r)


def encoded(f, case, path, first, last, r):
    r.headers.append(("Content-Encoding", "gzip"))


def busy(f, r):
    say(r, 429, *f.rng.choice([(), (("Retry-After", "0"),), (("Retry-After", "1"),)]))


def come_back_tomorrow(f, r):
    say(r, f.rng.choice([429, 503]), ("Retry-After", f.rng.choice(["86400", "Fri, 31 Dec 2100 23:59:59 GMT"])))


def server_error(f, r):
    say(r, f.rng.choice([500, 502, 503, 504]))


def hang_up(f, case, path, first, last, r):
    r.rude = b""


def garbage(f, case, path, first, last, r):
    r.rude = f.rng.choice([b"\0\1\2\3\r\n\r\n", b"HTTP/1.1 2\r\n\r\nxx", b"GGUF" * 100, b"HTTP/1.1 206\r\nContent-Length: -5\r\n\r\nabc"])


def expired(f, case, path, first, last, r):
    say_bytes(r, f.rng.choice([401, 403, 404, 410]))


def cdn_busy(f, case, path, first, last, r):
    say_bytes(r, f.rng.choice([429, 500, 503]))


def circles(f, r):
    r.headers = [("Location", "?again")]


def nowhere(f, r):
    r.headers = [("Location", f.rng.choice(["ftp://127.0.0.1/x", "file:///etc/passwd", "http://[broken", "gopher://x/"]))]


def no_location(f, r):
    r.headers = []


def dead_cdn(f, r):
    r.headers = [("Location", "http://127.0.0.1:9/x")]


def gated(f, r):
    say(r, f.rng.choice([401, 403]), ("X-Error-Code", "GatedRepo"))


def gone(f, r):
    say(r, 404, ("X-Error-Code", "EntryNotFound"))


def no_repo(f, r):
    say(r, 401, ("X-Error-Code", "RepoNotFound"))


def no_revision(f, r):
    say(r, 404, ("X-Error-Code", "RevisionNotFound"))


def bad_json(f, r):
    r.body = f.rng.choice([b"", b"{}", b"[", b"[1]", r.body[:len(r.body) // 2], b"<html>captive portal</html>", b'[{"type":"file"}]'])


def evil_path(f, r):
    path = f.rng.choice(["../../x.gguf", "/etc/x.gguf", "a/../x.gguf", "a//x.gguf", ".ssh/x.gguf", "a\\x.gguf", "a/\nx.gguf"])
    r.body = json.dumps([{"type": "file", "path": path, "size": 1, "lfs": {"oid": "0" * 64, "size": 1}}]).encode()


def edit_listing(change):
    def apply(f, r):
        entries = json.loads(r.body)
        for e in entries:
            if e["path"].endswith(".gguf"):
                change(f, e)
        r.body = json.dumps(entries).encode()
    return apply


def drop_hash(f, e):
    del e["lfs"]


def wrong_hash(f, e):
    e["lfs"]["oid"] = "%064x" % f.rng.getrandbits(256)


def bad_hash(f, e):
    e["lfs"]["oid"] = e["lfs"]["oid"][:-1] + "g"


def wrong_size(f, e):
    e["size"] = e["lfs"]["size"] = e["size"] + f.rng.choice([-1, 1])


def two_sizes(f, e):
    e["lfs"]["size"] = e["size"] + 1


def huge(f, e):
    e["size"] = e["lfs"]["size"] = 10 ** 14


NEVER, ANY = "permanent only", "both"
FAULTS = [
    (body_fault("cut", 12, True, cut), ANY),
    (body_fault("stall", 11, True, stall), ANY),
    (body_fault("slow", 0, True, slow), ANY),
    (body_fault("wrong_range", 9, False, wrong_range), ANY),
    (body_fault("no_range_header", 9, False, no_range_header), ANY),
    (body_fault("other_total", 9, False, other_total), ANY),
    (body_fault("whole_file", 9, False, whole_file), ANY),
    (body_fault("long_length", 9, False, long_length), ANY),
    (body_fault("short_length", 9, False, short_length), ANY),
    (body_fault("overlong", (4, 9), False, overlong), ANY),
    (body_fault("short_body", 9, True, short_body), ANY),
    (body_fault("flip", 4, False, flip), ANY),
    (body_fault("other_bytes", 4, False, other_bytes), ANY),
    (body_fault("encoded", 9, False, encoded), ANY),
    (body_fault("hang_up", 12, True, hang_up), ANY),
    (body_fault("garbage", (9, 12), True, garbage), ANY),
    (body_fault("expired", 12, True, expired), ANY),
    (body_fault("cdn_busy", (12, 14), True, cdn_busy), ANY),
    (resolve_fault("busy", 14, busy), ANY),
    (resolve_fault("server_error", 12, server_error), ANY),
    (resolve_fault("come_back_tomorrow", 14, come_back_tomorrow), NEVER),
    (resolve_fault("circles", 9, circles), NEVER),
    (resolve_fault("nowhere", 9, nowhere), NEVER),
    (resolve_fault("no_location", 9, no_location), NEVER),
    (resolve_fault("dead_cdn", 12, dead_cdn), ANY),
    (resolve_fault("gated", 16, gated), NEVER),
    (resolve_fault("gone", 8, gone), NEVER),
    (tree_fault("tree_busy", 14, busy), ANY),
    (tree_fault("tree_error", 12, server_error), ANY),
    (tree_fault("tree_gated", 16, gated), NEVER),
    (tree_fault("no_repo", 8, no_repo), NEVER),
    (tree_fault("no_revision", 8, no_revision), NEVER),
    (tree_fault("bad_json", 4, bad_json), NEVER),
    (tree_fault("evil_path", 4, evil_path), NEVER),
    (tree_fault("drop_hash", 4, edit_listing(drop_hash)), NEVER),
    (tree_fault("wrong_hash", 4, edit_listing(wrong_hash), exact=False), NEVER),
    (tree_fault("bad_hash", 4, edit_listing(bad_hash)), NEVER),
    (tree_fault("wrong_size", 9, edit_listing(wrong_size), exact=False), NEVER),
    (tree_fault("two_sizes", 4, edit_listing(two_sizes)), NEVER),
    (tree_fault("huge", 17, edit_listing(huge)), NEVER),
]


def overlap(sent):
    """Bytes that were sent twice."""
    twice, by_path = 0, {}
    for path, first, n in sent:
        by_path.setdefault(path, []).append((first, first + n))
    for ranges in by_path.values():
        ranges.sort()
        end = 0
        for a, b in ranges:
            twice += max(0, min(end, b) - a)
            end = max(end, b)
    return twice


def seeded_case(hub, files, seed):
    """Returns how it ended: 'verified' or 'error'; None when the case failed."""
    rng = random.Random(seed)
    fault_class, when = FAULTS[seed % len(FAULTS)]
    always = when == NEVER or seed // len(FAULTS) % 2 == 1
    fault = fault_class(rng, always)
    name, out = f"s{seed}-{fault_class.__name__}{'-always' if always else ''}", f"{HERE}/s{seed}"
    case = hub.case(name, files, fault, rng, page=rng.randint(1, 7))
    own = []
    r = pull(case, out, "--jobs", str(rng.choice([1, 2, 4, 8])))
    want = fault.status if always else 0
    want = want if isinstance(want, tuple) else (want,)
    last = r.stderr.strip().splitlines()[-1] if r.stderr.strip() else ""
    story = f"{name}: exit status {r.returncode}, {last[:300]}"
    check(r.returncode in want, f"{story} (not {want})", own)
    check(not wrong_files(case, out), f"{story}: wrong bytes under the name of {wrong_files(case, out)}", own)
    if r.returncode == 0:
        have = {n for n in os.listdir(out) if n.endswith(".gguf")}
        check(have == set(names(case)), f"{story}: success without {set(names(case)) - have}", own)
        check(not [n for n in os.listdir(out) if n.endswith((".part", ".resume"))], f"{story}: left {os.listdir(out)}", own)
    else:
        check(last.startswith("seam pull: ") and len(last) > 30, f"{story}: no clear error", own)
    if always and r.returncode != 0:  # the fault goes away: the same command brings the rest
        case.fault, kept = None, case.bytes_sent()
        case.listing = Hub.case(hub, name + "-again", files).listing
        again = pull(case, out)
        check(again.returncode == 0 and not wrong_files(case, out), f"{name}: again: {again.returncode} {again.stderr[-300:]}", own)
    if fault.exact:
        twice = overlap(case.sent)
        check(twice == 0, f"{name}: {twice} bytes were sent twice", own)
    if own:
        return None
    return "verified" if r.returncode == 0 else "error"


# ---- what is not seeded ----

def recorded(path):
    """piece -> bytes there, by NAME.resume; {} when there is none."""
    try:
        data = read(path)
    except FileNotFoundError:
        return {}
    if len(data) < 64:  # just made
        return {}
    n = struct.unpack_from("<I", data, 56)[0]
    return dict(enumerate(struct.unpack_from(f"<{n}I", data, 64)))


def there(case, out):
    """Bytes that the next pull need not fetch."""
    return sum(len(b) if os.path.exists(f"{out}/{n}") else sum(recorded(f"{out}/{n}.resume").values()) for n, b in names(case).items())


class Slow(Fault):
    def bytes(self, case, path, first, last, reply):
        reply.pause = 0.02


def story_interrupted(hub, files, how, seed):
    """Killed or interrupted in the middle: what was counted is not asked for again."""
    rng = random.Random(seed)
    case = hub.case(f"{how.name}-{seed}", files, Slow(rng, True), rng)
    out, all_bytes = f"{HERE}/{how.name}-{seed}", sum(map(len, names(case).values()))
    p = subprocess.Popen(command(case, out, "--jobs", "3"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env())
    want = all_bytes * rng.uniform(0.2, 0.7)
    while p.poll() is None and there(case, out) < want:
        time.sleep(0.005)
    p.send_signal(how)
    p.communicate()
    check(p.returncode == (13 if how == signal.SIGINT else -9), f"{case.name}: exit status {p.returncode}")
    check(not wrong_files(case, out), f"{case.name}: wrong bytes after the signal")
    left = {n: recorded(f"{out}/{n}.resume") for n in names(case)}
    done = {n for n in names(case) if os.path.exists(f"{out}/{n}")}
    kept = there(case, out)
    check(0 < kept < all_bytes, f"{case.name}: {kept} of {all_bytes} bytes kept: the signal came at the wrong time")
    case = hub.case(f"{case.name}-again", files)  # what the old one still sends goes nowhere
    r = pull(case, out)
    check(r.returncode == 0 and not wrong_files(case, out), f"{case.name}: resume: {r.returncode}, {r.stderr[-300:]}")
    for path, first, last in case.asked:
        n, piece = os.path.basename(path), first // PIECE
        have = left[n].get(piece, 0)
        check(n not in done and first == piece * PIECE + have,
              f"{case.name}: asked for bytes {first}-{last} of {n}, of which piece {piece} had {have} already")
    check(case.bytes_sent() == all_bytes - kept, f"{case.name}: resume fetched {case.bytes_sent()}, missing were {all_bytes - kept}")


class Gate(Fault):
    """Answers nothing until it is opened."""

    def bytes(self, case, path, first, last, reply):
        self.opened.wait(60)


def story_two_at_once(hub, files):
    case = hub.case("two", files, Gate(random.Random(1), True))
    case.fault.opened = threading.Event()
    out = f"{HERE}/two"
    p = subprocess.Popen(command(case, out, "--timeout", "60"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env())
    while not case.sent and not case.asked:
        time.sleep(0.005)
    r = pull(case, out)
    check(r.returncode == 14 and "another seam pull" in r.stderr, f"two at once: {r.returncode}, {r.stderr[-200:]}")
    case.fault.opened.set()
    p.communicate()
    check(p.returncode == 0 and not wrong_files(case, out) and overlap(case.sent) == 0, f"two at once: the first: {p.returncode}")


def story_full_disk(hub, files):
    case = hub.case("full", files)
    out = f"{HERE}/full"
    r = pull(case, out, limit=100000)
    check(r.returncode == 17 and "kept" in r.stderr and not wrong_files(case, out), f"full disk: {r.returncode}, {r.stderr[-200:]}")
    r = pull(case, out)
    check(r.returncode == 0 and not wrong_files(case, out), f"full disk, then room: {r.returncode}, {r.stderr[-200:]}")


def story_there_already(hub, files):
    case = hub.case("there", files)
    out = f"{HERE}/there"
    pull(case, out)
    before, name = case.bytes_sent(), sorted(names(case))[0]
    r = pull(case, out, "--json")
    check(r.returncode == 0 and case.bytes_sent() == before, f"there already: {r.returncode}, fetched again")
    events = [json.loads(line) for line in r.stdout.splitlines()]
    check([e["event"] for e in events if e["event"] != "progress"] == ["list", "file", "file", "file", "done"], f"--json: {r.stdout}")
    check(all(e["was_there"] for e in events if e["event"] == "file"), "--json: files that were there are not said to be")
    sums = subprocess.run(["sha256sum", "-c"] + [f"{n}.sha256" for n in names(case)], cwd=out, capture_output=True, text=True)
    check(sums.returncode == 0, f"sha256sum -c: {sums.stdout} {sums.stderr}")
    bad = bytearray(names(case)[name])
    bad[77] ^= 1
    with open(f"{out}/{name}", "wb") as f:
        f.write(bad)
    r = pull(case, out)
    check(r.returncode == 10 and "move it away" in r.stderr and read(f"{out}/{name}") == bad, f"a wrong file there: {r.returncode}, {r.stderr[-200:]}")
    with open(f"{out}/{name}", "wb") as f:
        f.write(b"mine")
    r = pull(case, out)
    check(r.returncode == 10 and read(f"{out}/{name}") == b"mine", f"a file of the user's there: {r.returncode}, {r.stderr[-200:]}")


def story_changed_at_the_hub(hub, files):
    """A part of yesterday's file is not mixed with today's."""
    case = hub.case("changed", files, body_fault("c", 12, True, cut)(random.Random(5), True))
    out = f"{HERE}/changed"
    pull(case, out)
    other = hub.case("changed2", {p: b[::-1] for p, b in files.items()})
    r = pull(other, out)
    check(r.returncode == 0 and not wrong_files(other, out) and "from its beginning" in r.stderr, f"changed at the hub: {r.returncode}, {r.stderr[-300:]}")


def story_damaged_state(hub, files):
    for seed in range(8):
        rng = random.Random(seed)
        case = hub.case(f"damaged{seed}", files, body_fault("c", 12, True, cut)(rng, True), rng)
        out = f"{HERE}/damaged{seed}"
        pull(case, out)
        for n in os.listdir(out):
            if n.endswith(".resume"):
                data = bytearray(read(f"{out}/{n}"))
                at = rng.randrange(len(data))
                data = data[:at] if seed % 2 else data[:at] + bytes([data[at] ^ 255]) + data[at + 1:]
                with open(f"{out}/{n}", "wb") as f:
                    f.write(data)
        case.fault = None
        r = pull(case, out)
        check(r.returncode == 0 and not wrong_files(case, out), f"{case.name}: {r.returncode}, {r.stderr[-300:]}")


def story_token(hub, files):
    secret = "hf_secretsecretsecret"
    case = hub.case("token", files)
    r = pull(case, f"{HERE}/token", HF_TOKEN=secret)
    check(r.returncode == 0 and secret not in r.stdout + r.stderr, f"token: {r.returncode}, or it was printed")
    check({t for cdn, t in case.tokens if not cdn} == {f"Bearer {secret}"}, f"token: the hub got {set(case.tokens)}")
    check({t for cdn, t in case.tokens if cdn} == {None}, f"token: the CDN got {set(case.tokens)}")
    os.makedirs(f"{HERE}/home", exist_ok=True)
    with open(f"{HERE}/home/token", "w") as f:
        f.write(secret + "\n")
    case = hub.case("token2", files)
    pull(case, f"{HERE}/token2", "--list", HF_HOME=f"{HERE}/home")
    check({t for _, t in case.tokens} == {f"Bearer {secret}"}, f"token file: the hub got {set(case.tokens)}")
    r = pull(case, f"{HERE}/token2", HF_TOKEN="a\nb: c")
    check(r.returncode == 2 and "HF_TOKEN" in r.stderr, f"a token with a line break: {r.returncode}, {r.stderr}")


def story_proxy(hub, files):
    """http_proxy is honoured: the hub's name does not resolve, the proxy (our server) answers."""
    case = hub.case("proxy", files)
    env = {"http_proxy": hub.address, "no_proxy": "127.0.0.1"}
    case.endpoint = "http://hub.invalid/proxy"
    r = pull(case, f"{HERE}/proxy", HF_TOKEN="hf_abc", **env)
    check(r.returncode == 0 and not wrong_files(case, f"{HERE}/proxy"), f"proxy: {r.returncode}, {r.stderr[-300:]}")
    check("without encryption" in r.stderr and {t for _, t in case.tokens} == {None}, "a token went over a network in the clear")
    r = pull(case, f"{HERE}/offline", "--retries", "1")
    check(r.returncode == 12 and "offline" in r.stderr, f"offline: {r.returncode}, {r.stderr[-300:]}")
    r = pull(case, f"{HERE}/offline", HF_HUB_OFFLINE="1")
    check(r.returncode == 12 and "HF_HUB_OFFLINE" in r.stderr, f"HF_HUB_OFFLINE: {r.returncode}, {r.stderr[-300:]}")


def story_terminal(hub, files):
    """On a terminal it asks, and draws a bar."""
    for answer, status in ((b"n\n", 13), (b"y\n", 0)):
        case, out = hub.case(f"terminal{status}", files, Slow(random.Random(3), True)), f"{HERE}/terminal{status}"
        ours, theirs = pty.openpty()
        p = subprocess.Popen(command(case, out, "--jobs", "2"), stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, env=clean_env())
        os.close(theirs)
        said = b""
        try:
            while data := os.read(ours, 4096):
                said += data
                if said.endswith(b"[y/N] "):
                    os.write(ours, answer)
        except OSError:
            pass  # the program has ended
        p.communicate()
        os.close(ours)
        check(p.returncode == status and b"Fetch 1.21 MB into" in said, f"terminal: {p.returncode}, {said[-300:]}")
        check((b"pull: [###" in said) == (status == 0) and not wrong_files(case, out), f"terminal: {said[-300:]}")


def story_layers(hub, files):
    case = hub.case("layers", files)
    lists = {}
    for layers in ("0-0", "1-1", "3-3", "0-3", "1-9"):
        r = pull(case, f"{HERE}/layers", "--only-layers", layers, "--list", "--json")
        if layers == "1-9":
            check(r.returncode == 2 and "0-3" in r.stderr, f"--only-layers {layers}: {r.returncode}, {r.stderr[-200:]}")
            continue
        check(r.returncode == 0, f"--only-layers {layers}: {r.returncode}, {r.stderr[-200:]}")
        files_ = json.loads(r.stdout)["models"][0]["files"]
        lists[layers] = [f["fetch"] for f in files_]
    check(all(l[0] for l in lists.values()) and all(lists["0-3"]), f"--only-layers: {lists}")
    check(not all(lists["1-1"]) and not all(lists["3-3"]) and lists["0-0"] != lists["3-3"], f"--only-layers: {lists}")
    r = pull(case, f"{HERE}/layers", "--only-layers", "1-1")
    have = {n for n in os.listdir(f"{HERE}/layers") if n.endswith(".gguf")}
    check(r.returncode == 0 and len(have) == sum(lists["1-1"]) and "PART" in r.stderr, f"--only-layers 1-1: {have}, {r.stderr[-200:]}")
    check(not wrong_files(case, f"{HERE}/layers"), "--only-layers: wrong bytes")


def story_names(hub, files):
    case, out = hub.case("names", files), f"{HERE}/names"
    for what, status, pattern in [
            ("Q9", 8, "no 'Q9'.*Q8_0/tiny-Q8_0"), ("F16", 0, ""), ("*", 0, "8 files|"), ("mmproj-F16.gguf", 0, ""),
            ("Q8_0/*-00002-of-*", 0, "3 files")]:
        r = pull(case, out, "--list", what=what)
        check(r.returncode == status and re.search(pattern, r.stderr + r.stdout), f"{what}: {r.returncode}, {r.stderr[-300:]}{r.stdout}")
    r = subprocess.run([SEAM, "pull", REPO, "--endpoint", case.endpoint], capture_output=True, text=True, env=clean_env(), cwd=HERE)
    check(r.returncode == 2 and "which of 2" in r.stderr, f"no quantisation: {r.returncode}, {r.stderr[-300:]}")
    r = subprocess.run([SEAM, "pull", "no/such", "--endpoint", case.endpoint], capture_output=True, text=True, env=clean_env(), cwd=HERE)
    check(r.returncode == 8 and "no such repository" in r.stderr, f"no/such: {r.returncode}, {r.stderr[-300:]}")
    missing = {p: b for p, b in files.items() if "00002" not in p}
    r = pull(hub.case("missing", missing), out)
    check(r.returncode == 4 and "2 of 3 splits" in r.stderr, f"a split missing: {r.returncode}, {r.stderr[-300:]}")


def make_files():
    subprocess.run([SEAM, "synth", "--like", "llama-3.1-8b", "--layers", "4", "--vocab", "1024", "--ctx", "64", "--type", "Q4_0", "--splits", "3",
                    "--set", "embedding_length=256", "--set", "feed_forward_length=256", "--set", "attention.head_count=2",
                    "--set", "attention.head_count_kv=1", "-o", f"{HERE}/tiny-Q8_0.gguf"],
                   check=True, capture_output=True, env=clean_env())
    files = {f"Q8_0/{n}": read(f"{HERE}/{n}") for n in sorted(os.listdir(HERE)) if n.startswith("tiny-")}
    rng = random.Random(7)
    files["tiny-F16.gguf"] = b"GGUF" + rng.randbytes(1000)
    files["mmproj-F16.gguf"] = b"GGUF" + rng.randbytes(500)
    assert len(files) == 5, files.keys()
    return files


def main():
    begin = time.monotonic()
    files, hub = make_files(), Hub()
    print({os.path.basename(p): len(b) for p, b in files.items()})
    stories = [(story_interrupted, hub, files, how, s) for how in (signal.SIGKILL, signal.SIGINT) for s in range(3)]
    stories += [(s, hub, files) for s in (story_two_at_once, story_full_disk, story_there_already, story_changed_at_the_hub,
                                          story_damaged_state, story_token, story_proxy, story_terminal, story_layers, story_names)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        seeded = [pool.submit(seeded_case, hub, files, seed) for seed in range(N_CASES)]
        others = [(s, pool.submit(*s)) for s in stories]
        ends = [f.result() for f in seeded]
        for s, f in others:
            if f.exception():
                check(False, f"{s[0].__name__}: {f.exception()!r}")
    good, errors = ends.count("verified"), ends.count("error")
    print(f"{good + errors} of {N_CASES} seeded cases: {good} verified, {errors} clear errors, then fetched by the same command; "
          f"{len(stories)} other stories; {len(FAILED)} failures; {time.monotonic() - begin:.1f} s")
    return 1 if FAILED or good + errors != N_CASES else 0


if __name__ == "__main__":
    sys.exit(main())
