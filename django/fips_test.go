package django_test

import (
	"testing"

	"sessionengine/django"
	"sessionengine/internal/fipstest"
	"sessionengine/session"
)

// In Go's FIPS 140-only mode everything works but SHA-1, which is refused at the
// start.
func TestFIPSOnly(t *testing.T) {
	if !fipstest.Only(t) {
		return
	}
	old := django.Options{ReadSHA1: true}
	if _, err := django.NewCookieStore(secretKey, old); err == nil {
		t.Error("NewCookieStore accepts SHA-1")
	}
	if _, err := django.Rows(secretKey, old); err == nil {
		t.Error("Rows accepts SHA-1")
	}
	if _, err := django.NewAuth(secretKey, old); err == nil {
		t.Error("NewAuth accepts SHA-1")
	}
	store := newCookieStore(t, django.Options{})
	token, err := store.Save(t.Context(), "", inAnHour(`{"a":1}`))
	if err == nil {
		var rec *session.Record
		if rec, err = store.Load(t.Context(), token); err == nil && string(rec.Data) != `{"a":1}` {
			t.Errorf("Load gave %q", rec.Data)
		}
	}
	if err != nil {
		t.Error(err)
	}
	rows, err := django.Rows(secretKey, django.Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := rows.Encoding.Encode([]byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := rows.Encoding.Decode(text); err != nil || string(data) != `{"a":1}` {
		t.Errorf("Decode gave %q, %v", data, err)
	}
}
