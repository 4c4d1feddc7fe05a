package django_test

import (
	"path/filepath"
	"testing"

	"sessionengine/django"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func BenchmarkCookieStore(b *testing.B) {
	sessiontest.RunBenchmarks(b, func(b *testing.B) session.SessionStore {
		return newCookieStore(b, django.Options{})
	})
}

func BenchmarkRows(b *testing.B) {
	sessiontest.RunBenchmarks(b, func(b *testing.B) session.SessionStore {
		return openRows(b, filepath.Join(b.TempDir(), "db.sqlite3"), django.Options{})
	})
}
