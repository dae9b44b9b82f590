"""The page that lies in every evidence pack: how to check it, with the tool and by hand."""

from __future__ import annotations

TEXT = """\
EVIDENCE PACK OF AN AUDIT LOG

What is here

  entries.jsonl   the entries, one a line: the record as a text, and its salt. Of an erased one: its leaf
  entries.csv     the same for a spreadsheet. A value that begins like a formula has an apostrophe in front
  leaves          32 bytes for every entry of the whole log, from entry 0 on
  checkpoint      the log's head: its name, its number of entries, the root over all leaves; signed
  cosigned        where somebody outside has signed heads, too: the newest such head, with their signatures. Not always here
  keys.txt        the keys that have signed heads: key, since when, from which number of entries on
  retention.json  what is held of each class of data, and until when. The operator's word; no proof
  pack.json       which entries are in this pack, "first" up to, not including, "end"
  SHA256SUMS      that nothing was damaged on its way here. Whoever alters a file can alter this one, too

With the tool (ten minutes, most of them for installing it)

  relay audit verify THIS_FOLDER --key KEY

KEY is the log's key as you got it from the operator in person, or from the auditor before you. Do not take it from keys.txt:
whoever forges a pack forges that file, too.

By hand, with what every system has

1. Nothing is damaged:

     sha256sum -c SHA256SUMS

2. Every record stands where it says, and all leaves make up the root in the checkpoint. Save as check.py beside the files,
   run it with Python 3; it prints nothing but "ok" and a number when all is well:

     import base64, hashlib, json
     def sha(b): return hashlib.sha256(b).digest()
     data = open("leaves", "rb").read()
     leaves = [data[i:i + 32] for i in range(0, len(data), 32)]
     def root(hashes):
         if not hashes: return sha(b"")
         edge = []
         for number, h in enumerate(hashes):
             while number & 1:
                 h, number = sha(b"\\x01" + edge.pop() + h), number >> 1
             edge.append(h)
         h = edge.pop()
         while edge: h = sha(b"\\x01" + edge.pop() + h)
         return h
     about = json.load(open("pack.json"))
     expected = about["first"]
     for line in open("entries.jsonl"):
         e = json.loads(line)
         assert e["index"] == expected, e["index"]
         if "record" in e:
             leaf = sha(base64.b64decode(e["salt"]) + e["record"].encode())
         else:
             leaf = base64.b64decode(e["leaf"])
         assert leaf == leaves[expected], expected
         expected += 1
     assert expected == about["end"], expected
     name, size, head = open("checkpoint").read().split("\\n")[:3]
     assert int(size) == len(leaves) == about["size"] and name == about["origin"]
     assert root([sha(b"\\x00" + leaf) for leaf in leaves]) == base64.b64decode(head)
     print("ok", len(leaves))

3. The signature is the key's. A key is name+id+base64, and what is behind the second + is one byte, 01, and the 32 bytes of an
   Ed25519 key. The signature is in the last line of the checkpoint: behind the name, in base64, 4 bytes that name the key and
   64 that sign. What is signed is everything above the empty line, its last newline counted:

     head -n 3 checkpoint > signed
     sed -n 5p checkpoint | cut -d ' ' -f 3 | base64 -d | tail -c 64 > signature
     (printf '302a300506032b6570032100' | xxd -r -p; printf %s KEY_BEHIND_THE_SECOND_PLUS | base64 -d | tail -c 32) > key.der
     openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in signed -sigfile signature

   Where several keys sign there is a line for each; take the one that is yours.

What it proves, and what it does not: docs/auditors.md of Relay, and docs/audit-log.md for every byte of this.
"""
