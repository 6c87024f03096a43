#!/usr/bin/env python3
"""Another reader judges what compose writes: python's email package.

usage: check_compose.py [COMPOSE_CAT]   (default build/tests/bench/compose_cat)

Runs the shared rows of smtp/outbound-content.json when they are there
(TESTDATA, default ../shared/testdata), and mails of its own. The last line
says how many passed; exit status 1 when one failed.
"""
import base64
import email
import email.policy
import json
import os
import random
import subprocess
import sys

CAT = sys.argv[1] if len(sys.argv) > 1 else "build/tests/bench/compose_cat"
ROWS = os.path.join(os.environ.get("TESTDATA", "../shared/testdata"),
                    "smtp/outbound-content.json")
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
OWN = ["From", "To", "Subject", "Date", "Message-ID"]
BODY = ["MIME-Version", "Content-Type", "Content-Transfer-Encoding"]


def generated(value):
    """{"gen": [...]} of the shared rows, written out."""
    if not isinstance(value, dict) or "gen" not in value:
        return value
    out = []
    for kind, text, *more in value["gen"]:
        if kind == "lit":
            out.append(text)
        elif kind == "rep":
            out.append(text * more[0])
        else:
            first, count, between = more
            out.append(between.join(text.replace("{i}", str(i))
                                    for i in range(first, first + count)))
    return "".join(out)


def mail(**parts):
    """The input of one mail, with defaults."""
    given = {"from": {"name": "Ann", "spec": "ann@verified.example"},
             "to": [{"spec": "bob@dest.example"}],
             "subject": "Hello", "text": "Hi\n"}
    given.update(parts)
    return given


def compose(mails):
    """Octets of each mail, or None where it was refused."""
    lines = "".join(json.dumps(m) + "\n" for m in mails)
    run = subprocess.run([CAT], input=lines.encode(), capture_output=True,
                         check=True)
    out = []
    for line in run.stdout.decode().splitlines():
        word, rest = line.split(" ", 1)
        out.append(base64.b64decode(rest) if word == "OK" else None)
    assert len(out) == len(mails)
    return out


def read(octets):
    """The mail as python sees it, after checks that hold for every mail."""
    assert octets.endswith(b"\r\n")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert max(octets) < 128 and b"\0" not in octets
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    seen = email.message_from_bytes(octets, policy=email.policy.default)
    for part in seen.walk():
        assert not part.defects, part.defects
        for name, value in part.items():
            # RFC 2231 beside a fallback for old readers is meant.
            assert all("duplicate parameter name" in str(d)
                       for d in value.defects), (name, value.defects)
    return seen


def check_file(content, octets):
    attachments = list(read(octets).iter_attachments())
    assert len(attachments) == 1
    part = attachments[0]
    assert part.keys() == ["Content-Type", "Content-Transfer-Encoding",
                           "Content-Disposition"]
    want = content.replace("\\", "/").split("/")[-1]
    want = "".join(c for c in want if c >= " " and c not in BIDI)
    name = part.get_filename()
    if len(want.encode()) > 255:
        assert len(name.encode()) <= 255 and name.endswith(want[-4:])
    elif "\0" in content:
        assert name in (want, content.split("\0")[0])
    else:
        assert (name or "") == want, name
    assert part.get_content() == b"data"


def check_header(row, octets):
    if octets is None:
        assert row["id"] not in ("hdr-ok", "hdr-value-utf8")
        return
    assert row["id"] in ("hdr-ok", "hdr-value-utf8")
    seen = read(octets)
    assert seen.keys() == OWN + [row["content"]["Name"]] + BODY
    assert seen[row["content"]["Name"]] == row["content"]["Value"]


def check_subject(content, octets):
    if octets is None:
        assert any(c in content for c in "\r\n\0")
        return
    seen = read(octets)
    assert seen.keys() == OWN + BODY
    assert seen["Subject"] == content


def input_of(row):
    content = generated(row["content"])
    if row["field"] == "FileName":
        return mail(attachments=[{"fileName": content, "data": "ZGF0YQ==",
                                  "contentType": "application/x-a"}])
    if row["field"] == "Headers":
        return mail(headers=[{"name": content["Name"],
                              "value": content["Value"]}])
    return mail(subject=content)


def check_row(row, octets):
    content = generated(row["content"])
    if row["field"] == "Headers":
        check_header(row, octets)
    elif row["field"] == "Subject":
        check_subject(content, octets)
    elif octets is not None:
        check_file(content, octets)
    else:
        assert row["id"] == "file-nul"


def lines(text):
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_round(given, octets):
    """Everything that was given comes back."""
    seen = read(octets)
    assert seen["Subject"] == given["subject"], seen["Subject"]
    # This reader leaves the blank between two encoded words in a phrase.
    people = [(a.display_name.replace(" ", ""), a.addr_spec)
              for a in seen["To"].addresses]
    assert people == [(t["name"].replace(" ", ""), t["spec"])
                      for t in given["to"]]
    for kind in ("plain", "html"):
        key = "text" if kind == "plain" else "html"
        part = seen.get_body((kind,))
        assert (part is None) == (key not in given)
        if part is not None:
            got, want = lines(part.get_content()), lines(given[key])
            # A mail that is one part ends its last line.
            assert got == want or (part is seen and got == want + "\n")
    names = [p.get_filename() for p in seen.walk() if p.get_filename()]
    assert sorted(names) == sorted(a["fileName"] for a in
                                   given.get("attachments", []))


def random_text(chance, most):
    units = ["a", "word ", "\u00e9", "\u65e5\u672c", "\U0001f600", "\n",
             "\r\n", " \n", ".\n", "=", "From ", "--=_", "x" * 90]
    kinds = chance.sample(units, chance.randint(1, 5))
    return "".join(chance.choice(kinds) for _ in range(chance.randint(1, most)))


def random_line(chance, most):
    text = random_text(chance, most)
    return " ".join(text.split()) or "x"


def random_mail(chance):
    given = mail(subject=random_line(chance, 40), text=random_text(chance, 200),
                 to=[{"spec": "bob@dest.example",
                      "name": random_line(chance, 10)}
                     for _ in range(chance.randint(1, 4))])
    if chance.random() < 0.6:
        given["html"] = random_text(chance, 200)
        if chance.random() < 0.3:
            del given["text"]
    given["attachments"] = [
        {"fileName": random_line(chance, 20)[:60].strip() + ".x",
         "contentType": chance.choice(["image/png", "application/pdf"]),
         "inline": chance.random() < 0.5, "contentId": "id%d" % i,
         "encoding": chance.choice(["base64", "qp", "7bit"]),
         "data": base64.b64encode(chance.randbytes(300)).decode()}
        for i in range(chance.randint(0, 3))]
    return given


def jobs():
    if os.path.exists(ROWS):
        with open(ROWS, encoding="utf-8") as f:
            for row in json.load(f)["cases"]:
                if "field" in row:
                    yield row["id"], input_of(row), \
                        lambda out, row=row: check_row(row, out)
    chance = random.Random(5322)
    for i in range(400):
        given = random_mail(chance)
        yield "random-%d" % i, given, \
            lambda out, given=given: check_round(given, out)


def main():
    todo = list(jobs())
    failed = 0
    for (name, _, check), out in zip(todo, compose([j[1] for j in todo])):
        try:
            check(out)
        except Exception as e:
            failed += 1
            line = e.__traceback__
            while line.tb_next is not None:
                line = line.tb_next
            print("FAIL %s: line %d %s %s" % (name, line.tb_lineno,
                                              type(e).__name__, e))
    print("%d passed, %d failed" % (len(todo) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
