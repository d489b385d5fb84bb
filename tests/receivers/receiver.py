"""A receiver of webhooks as a provider in Python would write it, with the unmodified `standardwebhooks` package.

It speaks as `receiver.mjs` does. It is told a public key (`secret whpk_...`) as well: then it verifies by `cryptography`, for the
package knows secrets alone.
"""

import base64
import datetime
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook

TOLERANCE = datetime.timedelta(seconds=301)
webhook = None
answers = ["200"]
lock = threading.Lock()


def say(told):
    with lock:
        print(json.dumps(told), flush=True)


class PublicKey:
    def __init__(self, text):
        self.key = Ed25519PublicKey.from_public_bytes(base64.b64decode(text.removeprefix("whpk_")))

    def verify(self, body, headers):
        identity, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        if abs(time.time() - int(timestamp)) > 300:
            raise ValueError("too old or too new")
        signed = f"{identity}.{timestamp}.{body}".encode()
        for one in headers["webhook-signature"].split(" "):
            scheme, signature = one.split(",", 1)
            if scheme != "v1a":
                continue
            try:
                return self.key.verify(base64.b64decode(signature), signed)
            except Exception:
                continue
        raise ValueError("no signature is by this key")


def is_genuine(body, headers):
    try:
        webhook.verify(body, headers)
        return True
    except Exception:
        return False


class Later(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.now(tz) + TOLERANCE


def is_genuine_later(body, headers):
    """Would it have been taken by a clock that is past the five minutes that the specification allows?"""
    with mock.patch("standardwebhooks.webhooks.datetime", Later), mock.patch("time.time", lambda: Later.now().timestamp()):
        return is_genuine(body, headers)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        with lock:
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            late = is_genuine_later(body, headers)
        say({
            "id": headers.get("webhook-id"),
            "signature": headers.get("webhook-signature"),
            "genuine": is_genuine(body, headers),
            "tampered": is_genuine(body.replace("{", "{ ", 1), headers),
            "late": late,
            "body": body,
        })
        if answer == "hold":
            threading.Event().wait()
        self.send_response(int(answer))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
say({"port": server.server_address[1]})
for line in sys.stdin:
    word, *rest = line.split()
    if word == "secret":
        webhook = PublicKey(rest[0]) if rest[0].startswith("whpk_") else Webhook(rest[0])
    else:
        answers = rest
    say({"told": word})
