#!/usr/bin/env python3
"""Fails when an include points upwards, or when a library or an operating system shows outside its folder.

  tools/layers.py              checks src/, prints the arrows it finds
  tools/layers.py --self-test  plants violations in a copy of nothing and expects each to be found

The order is the one in docs/decisions/0001-build.md: cmd > serve > pool > engine, fabric > model > base.
"""
import os
import re
import sys
import tempfile

# What each folder may include besides itself.
MAY = {
    "base": set(),
    "model": {"base"},
    "fabric": {"base"},
    "plan": {"base", "model"},
    "hub": {"base", "model"},
    "engine": {"base", "model"},
    "pool": {"base", "model", "fabric", "engine"},
    "serve": {"base", "model", "pool"},
    "check": {"base", "model", "plan", "hub", "fabric", "engine", "pool"},
    "cmd": {"base", "model", "plan", "hub", "check", "fabric", "engine", "pool", "serve"},
}

# Headers that may appear in some folders only: pattern, the folders (as path prefixes), what it is.
HOMES = [
    (r"(ggml.*|gguf)\.h$", ["engine/"], "ggml"),
    (r"rdma/", ["fabric/"], "libfabric"),
    (r"microhttpd\.h$", ["serve/"], "libmicrohttpd"),
    (r"pcre2.*\.h$", ["model/"], "PCRE2"),
    (r"utf8proc\.h$", ["model/"], "utf8proc"),
    (r"(yaml\.h|cyaml/.*)$", ["plan/"], "YAML"),
    (r"curl/", ["hub/"], "libcurl"),
    (r"sqlite3\.h$", ["plan/"], "SQLite"),
    (r"(cuda.*|cublas.*|cudnn.*|nvml)\.h$", ["engine/cuda/"], "CUDA"),
    (r"sodium.*", ["base/", "pool/", "fabric/"], "libsodium"),
    (r"(mach/|sys/sysctl\.h|sys/event\.h|libproc\.h|TargetConditionals\.h|Availability.*|IOKit/|CoreFoundation/)",
     ["base/os/"], "macOS"),
    (r"(linux/|sys/epoll\.h|sys/eventfd\.h|sys/timerfd\.h|sys/signalfd\.h|sys/inotify\.h|sys/sendfile\.h|"
     r"sys/syscall\.h|sys/sysinfo\.h|sys/prctl\.h|sys/vfs\.h|liburing\.h|malloc\.h|numa\.h|asm/)",
     ["base/os/"], "Linux"),
    (r"(windows|winsock2)\.h$", [], "Windows"),
]

# Words that belong to one operating system and so to base/os/ as well.
OS_WORDS = [
    (r"\bO_DIRECT\b|\bF_NOCACHE\b", "direct I/O"),
    (r'"/proc/|"/sys/', "/proc or /sys"),
    (r"#\s*if.*\b(__linux__|__APPLE__|_WIN32)\b|#\s*ifn?def\s+(__linux__|__APPLE__|_WIN32)\b", "an OS #if"),
]

# `seam version` names the system it was built for; to name it is not to use it.
OS_WORDS_MAY = ("base/os/", "cmd/version.c")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def without_comments(text):
    """Comments become blanks of the same lines, so that line numbers stay."""
    return COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def check_line(path, number, line, arrows):
    """Yields a complaint for each rule that this line of src/<path> breaks."""
    folder = path.split("/", 1)[0]
    where = f"src/{path}:{number}"
    if not path.startswith(OS_WORDS_MAY):
        for pattern, what in OS_WORDS:
            if re.search(pattern, line):
                yield f"{where}: {what} outside src/base/os"
    found = INCLUDE.match(line)
    if not found:
        return
    name = found.group(1) or found.group(2)
    target = name.split("/", 1)[0]
    if "/" in name and target in MAY:
        if target != folder:
            arrows[(folder, target)] = arrows.get((folder, target), 0) + 1
            if target not in MAY[folder]:
                yield f"{where}: {folder} must not include {target} (\"{name}\")"
    elif found.group(1) and ".." in name:
        yield f"{where}: include from the root src/, not \"{name}\""
    for pattern, homes, what in HOMES:
        if re.match(pattern, name) and not any(path.startswith(home) for home in homes):
            yield f"{where}: <{name}> ({what}) outside {', '.join('src/' + h for h in homes) or 'any folder'}"


