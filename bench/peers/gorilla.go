package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"sessionengine/bench"
)

// gorilla is gorilla/sessions with its CookieStore and a serializer; nil is the
// library's own, encoding/gob.
func gorilla(name string, serializer securecookie.Serializer) bench.Engine {
	return bench.Engine{Name: name, Open: func(context.Context, string, *bench.Counter) (bench.Site, error) {
		registerValues()
		key := make([]byte, 32)
		rand.Read(key)
		store := sessions.NewCookieStore(key)
		store.MaxAge(int((14 * 24 * time.Hour).Seconds()))
		store.Options.HttpOnly = true
		store.Options.SameSite = http.SameSiteLaxMode
		if serializer != nil {
			for _, codec := range store.Codecs {
				codec.(*securecookie.SecureCookie).SetSerializer(serializer)
			}
		}
		return gorillaSite{store}, nil
	}}
}

type gorillaSite struct{ store *sessions.CookieStore }

func (s gorillaSite) Close() error { return nil }

func (s gorillaSite) Handler(a bench.Action) http.Handler {
	if a.TouchesNothing() {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	}
	values, err := valuesOf(a.Set)
	if err != nil {
		return failing(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := s.store.Get(r, "sessionid")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		for key, v := range values {
			session.Values[key] = v
		}
		if a.Count != nil {
			session.Values[bench.CountKey] = a.Count.Add(1)
		}
		var read any
		if a.Read.Key != "" {
			read = session.Values[a.Read.Key]
		}
		if a.Flush {
			session.Options.MaxAge = -1
		}
		if a.Meanwhile != nil {
			a.Meanwhile()
		}
		if len(values) > 0 || a.Count != nil || a.Renew || a.Flush {
			if err := session.Save(r, w); err != nil {
				status := http.StatusInternalServerError
				if strings.Contains(err.Error(), "the value is too long") { // the library has no type for it
					status = http.StatusRequestEntityTooLarge
				}
				http.Error(w, err.Error(), status)
				return
			}
		}
		answer(w, read)
	})
}

// jsonValues serializes the values of a session as a JSON object.
// securecookie's own JSONEncoder cannot, since their map has keys of any type.
type jsonValues struct{}

func (jsonValues) Serialize(src any) ([]byte, error) {
	values, ok := src.(map[any]any)
	if !ok {
		return nil, fmt.Errorf("a %T instead of a session's values", src)
	}
	object := make(map[string]any, len(values))
	for key, v := range values {
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("a key of type %T", key)
		}
		object[name] = v
	}
	return json.Marshal(object)
}

func (jsonValues) Deserialize(src []byte, dst any) error {
	values, ok := dst.(*map[any]any)
	if !ok {
		return fmt.Errorf("a %T instead of a session's values", dst)
	}
	var object map[string]any
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber() // integers stay what they are
	if err := dec.Decode(&object); err != nil {
		return err
	}
	*values = make(map[any]any, len(object))
	for name, v := range object {
		(*values)[name] = v
	}
	return nil
}
