#!/usr/bin/env python3
"""The objects of a UPS for pass_persist of snmpd, from a file that is read anew for each request: lines of name, type and value. What is
asked and what is set is told in two other files."""
import os
import sys

OBJECTS, ASKED, WRITTEN = sys.argv[1:4]


def numbers(name):
    return tuple(int(part) for part in name.strip().strip(".").split("."))


def objects():
    with open(OBJECTS) as file:
        lines = [line.rstrip("\n").split(" ", 2) for line in file]
    return {numbers(name): (kind, value) for name, kind, value in lines}


def put(known):
    with open(OBJECTS + ".new", "w") as file:
        for name, (kind, value) in known.items():
            file.write(".".join(map(str, name)) + f" {kind} {value}\n")
    os.rename(OBJECTS + ".new", OBJECTS)


def note(path, line):
    with open(path, "a") as file:
        file.write(line + "\n")


for line in sys.stdin:
    request = line.strip()
    if not request:
        # What is to be set ends with an empty line.
        continue
    if request == "PING":
        print("PONG", flush=True)
        continue
    name = numbers(sys.stdin.readline())
    known = objects()
    if request == "set":
        kind, value = sys.stdin.readline().strip().split(" ", 1)
        if name in known:
            note(WRITTEN, ".".join(map(str, name)) + f" {value}")
            put({**known, name: (kind, value)})
        print("DONE" if name in known else "not-writable", flush=True)
        continue
    note(ASKED, request)
    if request == "getnext":
        name = min((other for other in known if other > name), default=None)
    if name in known:
        print("." + ".".join(map(str, name)), *known[name], sep="\n", flush=True)
    else:
        print("NONE", flush=True)
