package main

import (
	"encoding/gob"
	"encoding/json"
	"net/http"

	"sessionengine/bench"
)

// valuesOf returns the entries as an application would set them.
func valuesOf(entries []bench.Entry) (map[string]any, error) {
	values := make(map[string]any, len(entries))
	for _, e := range entries {
		var v any
		if err := json.Unmarshal(e.Value, &v); err != nil {
			return nil, err
		}
		values[e.Key] = v
	}
	return values, nil
}

// registerValues tells encoding/gob of the types in values; both libraries ask
// for it.
func registerValues() {
	gob.Register(map[string]any{})
	gob.Register([]any{})
}

// answer writes a value as the harness asks for it.
func answer(w http.ResponseWriter, v any) {
	switch v := v.(type) {
	case nil:
	case string:
		if v != "" {
			w.Write([]byte(v))
		}
	default:
		text, err := json.Marshal(v)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Write(text)
	}
}

// failing is a handler for what cannot be set up.
func failing(err error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	})
}
