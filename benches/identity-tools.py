#!/usr/bin/env python3
"""Times the identity tools that bartizan replaces beside it, on the same file, and says where their answers differ.

    benches/identity-tools.py BARTIZAN FILE [--graph-limit SECONDS]

BARTIZAN is the built program (a release build, or its figures say little), FILE an answer of
`aws iam get-account-authorization-details` as JSON. The tools come from PyPI, pinned, into target/identity-tools; where
they cannot be had, this says so and times bartizan alone. Each is timed as its users run it: a process from start to end.

Which of two answers is right is decided by AWS's documentation; what is known to differ stands in WHY.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

# The whole closure, so that a run today is a run next year.
PINNED = """
beautifulsoup4==4.15.0 boto3==1.44.5 botocore==1.44.5 certifi==2026.10.18 charset-normalizer==3.5.2 click==8.5.1
click-option-group==0.5.9 cloudsplaining==0.9.1 idna==3.20 Jinja2==3.1.6 jmespath==1.1.0 json-cfg==0.4.2 kwonly-args==1.0.10
MarkupSafe==3.0.4 orjson==3.13.0 packaging==26.3 parliament==1.6.4 policy_sentry==0.15.2 principalmapper-0ca==1.1.5
pydot==4.0.1 pyparsing==3.3.3 python-dateutil==2.9.0.post0 PyYAML==6.0.3 requests==2.34.2 s3transfer==0.19.3 schema==0.7.8
setuptools==80.9.0 six==1.17.0 soupsieve==4.1.2 typing_extensions==4.16.0 urllib3==2.8.0
""".split()

# principalmapper asks AWS through a client: this one answers from the file, as AWS would.
GRAPH = '''
import collections, collections.abc, json, sys

# It was written for a Python before 3.10.
for name in ("Mapping", "MutableMapping"):
    setattr(collections, name, getattr(collections.abc, name))

from principalmapper.graphing import gathering, edge_identification

details = json.load(open(sys.argv[1]))

class Pages:
    def __init__(self, pages): self.pages = pages
    def paginate(self, **_): return self.pages

class Client:
    def get_paginator(self, name):
        return Pages([details] if name == "get_account_authorization_details" else [{"VirtualMFADevices": []}])
    def list_access_keys(self, **_): return {"AccessKeyMetadata": []}
    def get_login_profile(self, **_): return {}
    def list_mfa_devices(self, **_): return {"MFADevices": []}

nodes = gathering.get_nodes_groups_and_policies(Client())["nodes"]
gathering.update_admin_status(nodes)
# Without a session nobody is asked for running instances and functions.
checkers = ["autoscaling", "cloudformation", "codebuild", "ec2", "iam", "lambda", "sagemaker", "ssm", "sts"]
edges = edge_identification.obtain_edges(None, checkers, nodes)
admins = [n.arn for n in nodes if n.is_admin]
print(json.dumps({"admins": admins, "edges": [[e.source.arn, e.destination.arn, e.short_reason] for e in edges]}))
'''

LINT = '''
import json, sys, parliament
refused = []
for policy in json.load(open(sys.argv[1]))["Policies"]:
    for version in policy["PolicyVersionList"]:
        if version["IsDefaultVersion"]:
            # It gives up on some kinds of condition keys.
            try:
                parliament.analyze_policy_string(json.dumps(version["Document"]))
            except Exception as why:
                refused.append(f"{policy['PolicyName']} ({why})")
print(json.dumps(refused))
'''

# What is written for: objects to read, a queue to send to, a table to read and write.
WISH = {
    "read": ["arn:aws:s3:::payroll/*", "arn:aws:dynamodb:eu-west-1:111122223333:table/orders"],
    "write": ["arn:aws:sqs:eu-west-1:111122223333:jobs", "arn:aws:dynamodb:eu-west-1:111122223333:table/orders"],
}

# Differences that are understood: what the other says, and why it is or is not so by AWS's documentation.
WHY = [
    "bartizan also tells of ways whose last link is not in the file: who may change functions or enter containers becomes "
    "whatever runs there, and what runs as which role is known for machines only where an estate was collected. They are "
    "under conditions; principalmapper leaves them out where it is not told what runs.",
    "parliament names, for a wildcard such as s3:* on objects, every action that takes another kind of resource in one message of "
    "hundreds of words; bartizan speaks where a value names nothing that fits, and of statements that another covers, of which "
    "parliament says nothing.",
    "cloudsplaining reads each policy on its own: boundaries, denies in another policy and what two policies make together "
    "are not in its report.",
]


def tools(home):
    """The Python with the tools in it, or None with a word on why not."""
    name = hashlib.sha256(" ".join(PINNED).encode()).hexdigest()[:12]
    folder = home / "target" / "identity-tools" / name
    python = folder / "bin" / "python"
    done = folder / "whole"
    if not done.exists():
        print(f"installing the other tools under {folder} …", file=sys.stderr)
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, stdout=subprocess.DEVNULL)
            install = [str(python), "-m", "pip", "-q", "install", "--no-deps", *PINNED]
            subprocess.run(install, check=True, stdout=subprocess.DEVNULL, timeout=600)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"SKIPPED the other tools: they cannot be installed ({error})")
            return None
        done.touch()
    return str(python)


def timed(label, command, limit=None, codes=(0,)):
    """Runs a command and prints how long it took; its output, or None where it failed or was given up."""
    begun = time.monotonic()
    try:
        ran = subprocess.run(command, capture_output=True, timeout=limit)
    except subprocess.TimeoutExpired:
        print(f"{label:<58} given up after {limit:.0f} s")
        return None, limit
    took = time.monotonic() - begun
    if ran.returncode not in codes:
        said = ran.stderr.decode(errors="replace").strip().splitlines()
        print(f"{label:<58} FAILED: {said[-1] if said else ran.returncode}")
        return None, took
    print(f"{label:<58} {took:10.2f} s")
    return ran.stdout, took


def granted(printed):
    """The actions that a printed policy (or several, one after the other) names."""
    text, actions, decoder = printed.decode().strip(), set(), json.JSONDecoder()
    while text:
        document, end = decoder.raw_decode(text)
        for statement in document["Statement"]:
            named = statement["Action"]
            actions.update([named] if isinstance(named, str) else named)
        text = text[end:].strip()
    return {action.lower() for action in actions}


def reaches(admins, edges):
    """Everyone who is an administrator or gets to one over edges."""
    back = {}
    for source, target, _ in edges:
        back.setdefault(target, set()).add(source)
    seen, open_ = set(admins), list(admins)
    while open_:
        for source in back.get(open_.pop(), ()):
            if source not in seen:
                seen.add(source)
                open_.append(source)
    return seen


def main():
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("bartizan")
    asked.add_argument("file", type=pathlib.Path)
    asked.add_argument("--graph-limit", type=float, default=900, help="seconds after which principalmapper is given up")
    asked = asked.parse_args()
    details = json.loads(asked.file.read_text())
    home = pathlib.Path(__file__).resolve().parent.parent
    many = [len(details[k]) for k in ("UserDetailList", "RoleDetailList", "Policies")]
    print(f"{asked.file.name}: {many[0]} users, {many[1]} roles, {many[2]} policies")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        documents = []
        for n, policy in enumerate(details["Policies"]):
            for version in policy["PolicyVersionList"]:
                if version["IsDefaultVersion"]:
                    path = scratch / f"{n}.json"
                    path.write_text(json.dumps(version["Document"]))
                    documents.append(str(path))
        ours, graph_time = timed("bartizan: graph and every shortest escalation", [asked.bartizan, "--from", str(asked.file), "iam", "paths", "--json"])
        _, lint_time = timed(f"bartizan: lint of {len(documents)} policies", [asked.bartizan, "iam", "lint", *documents], codes=(0, 1))
        wish = [word for level, arns in WISH.items() for arn in arns for word in (f"--{level}", arn)]
        written, write_time = timed("bartizan: a policy from four ARNs, proven", [asked.bartizan, "iam", "policy", *wish])
        python = tools(home)
        if python is None:
            return
        template = scratch / "wish.yml"
        template.write_text("mode: crud\n" + "".join(f"{level}:\n" + "".join(f"- {arn}\n" for arn in arns) for level, arns in WISH.items()))
        sentry = [str(pathlib.Path(python).parent / "policy_sentry"), "write-policy", "--input-file", str(template)]
        sentry, sentry_time = timed("policy_sentry 0.15.2: a policy from four ARNs", sentry)
        if written is not None and sentry is not None:
            mine, its = granted(written), granted(sentry)
            print(f"policy: {sentry_time / write_time:.0f} times ahead of policy_sentry; of {len(mine | its)} actions both grant "
                  f"{len(mine & its)}; only bartizan: {', '.join(sorted(mine - its)) or 'none'}; only policy_sentry: "
                  f"{', '.join(sorted(its - mine)) or 'none'}")
        refused, their_lint = timed(f"parliament 1.6.4: lint of {len(documents)} policies", [python, "-c", LINT, str(asked.file)])
        if refused is not None and (refused := json.loads(refused)):
            print(f"lint: parliament gave up on {len(refused)} policies, as {', '.join(refused[:3])}")
        scan = [str(pathlib.Path(python).parent / "cloudsplaining"), "scan", "--input-file", str(asked.file), "--output", str(scratch), "--skip-open-report"]
        _, scan_time = timed("cloudsplaining 0.9.1: scan", scan)
        theirs, their_graph = timed("principalmapper-0ca 1.1.5: graph alone", [python, "-c", GRAPH, str(asked.file)], asked.graph_limit)
        print(f"\nlint: {their_lint / lint_time:.0f} times ahead of parliament")
        print(f"graph with escalations: {scan_time / graph_time:.0f} times ahead of cloudsplaining's scan, "
              f"{'more than ' if theirs is None else ''}{their_graph / graph_time:.0f} times of principalmapper-0ca's graph")
        if ours is None or theirs is None:
            return
        theirs = json.loads(theirs)
        all_ours = {path["from"] for path in json.loads(ours)}
        sure = {path["from"] for path in json.loads(ours) if path["certain"]}
        admins = set(theirs["admins"])
        escalate = reaches(admins, theirs["edges"]) - admins
        print(f"\nprincipals that can become an administrator: bartizan {len(sure)} for certain and {len(all_ours - sure)} under "
              f"conditions, principalmapper {len(escalate)} (of {len(admins)} administrators)")
        for label, names in [("only principalmapper", escalate - all_ours - admins), ("only bartizan", sure - escalate - admins)]:
            for arn in sorted(names)[:20]:
                print(f"  {label}: {arn}")
        pairs = sorted({(source, target) for source, target, _ in theirs["edges"]})[:60]
        missing = []
        for source, target in pairs:
            way = [asked.bartizan, "--from", str(asked.file), "iam", "paths", "--json", "--who", source, "--to", target]
            if json.loads(subprocess.run(way, capture_output=True, check=True).stdout) == []:
                missing.append((source, target))
        print(f"of {len(pairs)} edges of principalmapper bartizan has a way for {len(pairs) - len(missing)}")
        for source, target in missing:
            print(f"  only principalmapper: {source} to {target}")
        print("\nwhat is known to differ:")
        for why in WHY:
            print(f"  - {why}")


if __name__ == "__main__":
    main()
