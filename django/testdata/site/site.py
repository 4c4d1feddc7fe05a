"""A Django site in one file: users who log in, and a session to play with.

    site.py ENGINE DATABASE SECRET_KEY SETTINGS

The last one is a JSON object of further settings. There are all pages twice,
once under /old/.

It makes the database if there is none. Then it prints its port on the loopback
interface and Django's version, and ends when its standard input does.
"""

import json
import os
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

engine, database, secret_key, more = sys.argv[1:]

settings.configure(
    SECRET_KEY=secret_key,
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    USE_TZ=True,
    SESSION_ENGINE="django.contrib.sessions.backends." + engine,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    # A hash that takes no time.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    **json.loads(more),
)
django.setup()

from django.contrib import auth  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.middleware.csrf import get_token  # noqa: E402
from django.urls import include, path  # noqa: E402


def show(request):
    """Who is logged in, and what the session holds."""
    name = request.user.get_username() or None
    return JsonResponse({"user": name, "session": dict(request.session.items())})


def login(request):
    user = auth.authenticate(request, username=request.GET["user"], password=request.GET["password"])
    if user is None:
        return HttpResponse(status=403)
    auth.login(request, user)
    return HttpResponse()


def logout(request):
    auth.logout(request)
    return HttpResponse()


def set_value(request):
    request.session[request.GET["key"]] = json.loads(request.GET["value"])
    return HttpResponse()


def delete_value(request):
    del request.session[request.GET["key"]]
    return HttpResponse()


def set_expiry(request):
    request.session.set_expiry(int(request.GET["seconds"]))
    return HttpResponse()


def set_test_cookie(request):
    request.session.set_test_cookie()
    return HttpResponse()


def test_cookie(request):
    worked = request.session.test_cookie_worked()
    if worked:
        request.session.delete_test_cookie()
    return JsonResponse({"worked": worked})


def change_password(request):
    request.user.set_password(request.GET["password"])
    request.user.save()
    if request.GET.get("stay"):
        auth.update_session_auth_hash(request, request.user)
    return HttpResponse()


def deactivate(request):
    request.user.is_active = False
    request.user.save()
    return HttpResponse()


def csrf_token(request):
    return HttpResponse(get_token(request))


def post(request):
    return HttpResponse(request.method)


def slow(request):
    """Changes the session, and takes its time before that is saved."""
    request.session["slow"] = True
    print("waiting", flush=True)
    go_on.acquire()
    return HttpResponse()


pages = [
    path("show", show),
    path("login", login),
    path("logout", logout),
    path("set", set_value),
    path("delete", delete_value),
    path("expiry", set_expiry),
    path("set-test-cookie", set_test_cookie),
    path("test-cookie", test_cookie),
    path("change-password", change_password),
    path("deactivate", deactivate),
    path("csrf-token", csrf_token),
    path("post", post),
    path("slow", slow),
]
urlpatterns = pages + [path("old/", include(pages))]

go_on = threading.Semaphore(0)


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


def not_durable(connection, **kwargs):
    connection.cursor().execute("PRAGMA synchronous = OFF")


connection_created.connect(not_durable)


def main():
    if not os.path.exists(database):
        call_command("migrate", verbosity=0)
        for name in "ada", "bob":
            User.objects.create_user(name, password="secret of " + name)
    server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
    print(server.server_port, django.get_version(), flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for _ in sys.stdin:
        go_on.release()
    os._exit(0)


main()
