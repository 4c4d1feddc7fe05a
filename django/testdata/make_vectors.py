"""Wrote the files in testdata/vectors that Django signed.

Files are added and never changed: whatever was once read is read for ever. So
this skips the files that are there.
"""

import os

import peer
from django.conf import settings

NOW = 1767225600  # 2026-01-01T00:00:00Z
SECRET = "django-insecure-3x@mple)k3y&f0r+t3sts-0nly!_q9w8e7r6t5y4u3i2o1"
OLD_SECRET = "an older key, Ω and ✓ in it"
DIRECTORY = os.path.join(os.path.dirname(__file__), "vectors")

LOGIN = {
    "_auth_user_id": "1024",
    "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
    "_auth_user_hash": "5b2b7bbd0d1d2f4f7b9d7a7d7e6b5a40f3b6f2c9e1a8d7c6b5a4938271605f4e",
    "_csrftoken": "q8Zx0nM4v7B2c9K1j6H5g3F8d0S2a4P7",
}
LOGIN_TEXT = (
    '{"_auth_user_id":"1024","_auth_user_backend":"django.contrib.auth.backends.ModelBackend",'
    '"_auth_user_hash":"5b2b7bbd0d1d2f4f7b9d7a7d7e6b5a40f3b6f2c9e1a8d7c6b5a4938271605f4e",'
    '"_csrftoken":"q8Zx0nM4v7B2c9K1j6H5g3F8d0S2a4P7"}'
)
UNICODE = {"tên": "Nguyễn Thị Ánh", "имя": "Мария", "🍪": "🥠", "é": "\x00\x1f\x7f\x80\xa0\xff\u2028\uffff\U0010ffff\"\\/\b\f\n\r\t"}
UNICODE_TEXT = (
    '{"tên":"Nguyễn Thị Ánh","имя":"Мария","🍪":"🥠",'
    '"é":"\\u0000\\u001f\\u007f\x80\xa0\xff\\u2028\uffff\U0010ffff\\"\\\\/\\b\\f\\n\\r\\t"}'
)


# UTF-8 has fewer escapes.
UTF8_TEXT = UNICODE_TEXT.replace("\\u007f", "\x7f").replace("\\u2028", "\u2028")


def vector(name, format, expect, payload=None, session=None, **headers):
    path = os.path.join(DIRECTORY, name + ".txt")
    if os.path.exists(path):
        return
    headers = {"format": format, "django": peer.django.get_version(), "secret": SECRET, "now": NOW, **headers, "expect": expect}
    if session is not None:
        headers["session"] = session
    with open(path, "w", encoding="utf-8", newline="\n") as f:
        for header, value in headers.items():
            f.write("%s: %s\n" % (header.replace("_", "-"), value))
        f.write("\n%s\n" % payload)


def cookie(session, signed=NOW, secret=SECRET, algorithm="sha256", serializer="django.contrib.sessions.serializers.JSONSerializer"):
    peer.set_time(signed)
    peer.change(SECRET_KEY=secret, DEFAULT_HASHING_ALGORITHM=algorithm, SESSION_SERIALIZER=serializer)
    s = peer.store("signed_cookies")
    s.update(session)
    s.save()
    return s.session_key


def row(session, secret=SECRET, algorithm="sha256"):
    peer.set_time(NOW)
    peer.change(SECRET_KEY=secret, DEFAULT_HASHING_ALGORITHM=algorithm, SESSION_SERIALIZER=SERIALIZERS + "JSONSerializer")
    return peer.store("db").encode(session)


def user_hash(password, secret=SECRET, algorithm="sha256"):
    peer.change(SECRET_KEY=secret, DEFAULT_HASHING_ALGORITHM=algorithm)
    return peer.user_hash(password)["hash"]


SERIALIZERS = "django.contrib.sessions.serializers."
AGE = 1209600
TEAM, TEAM_TEXT = {"team": "red"}, '{"team":"red"}'