def check_tree(src):
    """Returns (complaints, arrows, number of files) for the folder src."""
    complaints, arrows, files = [], {}, 0
    for base, _, names in sorted(os.walk(src)):
        for name in sorted(names):
            if not re.search(r"\.(c|h|cu|cuh|m|cpp|hpp)$", name):
                continue
            full = os.path.join(base, name)
            path = os.path.relpath(full, src).replace(os.sep, "/")
            if path.split("/", 1)[0] not in MAY:
                complaints.append(f"src/{path}: no layer is called {path.split('/', 1)[0]} (tools/layers.py)")
                continue
            files += 1
            with open(full, encoding="utf-8", errors="replace") as handle:
                text = without_comments(handle.read())
            for number, line in enumerate(text.split("\n"), 1):
                complaints += check_line(path, number, line, arrows)
    return complaints, arrows, files


def self_test():
    """Each planted line must be found, and nothing in the clean ones."""
    planted = [
        ("base/a.c", '#include "model/model.h"'),
        ("base/a.h", '  #  include "cmd/option.h"'),
        ("model/a.c", "#include <ggml.h>"),
        ("model/b.c", "#include <gguf.h>"),
        ("fabric/a.c", '#include "engine/engine.h"'),
        ("engine/a.c", '#include "pool/pool.h"'),
        ("engine/b.c", "#include <rdma/fabric.h>"),
        ("engine/c.c", "#include <cuda_runtime.h>"),
        ("serve/a.c", '#include "engine/engine.h"'),
        ("pool/a.c", "#include <microhttpd.h>"),
        ("cmd/a.c", "#include <pcre2.h>"),
        ("cmd/b.c", "#include <ggml-cpu.h>"),
        ("cmd/d.c", "#include <curl/curl.h>"),
        ("cmd/e.c", "#include <sqlite3.h>"),
        ("pool/b.c", "#include <sys/epoll.h>"),
        ("base/b.c", "#include <mach/mach.h>"),
        ("fabric/b.c", "int x = O_DIRECT;"),
        ("base/c.c", "#ifdef __linux__"),
        ("serve/b.c", '#include "../pool/pool.h"'),
        ("extra/a.c", "int x;"),
    ]
    clean = [
        ("base/os/os_linux.c", '#include <sys/epoll.h>\nint x = O_DIRECT;\nconst char *p = "/proc/self";'),
        ("engine/d.c", '#include <ggml.h>\n#include "model/model.h"\n#include "engine/engine.h"'),
        ("fabric/c.c", '#include <rdma/fabric.h>\n/* O_DIRECT is for base/os\n#include "cmd/option.h" */'),
        ("serve/c.c", '#include <microhttpd.h>\n#include "pool/pool.h"\n#include <stdio.h>'),
        ("cmd/c.c", '#include "engine/engine.h" // #include <ggml.h>'),
    ]
    failed = 0
    for cases, expect in ((planted, True), (clean, False)):
        for path, text in cases:
            with tempfile.TemporaryDirectory() as root:
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full))
                with open(full, "w", encoding="utf-8") as handle:
                    handle.write(text + "\n")
                complaints, _, _ = check_tree(root)
            if bool(complaints) != expect:
                failed += 1
                print(f"self-test: {path}: {text!r}: expected {'a' if expect else 'no'} complaint, got {complaints}")
    print(f"layers self-test: {len(planted)} planted and {len(clean)} clean files, {failed} wrong")
    return 1 if failed else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    src = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
    complaints, arrows, files = check_tree(src)
    order = list(MAY)
    for folder in reversed(order):
        out = [f"{to} ({arrows[(folder, to)]})" for to in reversed(order) if (folder, to) in arrows]
        if out:
            print(f"{folder:7s} -> {', '.join(out)}")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if files == 0:
        print("layers: found no source files", file=sys.stderr)
        return 1
    print(f"layers: {files} files, {len(complaints)} wrong")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
