"""Django, asked over standard input and output.

Each line of input is a JSON object with an "op", each line of output the
answer to it. The first op is "configure". Sessions travel as the text of their
JSON, since numbers and characters have to survive.
"""

import json
import os
import random
import struct
import sys
import time
from datetime import timedelta

import django
from django.conf import settings

real_time = time.time


def text_of(session):
    return json.dumps(session, ensure_ascii=False)


def store(engine, key=None):
    from importlib import import_module
    return import_module("django.contrib.sessions.backends." + engine).SessionStore(key)


class UTF8Serializer:
    """A site's own serializer."""

    def dumps(self, obj):
        return json.dumps(obj, separators=(",", ":"), ensure_ascii=False).encode()

    def loads(self, data):
        return json.loads(data.decode())


def configure(secret, database=":memory:", cookie_age=1209600, algorithm="sha256", serializer="JSONSerializer", use_tz=True, time_zone="Asia/Ho_Chi_Minh"):
    """Sets Django up. A database is an SQLite file, or an entry of DATABASES."""
    if isinstance(database, str):
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": database}
    if not use_tz:
        os.environ["TZ"] = time_zone
        time.tzset()
    options = {}
    if django.VERSION < (4, 0):
        options["DEFAULT_HASHING_ALGORITHM"] = algorithm
    settings.configure(
        SECRET_KEY=secret,
        USE_TZ=use_tz,
        TIME_ZONE=time_zone,
        SESSION_COOKIE_AGE=cookie_age,
        SESSION_SERIALIZER=serializer if "." in serializer else "django.contrib.sessions.serializers." + serializer,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        DATABASES={"default": database},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        **options,
    )
    django.setup()
    from django.core.management import call_command
    from django.db.backends.signals import connection_created
    if "sqlite" in database["ENGINE"]:
        connection_created.connect(not_durable)
    if not os.path.exists(database["NAME"]):
        call_command("migrate", verbosity=0)
    return {"version": django.get_version()}


def not_durable(connection, **kwargs):
    connection.cursor().execute("PRAGMA synchronous = OFF")


def write(engine, session, key=None, expiry=None, end_in=None):
    """Stores a session as a request would: loads what key stands for, and
    replaces all of it. It expires after a number of seconds, or at a fixed
    moment that is so many seconds from now."""
    s = store(engine, key)
    s.clear()
    s.update(json.loads(session))
    if expiry is not None:
        s.set_expiry(expiry)
    if end_in is not None:
        s.set_expiry(timedelta(seconds=end_in))
    s.save()
    return {"key": s.session_key}


def save_again(engine, key):
    """Loads a session and saves it after a change."""
    s = store(engine, key)
    s["saved"] = s.get("saved", 0) + 1
    s.save()
    return {"key": s.session_key, "age": s.get_expiry_age()}


def read(engine, key, expect=None):
    """Loads a session. Both engines take a key that stands for nothing known
    for an empty one."""
    s = store(engine, key)
    answer = describe(dict(s.items()), expect)
    if not answer["empty"]:
        answer["age"] = s.get_expiry_age()
        answer["at_browser_close"] = s.get_expire_at_browser_close()
    return answer


def describe(session, expect=None):
    """Compares with what is expected as Python does."""
    return {
        "session": text_of(session),
        "empty": not session,
        "equal": bool(expect) and session == json.loads(expect),
    }


def delete(engine, key):
    store(engine, key).delete()
    return {}


def raw_row(key):
    from django.contrib.sessions.models import Session
    row = Session.objects.get(session_key=key)
    return {"data": row.session_data, "expires": row.expire_date.isoformat()}


def user_hash(password):
    from django.contrib.auth.models import User
    return {"hash": User(password=password).get_session_auth_hash()}


def make_password(password, salt, iterations):
    from django.contrib.auth.hashers import PBKDF2PasswordHasher
    return {"encoded": PBKDF2PasswordHasher().encode(password, salt, iterations)}


def decode_row(data, expect=None):
    """Decodes a session_data."""
    return describe(store("db").decode(data), expect)


def change(**values):
    """Changes settings."""
    for name, value in values.items():
        setattr(settings, name, value)
    return {}


def set_time(now=None):
    """Stops the clock that cookies go by, and lets it run again."""
    time.time = real_time if now is None else lambda: now
    return {}


def random_sessions(seed, count):
    """Random sessions, each written by both engines."""
    from django.db import transaction
    r = random.Random(seed)
    sessions = []
    with transaction.atomic():
        for _ in range(count):
            session = random_dict(r, 3)
            keys = {}
            for engine in "signed_cookies", "db":
                s = store(engine)
                s.update(session)
                s.save()
                keys[engine] = s.session_key
            sessions.append({"session": text_of(session), "keys": keys})
    return {"sessions": sessions}


def random_dict(r, depth):
    return {random_text(r): random_value(r, depth - 1) for _ in range(r.choice([0, 1, 1, 2, 3, 5]))}


def random_value(r, depth):
    kind = r.randrange(12 if depth > 0 else 9)
    if kind == 0:
        return None
    if kind == 1:
        return r.random() < 0.5
    if kind == 2:
        return r.choice(["", [], {}, 0, 0.0, -0.0, 1e16, 5e-324, 2**53 + 1, -(2**63), 2**64])
    if kind == 3:
        return r.randrange(-1000, 1000)
    if kind == 4:
        return r.getrandbits(r.choice([31, 53, 63, 64, 65, 200])) * r.choice([-1, 1])
    if kind == 5:
        while True:
            (f,) = struct.unpack("d", r.getrandbits(64).to_bytes(8, "little"))
            if f == f and f not in (float("inf"), float("-inf")):
                return f
    if kind == 6:
        return round(r.uniform(-1e6, 1e6), 2)
    if kind in (7, 8):
        return random_text(r)
    if kind in (9, 10):
        return random_dict(r, depth)
    return [random_value(r, depth - 1) for _ in range(r.randrange(4))]


RANGES = [
    (0x20, 0x7F), (0x20, 0x7F), (0x20, 0x7F), (0x00, 0x20), (0x7F, 0xA1), (0xA1, 0x250), (0x370, 0x500),
    (0x1E00, 0x1F00), (0x2020, 0x2030), (0x3040, 0x3100), (0x4E00, 0xA000), (0xD7F0, 0xD800), (0xE000, 0xE010),
    (0xFFF0, 0x10000), (0x10000, 0x10010), (0x1F300, 0x1F700), (0x10FFF0, 0x110000),
]


def random_text(r):
    text = ""
    for _ in range(r.choice([0, 1, 3, 8, 20])):
        text += chr(r.randrange(*r.choice(RANGES)))
    return text


OPS = [configure, change, set_time, write, save_again, read, delete, raw_row, decode_row, user_hash, make_password, random_sessions]


def main():
    ops = {op.__name__: op for op in OPS}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = ops[request.pop("op")](**request)
        except Exception as e:
            answer = {"error": "%s: %s" % (type(e).__name__, e)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
