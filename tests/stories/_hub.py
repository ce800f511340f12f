"""A stand-in for a Hugging Face-style hub and its CDN, with faults, that counts every byte it sends.

Repositories are folders of bytes: hub.case(files, fault) gives a Case with an address of its own, so that hundreds of cases share one
server. The hub answers GET /CASE/api/models/REPO/tree/REV?recursive=1 (in pages) and redirects /CASE/REPO/resolve/REV/PATH to the CDN, which
is another port of the same process. A fault is a function of tests/stories/_pull.py that may take over an answer."""
import hashlib
import json
import re
import socket
import socketserver
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

REPO = "test/tiny-GGUF"


class Case:
    """One repository with one fault. `sent`: what left for each path, as (first, count) in order of asking."""

    def __init__(self, name, files, fault=None, rng=None, page=2):
        self.name, self.files, self.fault, self.rng, self.page = name, dict(files), fault, rng, page
        self.lock = threading.Lock()
        self.sent, self.asked, self.tokens, self.counts, self.log = [], [], [], {}, []
        self.listing = [
            {"type": "file", "oid": "0" * 40, "size": len(b), "path": p,
             "lfs": {"oid": hashlib.sha256(b).hexdigest(), "size": len(b), "pointerSize": 134}}
            for p, b in self.files.items()]
        self.listing.insert(0, {"type": "directory", "oid": "0" * 40, "size": 0, "path": "Q8_0"})
        self.listing.append({"type": "file", "oid": "1" * 40, "size": 12, "path": "README.md"})

    def count(self, what):
        """How often this was called with `what` before."""
        with self.lock:
            n = self.counts.get(what, 0)
            self.counts[what] = n + 1
            return n

    def bytes_sent(self):
        with self.lock:
            return sum(n for _, _, n in self.sent)


class Reply:
    """What would be answered to a request for bytes; a fault changes it."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.cut = None     # close after so many bytes of the body
        self.pause = 0      # seconds between 8 KiB
        self.stall = None   # stop sending after so many bytes, but stay
        self.rude = None    # bytes to send instead of HTTP, then close


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, reply, case=None, path=None, first=0):
        if reply.rude is not None:
            self.wfile.write(reply.rude)
            self.close_connection = True
            return
        self.send_response_only(reply.status)
        for key, value in reply.headers:
            self.send_header(key, value)
        self.end_headers()
        body, end, sent = reply.body, len(reply.body), 0
        if reply.cut is not None:
            end = min(end, reply.cut)
        try:
            while sent < end:
                n = end - sent if not reply.pause else min(8192, end - sent)
                if reply.stall is not None:
                    n = min(n, reply.stall - sent)
                    if n <= 0:
                        self.connection.settimeout(20)
                        self.connection.recv(1)  # until the client leaves
                        break
                self.wfile.write(body[sent:sent + n])
                sent += n
                if reply.pause:
                    time.sleep(reply.pause)
        except (BrokenPipeError, ConnectionResetError, socket.timeout):
            self.close_connection = True
        finally:
            if case and path and reply.status in (200, 206):
                with case.lock:
                    case.sent.append((path, first, sent))
        if reply.cut is not None or reply.stall is not None:
            self.close_connection = True

    def refuse(self, status, *headers, text=b"no"):
        self.send(Reply(status, [("Content-Length", str(len(text))), *headers], text))

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)  # with a proxy, the whole address
        parts = urllib.parse.unquote(url.path).lstrip("/").split("/", 1)
        case = self.server.hub.cases.get(parts[0])
        if not case or len(parts) < 2:
            self.refuse(404)
            return
        cdn = self.server.is_cdn
        with case.lock:
            case.tokens.append((cdn, self.headers.get("Authorization")))
        tail = parts[1]
        if tail == f"api/models/{REPO}/tree/main" and not cdn:
            self.do_tree(case, url)
        elif tail.startswith(f"{REPO}/resolve/main/") and not cdn:
            self.do_resolve(case, tail[len(f"{REPO}/resolve/main/"):])
        elif tail.startswith("cdn/") and cdn:
            self.do_bytes(case, tail[4:])
        elif tail.startswith("api/models/"):
            self.refuse(401, ("X-Error-Code", "RepoNotFound"))
        else:
            self.refuse(404)

    def do_tree(self, case, url):
        at = int(dict(urllib.parse.parse_qsl(url.query)).get("cursor", 0))
        body = json.dumps(case.listing[at:at + case.page]).encode()
        headers = [("Content-Type", "application/json")]
        if at + case.page < len(case.listing):
            # as behind a mirror: the hub's own name, whatever we were called
            headers.append(("Link", f'<https://hub.example/api/x?recursive=1&cursor={at + case.page}>; rel="next"'))
        reply = Reply(200, headers, body)
        if case.fault:
            case.fault.tree(case, reply)
        reply.headers.append(("Content-Length", str(len(reply.body))))
        self.send(reply)

    def do_resolve(self, case, path):
        if path not in case.files:
            self.refuse(404, ("X-Error-Code", "EntryNotFound"))
            return
        where = f"{self.server.hub.cdn_address}/{case.name}/cdn/{urllib.parse.quote(path)}?sig=abc"
        reply = Reply(302, [("Location", where)], b"")
        if case.fault:
            case.fault.resolve(case, path, reply)
        reply.headers.append(("Content-Length", str(len(reply.body))))
        self.send(reply)

    def do_bytes(self, case, path):
        data = case.files[path]
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        with case.lock:
            case.asked.append((path, first, last))
        body = data[first:last + 1]
        reply = Reply(206, [("Content-Range", f"bytes {first}-{last}/{len(data)}"), ("Content-Length", str(len(body)))], body)
        if case.fault:
            case.fault.bytes(case, path, first, last, reply)
        self.send(reply, case, path, first)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, address):
        pass  # clients leave in all ways: that is what is tested


class Hub:
    def __init__(self):
        self.cases, self.servers = {}, []
        for is_cdn in (False, True):
            server = Server(("127.0.0.1", 0), Handler)
            server.hub, server.is_cdn = self, is_cdn
            self.servers.append(server)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.address, self.cdn_address = (f"http://127.0.0.1:{s.server_address[1]}" for s in self.servers)

    def case(self, name, files, fault=None, rng=None, page=2):
        c = self.cases[name] = Case(name, files, fault, rng, page)
        c.endpoint = f"{self.address}/{name}"
        return c
