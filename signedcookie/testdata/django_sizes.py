"""Tells how long the cookies of Django's signed_cookies backend are: reads a
session a line, as JSON, and writes a number a line."""

import json
import sys

from django.conf import settings

settings.configure(SECRET_KEY="for tests only")

from django.contrib.sessions.backends.signed_cookies import SessionStore

for line in sys.stdin.buffer:
    session = SessionStore()
    session.update(json.loads(line))
    session.save()
    print(len(session.session_key))
