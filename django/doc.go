// Package django reads and writes the sessions of Django, so that a site can
// move from Django to Go a page at a time: a visitor who logs in at one side is
// logged in at the other, with one cookie.
//
// It has both of Django's engines. For the default one, which keeps sessions in
// the table django_session, [Rows] sets up a dbstore:
//
//	opts, err := django.Rows(secretKey, django.Options{})
//	store, err := dbstore.New(db, dbstore.Postgres, opts)
//
// For "django.contrib.sessions.backends.signed_cookies" there is [CookieStore]:
//
//	store, err := django.NewCookieStore(secretKey, django.Options{})
//
// Either is a [session.SessionStore], and a Manager does the rest. [Auth] checks
// and writes what django.contrib.auth keeps in a session.
//
// MIGRATING.md, beside this file, is a guide: which setting of Django's is which
// option here, and what the two sides do differently. The program in examples/views
// has views as Django's users write them, in Go.
//
// # Formats
//
// What Django writes is defined by its source: django/core/signing.py,
// django/contrib/sessions/backends and django/contrib/auth. Its present formats
// are those since version 3.1; what older ones wrote is read with
// [Options.ReadSHA1]. The package is tested against Django itself.
//
// Sessions have to be JSON, which is Django's default, in ASCII or UTF-8. Those written by its
// PickleSerializer are refused: whoever can write a pickle can run code.
// Numbers of any size and precision survive, since sessions keep values as they
// are written. Python also writes NaN and infinities, which JSON does not have:
// a NaN is read as null, and an infinity as 1e999, which Python reads as an
// infinity again.
//
// # Security
//
// Whoever has the SECRET_KEY can make a session of any user, here as at Django.
// Any SECRET_KEY that is not empty is accepted, because it is the site's; it
// should have the 50 random characters that Django's own makes.
//
// A cookie is authenticated before anything else is done with it, and what it
// inflates to is bounded by [Options.MaxBytes], at Django it is not. As at
// Django, its signature does not cover the cookie's name.
package django
