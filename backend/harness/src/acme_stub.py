"""A stub of an ACME server, for the two things that Debian's Pebble 2.4 lacks: profiles, of which
`shortlived` alone has addresses, as at Let's Encrypt, and rate limits with Retry-After.

It takes every name as proven and looks at no signature: whatever else there is to test, is tested
with Pebble. Arguments: certificate and key of its own HTTPS, root and key that it signs with. Says
`ready PORT` on standard output, then `order PROFILE` for each order ("-": none asked for).
"""

import base64, http.server, json, ssl, subprocess, sys, tempfile

CERTIFICATE, KEY, ROOT, ROOT_KEY = sys.argv[1:]
# Names of this one have been ordered too often.
LIMITED = "limited.example.ru"
DAYS = {"classic": 90, "shortlived": 7}


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    orders = []

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in [("Replay-Nonce", "n"), ("Content-Length", len(body)), *headers]:
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, kind, detail, headers=()):
        problem = {"type": "urn:ietf:params:acme:error:" + kind, "detail": detail}
        self.answer(status, problem, headers)

    def do_GET(self):
        names = ["newNonce", "newAccount", "newOrder"]
        directory = {name: f"{BASE}/{name}" for name in names}
        profiles = {"classic": "names, 90 days", "shortlived": "names and addresses, 7 days"}
        self.answer(200, {**directory, "meta": {"profiles": profiles}})

    def do_HEAD(self):
        self.answer(200, b"")

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        payload = sent["payload"]
        payload = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        payload = json.loads(payload) if payload else None
        _, what, *rest = self.path.split("/")
        if what == "newAccount":
            self.answer(201, {"status": "valid"}, [("Location", f"{BASE}/account")])
        elif what == "newOrder":
            self.order(payload)
        elif what == "authorization":
            order = self.orders[int(rest[0])]
            identifier = order["identifiers"][int(rest[1])]
            self.answer(200, {"identifier": identifier, "status": "valid", "challenges": []})
        elif what == "order":
            self.answer(200, self.orders[int(rest[0])])
        elif what == "finalize":
            order = self.orders[int(rest[0])]
            csr = payload["csr"]
            csr = base64.urlsafe_b64decode(csr + "=" * (-len(csr) % 4))
            self.chains[int(rest[0])] = sign(csr, DAYS[order.get("profile") or "classic"])
            order.update(status="valid", certificate=f"{BASE}/certificate/{rest[0]}")
            self.answer(200, order)
        elif what == "certificate":
            self.answer(200, self.chains[int(rest[0])])

    chains = {}

    def order(self, payload):
        profile = payload.get("profile")
        print("order", profile or "-", flush=True)
        names = payload["identifiers"]
        if profile not in (None, *DAYS):
            return self.refuse(400, "invalidProfile", "no such profile")
        if profile != "shortlived" and any(one["type"] == "ip" for one in names):
            return self.refuse(400, "rejectedIdentifier", "this profile has no addresses")
        if any(one["value"] == LIMITED for one in names):
            return self.refuse(429, "rateLimited", "too many", [("Retry-After", 7200)])
        number = len(self.orders)
        order = {
            "status": "ready",
            "identifiers": names,
            "authorizations": [f"{BASE}/authorization/{number}/{at}" for at in range(len(names))],
            "finalize": f"{BASE}/finalize/{number}",
        }
        if profile:
            order["profile"] = profile
        self.orders.append(order)
        self.answer(201, order, [("Location", f"{BASE}/order/{number}")])


def sign(csr, days):
    with tempfile.NamedTemporaryFile() as file:
        file.write(csr)
        file.flush()
        command = ["openssl", "x509", "-req", "-inform", "DER", "-in", file.name, "-CA", ROOT]
        command += ["-CAkey", ROOT_KEY, "-copy_extensions", "copy", "-days", str(days)]
        return subprocess.run(command, check=True, capture_output=True).stdout


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server.socket = context.wrap_socket(server.socket, server_side=True)
BASE = f"https://localhost:{server.server_address[1]}"
print("ready", server.server_address[1], flush=True)
server.serve_forever()
