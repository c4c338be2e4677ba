"""Makes the virtual environment of the test cloud: install.py FOLDER REQUIREMENTS.

Python without `ensurepip` (Debian's and Ubuntu's python3 without python3-venv) is served too: by the machine's own pip,
else by a pinned pip fetched from the package index, checked by its digest and run once from its wheel.
"""

import hashlib
import html.parser
import importlib.util
import os
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request

PIP = ("pip-26.0.1-py3-none-any.whl", "bdb1b08f4274833d62c1aa29e20907365a2ceb950410df15fc9521bad440122b")


class Links(html.parser.HTMLParser):
    """The href of every link on an index page."""

    found: list

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.found += [value for key, value in attrs if key == "href" and value]


def fetch(url):
    cert = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    context = ssl.create_default_context(cafile=cert)
    with urllib.request.urlopen(url, timeout=60, context=context) as answer:
        return answer.read()


def pip_wheel(folder):
    """Fetches the pinned pip into `folder` and returns its path."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
    page = Links()
    page.found = []
    page.feed(fetch(index).decode("utf-8", "replace"))
    for link in page.found:
        url = urllib.parse.urljoin(index, link)
        if urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1] == PIP[0]:
            wheel = fetch(url)
            if hashlib.sha256(wheel).hexdigest() != PIP[1]:
                sys.exit(f"{url} is not the pip that is pinned: its SHA-256 differs")
            path = os.path.join(folder, PIP[0])
            with open(path, "wb") as out:
                out.write(wheel)
            return path
    sys.exit(f"this Python has neither ensurepip nor pip, and {index} lists no {PIP[0]}; install python3-venv")


def main(folder, requirements):
    if sys.version_info < (3, 10):
        sys.exit(f"Python {sys.version.split()[0]} is too old: moto needs 3.10 or later")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = os.path.join(folder, "Scripts", "python.exe") if os.name == "nt" else os.path.join(folder, "bin", "python")
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    wanted = ["install", *quiet, "--no-deps", "--requirement", requirements]
    if importlib.util.find_spec("ensurepip"):
        subprocess.run([python, "-m", "ensurepip", "--default-pip"], check=True, stdout=subprocess.DEVNULL)
        command = [python, "-m", "pip"]
    elif importlib.util.find_spec("pip"):
        print("python3 has no ensurepip (package python3-venv): using the machine's pip", file=sys.stderr)
        command = [sys.executable, "-m", "pip", "--python", python]
    else:
        print("python3 has neither ensurepip nor pip (package python3-venv): fetching pip", file=sys.stderr)
        command = [python, os.path.join(pip_wheel(folder), "pip")]
    try:
        subprocess.run([*command, *wanted], check=True)
    except subprocess.CalledProcessError as failure:
        sys.exit(f"pip failed with exit code {failure.returncode}; its own message is above")


main(sys.argv[1], sys.argv[2])
