"""Runs moto's server for one test cloud, and never longer than the test that started it.

It binds a free loopback port itself (no race for a port number), says `PORT <n>` on stdout once it listens, and ends when
its stdin closes: the operating system closes that pipe however the test process dies, so nothing is left running.
"""

import os
import sys
import threading

# moto reads its settings at import; a test cloud asks nothing of the network or of Docker
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

import moto.backends
import moto.iam.models
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


# Only the partition `aws` is tested: moto would load the 1,500 managed policies of every account seven times, and look
# through all partitions for each request's access key. And it would list its own folder for each request.
moto.iam.models.PARTITION_NAMES = ["aws"]
MODULES = frozenset(moto.backends.list_of_moto_modules())
moto.backends.list_of_moto_modules = lambda: MODULES


class Quiet(WSGIRequestHandler):
    """Keeps connections open, answers without Nagle's delay, logs no request lines."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, code="-", size="-"):
        pass


def watch_parent():
    """Ends the process when the test process is gone."""
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(0)


dispatcher = DomainDispatcherApplication(create_backend_app)
one_at_a_time = threading.Lock()


def application(environ, start_response):
    """One request at a time: moto's stores are plain dictionaries, and the interpreter lock gives no parallelism to lose."""
    with one_at_a_time:
        answer = dispatcher(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            if hasattr(answer, "close"):
                answer.close()


threading.Thread(target=watch_parent, daemon=True).start()
server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
print(f"PORT {server.server_port}", flush=True)
server.serve_forever()
