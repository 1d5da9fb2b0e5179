#!/usr/bin/env python3
"""Makes vectors.json beside this file, from FORMAT.md alone: python3 vectors.py. Needs Python 3 and nothing else.

Entries that a reader must accept, with their leaf hashes; entries that it must refuse; and the small log that the
accepted ones make, in their order: roots, bundle, tile, path names and a signed checkpoint."""
import base64, copy, hashlib, json, os

D = lambda s: hashlib.sha256(s.encode()).hexdigest()


def canonical(value):
    """RFC 8785 for what entries are made of: ASCII keys, integers, strings, lists, true and false."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


TEXT = "version: 3\njurisdictions: # \u00e9\u2028\U0001f30d \"quoted\" \\ \t\b\f\r\x01\x1f\x7f\n"
POLICY = {"sha256": D(TEXT), "version": 3}
SECOND = "version: 4\n" + "# filler\n" * 3
TOPIC_ID = "5b2b3c0e-6a5e-4f4e-8c0a-0d3f5a6b7c8d"


def source(first, to, **more):
    return {"cluster": "src-1", "from": first, "leader_epoch": 4, "partition": 0, "to": to, "topic": "events", "topic_id": TOPIC_ID, **more}


def entry(kind, body, **more):
    return {"kind": kind, kind: body, "v": 1, **more}


def pins(sink, country, place, **more):
    return {"at": 1700000000000, "checks": [], "held": True, "location": {"country": country, "operator": "", "region": ""},
            "place": place, "policy": POLICY, "sink": sink, "unpinned": True, **more}


RANGE = {
    "absent": 3, "control": 1, "data": 100,
    "counts": [
        {"bytes": 9000, "reason": "decided", "records": 60, "set": "EEA", "sink": "eu-fra"},
        {"bytes": 5000, "reason": "decided", "records": 36, "set": "US", "sink": "us-oci"},
        {"bytes": 300, "reason": "overlap", "records": 2, "set": "US+EEA", "sink": "us-oci"},
        {"bytes": 200, "reason": "no_signal", "records": 2, "set": "none", "sink": "us-quarantine"},
    ],
    "geo": {"built": 1699999999, "sha256": D("geo")},
    "policy": POLICY,
    "program": "demarc 0.5.0",
    "receipts": [
        {"counts": [{"records": 60, "set": "EEA"}], "kafka": {"base": 100, "cluster": "eu-1", "last": 159, "partition": 0, "topic": "events.eea"}, "sha256": D("a"), "sink": "eu-fra"},
        {"counts": [{"records": 30, "set": "US"}], "kafka": {"base": 0, "cluster": "us-1", "last": 29, "partition": 0, "topic": "events.us"}, "sha256": D("b"), "sink": "us-oci"},
        {"counts": [{"records": 6, "set": "US"}, {"records": 2, "set": "US+EEA"}], "kafka": {"base": 30, "cluster": "us-1", "last": 37, "partition": 0, "topic": "events.us"}, "sha256": D("c"), "sink": "us-oci"},
        {"counts": [{"records": 2, "set": "none"}], "file": {"from": 0, "name": "events-0/00000000000000000000.batches", "to": 700}, "sha256": D("d"), "sink": "us-quarantine"},
    ],
    "source": source(1000, 1104),
    "time": {"first": 1700000000000, "last": 1700000000999, "type": "create"},
}
REPLAYED = {
    "absent": 0, "control": 0, "counts": [{"bytes": 10, "reason": "decided", "records": 1, "set": "US", "sink": "us-oci"}], "data": 1,
    "policy": POLICY, "program": "demarc 0.5.0", "source": source(1010, 1011), "time": {"first": -1, "last": -1, "type": "append"},
    "receipts": [{"counts": [{"records": 1, "set": "US"}], "kafka": {"base": 40, "cluster": "us-1", "last": 40, "partition": 0, "topic": "events.us"}, "sha256": D("e"), "sink": "us-oci"}],
}
NOTHING = {"absent": 5, "control": 1, "counts": [], "data": 0, "policy": POLICY, "program": "demarc 0.5.0", "receipts": [],
           "source": source(1104, 1110, leader_epoch=-1)}
CHECKS = [
    {"expected": ["10.0.0.0/8", "192.0.2.0/24"], "held": True, "pin": "address", "seen": "10.1.2.3"},
    {"expected": ["us-1"], "held": False, "pin": "cluster_id", "seen": "us-2"},
]

ACCEPTED = [
    ("policy in one part", entry("policy", {"part": 1, "parts": 1, "sha256": POLICY["sha256"], "text": TEXT, "version": 3})),
    ("policy, part 1 of 2", entry("policy", {"part": 1, "parts": 2, "sha256": D(SECOND), "text": SECOND[:9], "version": 4})),
    ("policy, part 2 of 2", entry("policy", {"part": 2, "parts": 2, "sha256": D(SECOND), "text": SECOND[9:], "version": 4})),
    ("pins of an unpinned sink", entry("pins", pins("eu-fra", "DE", {"cluster": "eu-1", "topic": "events.eea"}))),
    ("pins of a directory", entry("pins", pins("us-quarantine", "US", {"directory": "/var/lib/quarantine"}, unpinned=False,
        checks=[{"expected": ["/var/lib/quarantine"], "held": True, "pin": "directory", "seen": "/var/lib/quarantine"}]))),
    ("pins that did not hold", entry("pins", pins("us-oci", "US", {"topic": "events.us"}, unpinned=False, held=False, checks=CHECKS))),
    ("pins that hold", entry("pins", pins("us-oci", "US", {"cluster": "us-1", "topic": "events.us"}, unpinned=False, checks=[
        CHECKS[0], {"expected": ["us-1"], "held": True, "pin": "cluster_id", "seen": "us-1"}]))),
    ("span", entry("span", {"at": 1700000000000, "base": 0, "cluster": "src-1", "count": 3, "first": [1000, 0], "stable": [1110, 0], "topic": "events", "topic_id": TOPIC_ID, "why": "start"})),
    ("range", entry("range", RANGE)),
    ("range without records, by a sequencer", entry("range", NOTHING, via={"offset": 7, "partition": 2})),
    ("replay", entry("replay", REPLAYED)),
    ("gap", entry("gap", {"at": 1700000001000, "reason": "disk of broker 3 lost, ticket 4711", "source": source(1110, 2000, leader_epoch=-1)})),
]


def changed(base, *path, to=None, drop=False):
    e = copy.deepcopy(base)
    at = e
    for p in path[:-1]:
        at = at[p]
    if drop:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return canonical(e)


def refused():
    by_name = dict(ACCEPTED)
    r, span, policy, pin, gap = by_name["range"], by_name["span"], by_name["policy in one part"], by_name["pins that did not hold"], by_name["gap"]
    raw = canonical(r)
    yield "empty", b""
    yield "a blank", raw.replace(b":", b": ", 1)
    yield "a line feed at the end", raw + b"\n"
    yield "a second entry", raw + raw
    yield "no end", raw[:-1]
    yield "a byte-order mark", b"\xef\xbb\xbf" + raw
    yield "keys out of order", raw.replace(b'"absent":3,"control":1', b'"control":1,"absent":3')
    yield "a repeated key", raw.replace(b'"absent":3', b'"absent":3,"absent":3')
    yield "an unknown key", raw.replace(b'"absent":3', b'"absent":3,"also":3')
    yield "a missing key", changed(r, "range", "program", drop=True)
    yield "an exponent", raw.replace(b'"bytes":9000', b'"bytes":9e3')
    yield "a fraction", raw.replace(b'"bytes":9000', b'"bytes":9000.0')
    yield "a leading zero", raw.replace(b'"absent":3', b'"absent":03')
    yield "minus zero", raw.replace(b'"absent":3', b'"absent":-0')
    yield "2^53", changed(r, "range", "time", "last", to=2**53)
    yield "a needless escape", raw.replace(b'"events"', b'"\\u0065vents"')
    yield "an escaped solidus", canonical(gap).replace(b"disk of", b"disk\\/of")
    yield "an upper-case escape", canonical(policy).replace(b"\\u001f", b"\\u001F")
    yield "a long escape for a tab", canonical(policy).replace(b"\\t", b"\\u0009")
    yield "a bare control byte", canonical(policy).replace(b"\\u0001", b"\x01")
    yield "not UTF-8", canonical(gap).replace(b"disk of", b"disk\xffof")
    yield "a surrogate", canonical(gap).replace(b"disk of", b"disk\xed\xa0\x80of")
    yield "another version", changed(r, "v", to=2)
    yield "an unknown kind", canonical({"kind": "note", "note": {}, "v": 1})
    yield "a kind that is not the body's", raw.replace(b'"kind":"range"', b'"kind":"replay"')
    yield "via without its offset", changed(by_name["range without records, by a sequencer"], "via", "offset", drop=True)
    yield "an empty range", changed(r, "range", "source", "to", to=1000)
    yield "offsets that do not add up", changed(r, "range", "absent", to=4)
    yield "counts that do not add up", changed(r, "range", "counts", 0, "records", to=61)
    yield "a count of nothing", changed(r, "range", "counts", 0, "records", to=0)
    yield "counts out of order", changed(r, "range", "counts", to=[RANGE["counts"][i] for i in (1, 0, 2, 3)])
    yield "counts told twice", changed(r, "range", "counts", to=RANGE["counts"][:3] + [dict(RANGE["counts"][3], records=1)] * 2)
    yield "a reason that is none", changed(r, "range", "counts", 0, "reason", to="dropped")
    yield "a decided record of two jurisdictions", changed(r, "range", "counts", 2, "reason", to="decided")
    yield "an overlap of one jurisdiction", changed(r, "range", "counts", 0, "reason", to="overlap")
    yield "a set that is none", changed(r, "range", "counts", 0, "set", to="eea")
    yield "a set with a jurisdiction twice", changed(r, "range", "counts", 2, "set", to="US+US")
    yield "a receipt short of a record", changed(r, "range", "receipts", 0, to=dict(RANGE["receipts"][0], counts=[{"records": 59, "set": "EEA"}], kafka=dict(RANGE["receipts"][0]["kafka"], last=158)))
    yield "a receipt in another sink", changed(r, "range", "receipts", 0, "sink", to="eu-ams")
    yield "a receipt of another set", changed(r, "range", "receipts", 0, "counts", 0, "set", to="UK")
    yield "a receipt with more offsets than records", changed(r, "range", "receipts", 0, "kafka", "last", to=160)
    yield "a receipt without a place", changed(r, "range", "receipts", 0, "kafka", drop=True)
    yield "a receipt with two places", changed(r, "range", "receipts", 0, "file", to=RANGE["receipts"][3]["file"])
    yield "receipts out of order", changed(r, "range", "receipts", to=[RANGE["receipts"][i] for i in (0, 2, 1, 3)])
    yield "receipts that overlap", changed(r, "range", "receipts", 2, "kafka", to={"base": 29, "cluster": "us-1", "last": 36, "partition": 0, "topic": "events.us"})
    yield "a file outside the sink", changed(r, "range", "receipts", 3, "file", "name", to="../secret")
    yield "an upper-case digest", changed(r, "range", "geo", "sha256", to=D("geo").upper())
    yield "a short digest", changed(r, "range", "geo", "sha256", to=D("geo")[:62])
    yield "no time", changed(r, "range", "time", drop=True)
    yield "time without records", changed(by_name["range without records, by a sequencer"], "range", "time", to=RANGE["time"])
    yield "time that runs back", changed(r, "range", "time", "last", to=1)
    yield "a type of time that is none", changed(r, "range", "time", "type", to="CreateTime")
    yield "a topic that Kafka does not allow", changed(r, "range", "source", "topic", to="events/1")
    yield "a topic id in upper case", changed(r, "range", "source", "topic_id", to=TOPIC_ID.upper())
    yield "a topic id of zeros", changed(r, "range", "source", "topic_id", to="00000000-0000-0000-0000-000000000000")
    yield "a control character in a name", changed(r, "range", "program", to="demarc\x1b[2J")
    yield "an empty cluster", changed(r, "range", "source", "cluster", to="")
    yield "a partition below zero", changed(r, "range", "source", "partition", to=-1)
    yield "a partition above 2^31 - 1", changed(r, "range", "source", "partition", to=2**31)
    yield "a span with lists of two lengths", changed(span, "span", "first", to=[1000])
    yield "a span of nothing", changed(span, "span", "first", to=[]).replace(b'"stable":[1110,0]', b'"stable":[]')
    yield "a span of more partitions than there are", changed(span, "span", "count", to=1)
    yield "a span that ends before it begins", changed(span, "span", "stable", to=[999, 0])
    yield "a span for no reason", changed(span, "span", "why", to="day")
    yield "a policy with another text", changed(policy, "policy", "text", to=TEXT + " ")
    yield "a part beyond the parts", changed(policy, "policy", "part", to=2)
    yield "a policy of version 0", changed(policy, "policy", "version", to=0)
    yield "pins held that did not hold", changed(pin, "pins", "held", to=True)
    yield "pins unchecked and not unpinned", changed(by_name["pins of an unpinned sink"], "pins", "unpinned", to=False)
    yield "pins out of order", changed(pin, "pins", "checks", to=CHECKS[::-1])
    yield "a pin that is none", changed(pin, "pins", "checks", 0, "pin", to="dns")
    yield "pins that hold, of no cluster", changed(by_name["pins of an unpinned sink"], "pins", "place", to={"topic": "events.eea"})
    yield "pins in two places", changed(by_name["pins of a directory"], "pins", "place", "topic", to="events")
    yield "pins in no country", changed(pin, "pins", "location", "country", to="USA")
    yield "a gap without a reason", changed(gap, "gap", "reason", to="")
    yield "a gap of nothing", changed(gap, "gap", "source", "to", to=1110)
    yield "65,536 bytes", changed(gap, "gap", "reason", to="x" * (65536 - len(changed(gap, "gap", "reason", to=""))))


# The tree: RFC 6962, section 2.1.
leaf = lambda data: hashlib.sha256(b"\x00" + data).digest()
node = lambda left, right: hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node(root(leaves[:k]), root(leaves[k:]))


# Ed25519: RFC 8032, section 5.1, plainly.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
EDWARDS = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)


def add(a, b):
    x1, y1, x2, y2 = *a, *b
    t = EDWARDS * x1 * x2 * y1 * y2 % P
    return ((x1 * y2 + x2 * y1) * pow(1 + t, P - 2, P) % P, (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P)


def times(n, a):
    sum = (0, 1)
    while n:
        if n & 1:
            sum = add(sum, a)
        a, n = add(a, a), n >> 1
    return sum


def base_point():
    y = 4 * pow(5, P - 2, P) % P
    xx = (y * y - 1) * pow(EDWARDS * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * I % P
    return (P - x if x & 1 else x, y)


B = base_point()
number = lambda b: int.from_bytes(b, "little")
pack = lambda a: (a[1] | (a[0] & 1) << 255).to_bytes(32, "little")


def sign(seed, message):
    h = hashlib.sha512(seed).digest()
    a = number(h[:32]) & ~7 & ~(1 << 255) & ~(1 << 254) | 1 << 254
    public = pack(times(a, B))
    r = number(hashlib.sha512(h[32:] + message).digest()) % L
    point = pack(times(r, B))
    k = number(hashlib.sha512(point + public + message).digest()) % L
    return public, point + ((r + k * a) % L).to_bytes(32, "little")


def checkpoint(origin, seed, leaves):
    """A signed note (C2SP signed-note) whose text is a checkpoint (C2SP tlog-checkpoint)."""
    b64 = lambda b: base64.b64encode(b).decode()
    text = "%s\n%d\n%s\n" % (origin, len(leaves), b64(root(leaves)))
    public, signature = sign(seed, text.encode())
    key_id = hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
    vkey = "%s+%s+%s" % (origin, key_id.hex(), b64(b"\x01" + public))
    return vkey, text + "\n\u2014 %s %s\n" % (origin, b64(key_id + signature))


def main():
    accepted = [(name, canonical(e)) for name, e in ACCEPTED]
    leaves = [leaf(text) for _, text in accepted]
    vkey, note = checkpoint("ledger.example/vectors", hashlib.sha256(b"a seed for test vectors only").digest(), leaves)
    bad = list(refused())
    assert all(text not in [t for _, t in accepted] for _, text in bad)
    b64 = lambda b: base64.b64encode(b).decode()
    vectors = {
        "accepted": [{"name": n, "text": t.decode(), "leaf": leaf(t).hex()} for n, t in accepted],
        "refused": [{"name": n, "base64": b64(t)} for n, t in bad],
        "log": {
            "verifier_key": vkey, "checkpoint": note,
            "roots": [root(leaves[:n]).hex() for n in range(len(leaves) + 1)],
            "bundle_path": "tile/entries/000.p/%d" % len(leaves), "tile_path": "tile/0/000.p/%d" % len(leaves),
            "bundle": b64(b"".join(len(t).to_bytes(2, "big") + t for _, t in accepted)), "tile": b64(b"".join(leaves)),
        },
    }
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors.json"), "w", encoding="utf-8") as f:
        json.dump(vectors, f, indent=1, ensure_ascii=True)
        f.write("\n")


if __name__ == "__main__":
    main()