def main():
    peer.configure(SECRET)

    def success(name, session, text, expires=NOW + AGE, **more):
        signing = {k: more.pop(k) for k in ("signed", "secret", "algorithm", "serializer") if k in more}
        vector("cookie-" + name, "cookie", "success", cookie(session, **signing), text, expires=expires, **more)

    success("empty", {}, "{}")
    success("short", TEAM, TEAM_TEXT)
    success("login", LOGIN, LOGIN_TEXT)
    success("unicode", UNICODE, UNICODE_TEXT)
    success("lone-surrogates", {"a": "\ud800", "b": "\udc00\ud800", "c": "\ud800x\udc00"},
            '{"a":"\\ud800","b":"\\udc00\\ud800","c":"\\ud800x\\udc00"}')
    success("numbers", {"big": 2**64, "bigger": -10**40, "float": 0.1, "exponent": 1e16, "small": 5e-324, "zero": -0.0},
            '{"big":18446744073709551616,"bigger":-10000000000000000000000000000000000000000,'
            '"float":0.1,"exponent":1e+16,"small":5e-324,"zero":-0.0}')
    success("not-a-number", {"a": [float("inf"), -float("inf"), float("nan"), "NaN Infinity"]},
            '{"a":[1e999,-1e999,null,"NaN Infinity"]}')
    success("last-second", TEAM, TEAM_TEXT, signed=NOW - AGE + 1, expires=NOW + 1)
    success("from-the-future", TEAM, TEAM_TEXT, signed=NOW + 60, expires=NOW + AGE + 60)
    success("other-age", TEAM, TEAM_TEXT, signed=NOW - 7000, expires=NOW + 200, cookie_age=7200)
    success("expiry-seconds", {"_session_expiry": 60, **TEAM}, '{"_session_expiry":60,"team":"red"}',
            signed=NOW - 59, expires=NOW + 1)
    success("expiry-fraction", {"_session_expiry": 60.5, **TEAM}, '{"_session_expiry":60.5,"team":"red"}',
            expires=NOW + 60)
    success("expiry-longer-than-cookie-age", {"_session_expiry": 2 * AGE, **TEAM}, '{"_session_expiry":2419200,"team":"red"}')
    success("expiry-browser-close", {"_session_expiry": 0, **TEAM}, '{"_session_expiry":0,"team":"red"}')
    success("expiry-none", {"_session_expiry": None, **TEAM}, '{"_session_expiry":null,"team":"red"}')
    success("expiry-of-something-else", {"a": {"_session_expiry": 1}}, '{"a":{"_session_expiry":1}}', signed=NOW - 5, expires=NOW + AGE - 5)
    success("expiry-time", {"_session_expiry": "2026-01-01T09:00:00.500000+07:00"},
            '{"_session_expiry":"2026-01-01T09:00:00.500000+07:00"}', expires=NOW + 7200)
    success("expiry-time-naive", {"_session_expiry": "2026-01-01T02:00:00"},
            '{"_session_expiry":"2026-01-01T02:00:00+00:00"}', expires=NOW + 7200, time_zone="UTC")
    success("expiry-time-new-york", {"_session_expiry": "2025-12-31T21:00:00.000250", **TEAM},
            '{"_session_expiry":"2026-01-01T02:00:00.000250+00:00","team":"red"}', expires=NOW + 7200, time_zone="America/New_York")
    success("utf-8", UNICODE, UTF8_TEXT, serializer="peer.UTF8Serializer")
    success("fallback", TEAM, TEAM_TEXT, secret=OLD_SECRET, fallback=OLD_SECRET)
    success("sha1", TEAM, TEAM_TEXT, algorithm="sha1", read_sha1="yes")
    success("sha1-fallback", LOGIN, LOGIN_TEXT, algorithm="sha1", secret=OLD_SECRET, read_sha1="yes", fallback=OLD_SECRET)

    def refused(name, expect, payload, **more):
        vector("cookie-" + name, "cookie", expect, payload, **more)

    refused("over", "expired", cookie(TEAM, signed=NOW - AGE))
    refused("expiry-over", "expired", cookie({"_session_expiry": 60, **TEAM}, signed=NOW - 60))
    refused("expiry-negative", "expired", cookie({"_session_expiry": -1, **TEAM}))
    refused("expiry-time-over", "expired", cookie({"_session_expiry": "2025-12-31T23:59:59+00:00"}))
    refused("other-secret", "invalid token", cookie(TEAM, secret=OLD_SECRET))
    refused("sha1-not-asked-for", "invalid token", cookie(TEAM, algorithm="sha1"))
    refused("pickle", "pickle", cookie(TEAM, serializer=SERIALIZERS + "PickleSerializer"))
    refused("signed-as-a-row", "invalid token", row(TEAM))

    vector("row-empty", "row", "success", row({}), "{}")
    vector("row-login", "row", "success", row(LOGIN), LOGIN_TEXT)
    vector("row-unicode", "row", "success", row(UNICODE), UNICODE_TEXT)
    vector("row-fallback", "row", "success", row(TEAM, secret=OLD_SECRET), TEAM_TEXT, fallback=OLD_SECRET)
    vector("row-before-3.1", "row", "success", row(UNICODE, algorithm="sha1"), UNICODE_TEXT, read_sha1="yes")
    vector("row-before-3.1-fallback", "row", "success", row(TEAM, algorithm="sha1", secret=OLD_SECRET), TEAM_TEXT,
           read_sha1="yes", fallback=OLD_SECRET)
    vector("row-before-3.1-not-asked-for", "row", "invalid token", row(TEAM, algorithm="sha1"))
    vector("row-before-3.1-other-secret", "row", "invalid token", row(TEAM, algorithm="sha1", secret=OLD_SECRET), read_sha1="yes")
    vector("row-other-secret", "row", "invalid token", row(TEAM, secret=OLD_SECRET))
    vector("row-signed-as-a-cookie", "row", "invalid token", cookie(TEAM))

    password = "pbkdf2_sha256$260000$c2FsdA$Nq1bqk0a6Ob8Jx5nQzY8vY3yQd6xv1Jt7uHk2mQ0m3E="
    vector("hash", "hash", "success", user_hash(password), password=password)
    vector("hash-unusable-password", "hash", "success", user_hash("!kJ8Wm2"), password="!kJ8Wm2")
    vector("hash-fallback", "hash", "renewed", user_hash(password, secret=OLD_SECRET), password=password, fallback=OLD_SECRET)
    vector("hash-sha1", "hash", "renewed", user_hash(password, algorithm="sha1"), password=password, read_sha1="yes")
    vector("hash-sha1-not-asked-for", "hash", "invalid", user_hash(password, algorithm="sha1"), password=password)
    vector("hash-other-password", "hash", "invalid", user_hash("!"), password=password)
    vector("hash-other-secret", "hash", "invalid", user_hash(password, secret=OLD_SECRET), password=password)


main()
