package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"sessionengine/session"
)

// What a log handler or fmt makes of records and errors shows nothing of them, at
// whatever depth they are.
func TestNothingConfidentialIsPrintedAtAnyDepth(t *testing.T) {
	const secret = "5ecret"
	record := session.Record{Data: []byte(secret), Owner: secret, Label: secret, Version: secret}
	value := session.ValueError{Key: secret, Err: errors.New(secret)}
	tooLarge := session.TooLargeError{Largest: []session.KeySize{{Key: secret}}}
	values := map[string]any{
		"Record": record, "*Record": &record,
		"ValueError": value, "*ValueError": &value,
		"TooLargeError": tooLarge, "*TooLargeError": &tooLarge,
	}
	for name, v := range maps.Clone(values) {
		type exported struct{ V any }
		values[name+" in a slice"] = []any{v}
		values[name+" in a map"] = map[string]any{"v": v}
		values[name+" in a struct"] = exported{v}
		values[name+" far down"] = &exported{[]any{map[string]any{"v": exported{[]any{v}}}}}
		if err, ok := v.(error); ok {
			values[name+" wrapped"] = fmt.Errorf("save: %w", err)
			values[name+" joined, in a slice"] = []error{errors.Join(errors.New("a"), err)}
		}
	}
	values["records"] = []session.Record{record}
	values["records by pointer"] = []*session.Record{&record}
	values["errors"] = []*session.TooLargeError{&tooLarge}
	values["records by name"] = map[string]session.Record{"a": record}

	// the last in base64
	forms := []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret),
		fmt.Sprint([]byte(secret)), "NWVjcmV0"}
	for name, v := range values {
		var out strings.Builder
		fmt.Fprintf(&out, "%v %+v %#v %s %q %x %X %d\n", v, v, v, v, v, v, v, v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "v", v, slog.Group("g", "v", v))
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "v", v, slog.Group("g", "v", v))
		text, _ := json.Marshal(v)
		out.Write(text)
		for _, form := range forms {
			if strings.Contains(out.String(), form) {
				t.Errorf("%s: %s", name, out.String())
				break
			}
		}
	}
	if _, err := json.Marshal(record); err == nil || !strings.Contains(err.Error(), "an engine writes its fields") {
		t.Errorf("json.Marshal of a Record gave %v", err)
	}
	if text, err := json.Marshal([]error{&tooLarge}); err != nil || !strings.Contains(string(text), "too large") {
		t.Errorf("an error as JSON is %s, %v", text, err)
	}
}
