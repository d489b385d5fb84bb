"""A receiver of webhooks as a provider in Python would write it, with the unmodified `standardwebhooks` package.

It speaks as `receiver.mjs` does.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook

webhook = None
answers = ["200"]
lock = threading.Lock()


def say(told):
    with lock:
        print(json.dumps(told), flush=True)


def is_genuine(body, headers):
    try:
        webhook.verify(body, headers)
        return True
    except Exception:
        return False


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        with lock:
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        say({
            "id": headers.get("webhook-id"),
            "signature": headers.get("webhook-signature"),
            "genuine": is_genuine(body, headers),
            "tampered": is_genuine(body.replace("{", "{ ", 1), headers),
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
        webhook = Webhook(rest[0])
    else:
        answers = rest
    say({"told": word})
