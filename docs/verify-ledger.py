#!/usr/bin/env python3
"""Verifies what `bartizan ledger export` wrote, without Bartizan: verify-ledger.py FILE"""
import hashlib, json, sys

previous, expected, closed = "0" * 64, 1, False
canonical = lambda o: json.dumps(o, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
for number, raw in enumerate(open(sys.argv[1], "rb"), 1):
    try:
        line = raw.decode("utf-8")
        entry = json.loads(line)
        assert not closed, "there is more behind the closing line"
        assert canonical(entry) + "\n" == line, "the line is not in the canonical form"
        claimed = entry.pop("hash")
        if closed := set(entry) == {"entries"}:
            assert (entry["entries"], claimed) == (expected - 1, previous), "the chain does not end where the closing line says"
            continue
        assert entry["sequence"] == expected, f"entry {expected} was expected, entry {entry['sequence']} stands here"
        assert entry["previous"] == previous, f"entry {expected} does not follow the one before it"
        assert hashlib.sha256(canonical(entry).encode()).hexdigest() == claimed, f"entry {expected} was changed"
        previous, expected = claimed, expected + 1
    except (AssertionError, ValueError, KeyError, TypeError, AttributeError) as error:
        sys.exit(f"line {number}: {error}")
sys.exit(0 if closed and print(f"{expected - 1} entries, whole; the last hash is {previous}") is None else "the closing line is missing: cut off")
