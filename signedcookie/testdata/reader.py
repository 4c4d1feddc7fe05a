"""Reads cookies as FORMAT.md says, with the standard library and the package
cryptography.

    reader.py DICTIONARY VECTOR...

prints a JSON object for each vector: its file, and either the session (its
bytes in hexadecimal) and when it expires, or why it is refused.
"""

import base64
import hashlib
import hmac
import json
import re
import sys
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

LONG, PACKED, DEFLATED, DICTIONARY, PADDED = 1, 2, 4, 8, 16


class Refused(Exception):
    pass


def hkdf(secret, info, size):
    """HKDF-SHA-256 (RFC 5869) without a salt."""
    key = hmac.digest(bytes(32), secret, "sha256")
    out = block = b""
    while len(out) < size:
        block = hmac.digest(key, block + info + bytes([len(out) // 32 + 1]), "sha256")
        out += block
    return out[:size]


def derive(secret, context, purpose, size):
    info = b"sessionengine signedcookie v1 " + purpose.encode()
    if context:
        info += b"\0" + context.encode("latin-1")
    return hkdf(secret, info, size)


def open_sealed(v, secret, sealed):
    try:
        key = derive(secret, v["context"], "sealed", 64)
        return AESSIV(key).decrypt(sealed, [v["cookie"].encode("latin-1")])
    except (InvalidTag, ValueError):
        return None


def open_securecookie(v, secret, packed):
    date = n = 0
    while True:
        if n >= len(packed) or n > 8:  # nine bytes are 63 bits
            return None
        date |= (packed[n] & 0x7F) << 7 * n
        n += 1
        if packed[n - 1] < 0x80:
            break
    if n > 1 and packed[n - 1] == 0 or len(packed) < n + 32:
        return None
    inner, mac = packed[n:-32], packed[-32:]
    signed = b"%s|%d|%s" % (v["cookie"].encode("latin-1"), date, base64.urlsafe_b64encode(inner))
    key = derive(secret, v["context"], v["scheme"] + " hash", 32)
    if not hmac.compare_digest(mac, hmac.digest(key, signed, "sha256")):
        return None
    if v["scheme"] == "encrypted":
        if len(inner) <= 16:
            return None
        key = derive(secret, v["context"], "encrypted block", 32)
        decryptor = Cipher(algorithms.AES(key), modes.CTR(inner[:16])).decryptor()
        inner = decryptor.update(inner[16:]) + decryptor.finalize()
    return inner


def inflate(data, dictionary, limit):
    z = zlib.decompressobj(-15, zdict=dictionary)
    try:
        text = z.decompress(data, limit + 1)
    except zlib.error:
        raise Refused("malformed")
    if len(text) > limit:
        raise Refused("too large")
    if not z.eof or z.unused_data or z.unconsumed_tail:
        raise Refused("malformed")
    return text


def unpack(text, raw):
    out, runs, i, at = bytearray(), [], 0, 0
    while i < len(text):
        mark = text[i]
        i += 1
        if mark < 0xF8:
            out.append(mark)
            continue
        n = 16
        if mark != 0xF9:
            if i == len(text):
                raise Refused("malformed")
            n = text[i]
            i += 1
        if mark == 0xFD:
            if n >= min(len(runs), 32):
                raise Refused("malformed")
            out += runs[n]
            continue
        if mark == 0xFC:
            piece = text[i : i + n]
            i += n
        else:
            piece = raw[at : at + n]
            at += n
        if len(piece) < n:
            raise Refused("malformed")
        if mark == 0xF8:
            run = piece.hex().encode()
        elif mark == 0xF9:
            h = piece.hex()
            run = "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:])).encode()
        elif mark in (0xFA, 0xFC):
            run = base64.urlsafe_b64encode(piece).rstrip(b"=")
        elif mark == 0xFB:
            run = base64.b64encode(piece).rstrip(b"=")
        elif mark == 0xFE and n <= 8:
            run = str(int.from_bytes(piece, "big")).encode()
        else:
            raise Refused("malformed")
        runs.append(run)
        out += run
    if at != len(raw):
        raise Refused("malformed")
    return bytes(out)


def read_payload(v, payload, builtin):
    i = 0

    def take(n):
        nonlocal i
        if i + n > len(payload):
            raise Refused("malformed")
        i += n
        return payload[i - n : i]

    head = take(1)[0]
    flags = head & 0x1F
    if head >> 5 != 1:
        raise Refused("malformed")
    if flags & PADDED:
        payload = payload.rstrip(b"\0")
        if len(payload) < 2 or payload[-1] != 0x80:
            raise Refused("malformed")
        payload = payload[:-1]
    expires = int.from_bytes(take(8 if flags & LONG else 4), "big")
    if expires > 253402300799:
        raise Refused("malformed")
    dictionary = builtin
    if flags & DICTIONARY:
        known = {hashlib.sha256(d).digest()[:3]: d for d in v["dictionaries"]}
        dictionary = known.get(take(3))
        if dictionary is None or not flags & DEFLATED:
            raise Refused("malformed")
    raw = b""
    if flags & PACKED:
        n = take(1)[0]
        if n >= 0x80:
            more = take(1)[0]
            if more >= 0x80:
                raise Refused("malformed")
            n = n & 0x7F | more << 7
        raw = take(n)
    text = payload[i:]
    if flags & DEFLATED:
        text = inflate(text, dictionary, v["limit"])
    session = unpack(text, raw) if flags & PACKED else text
    if len(session) > v["limit"]:
        raise Refused("too large")
    return session, expires


def read(v, builtin):
    value = v["value"]
    if len(v["cookie"].encode("latin-1")) + len(value) > 4096:
        raise Refused("too long")
    if not re.fullmatch("[A-Za-z0-9_-]+", value) or len(value) % 4 == 1:
        raise Refused("not canonical")
    sealed = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    if base64.urlsafe_b64encode(sealed).decode().rstrip("=") != value:
        raise Refused("not canonical")
    opener = open_sealed if v["scheme"] == "sealed" else open_securecookie
    for secret in v["secrets"]:
        payload = opener(v, secret, sealed)
        if payload is not None:
            session, expires = read_payload(v, payload, builtin)
            if v["now"] >= expires:
                raise Refused("expired")
            return session, expires
    raise Refused("forged")


def parse(file):
    with open(file, newline="", encoding="latin-1") as f:
        head, value = f.read().split("\n\n", 1)
    v = {"secrets": [], "dictionaries": [], "context": "", "limit": 65536, "value": value[:-1]}
    for line in head.split("\n"):
        key, text = line.split(": ", 1)
        if key in ("secret", "fallback"):
            v["secrets"].append(bytes.fromhex(text))
        elif key == "dictionary":
            v["dictionaries"].append(bytes.fromhex(text))
        elif key in ("limit", "now"):
            v[key] = int(text)
        else:
            v[key] = text
    return v


def main():
    with open(sys.argv[1], "rb") as f:
        builtin = f.read()
    for file in sys.argv[2:]:
        try:
            session, expires = read(parse(file), builtin)
            answer = {"session": session.hex(), "expires": expires}
        except Refused as why:
            answer = {"refused": str(why)}
        print(json.dumps({"file": file, **answer}))


main()
