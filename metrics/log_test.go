package metrics_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sessionengine/metrics"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func TestLogLevels(t *testing.T) {
	for _, tc := range []struct {
		name  string
		event metrics.Event
		want  slog.Level
	}{
		{"an operation that went well", metrics.Event{Op: metrics.Save}, slog.LevelDebug},
		{"a token that is not found", metrics.Event{Result: metrics.NotFound}, slog.LevelDebug},
		{"a token that is expired", metrics.Event{Result: metrics.Expired}, slog.LevelDebug},
		{"a token that is invalid", metrics.Event{Result: metrics.InvalidToken}, slog.LevelInfo},
		{"a session that is gone", metrics.Event{Op: metrics.Save, Result: metrics.Gone}, slog.LevelInfo},
		{"a conflict", metrics.Event{Op: metrics.Save, Result: metrics.Conflict}, slog.LevelDebug},
		{"a session that is too large", metrics.Event{Op: metrics.Save, Result: metrics.TooLarge}, slog.LevelWarn},
		{"a request that went away", metrics.Event{Result: metrics.Canceled}, slog.LevelDebug},
		{"a failure", metrics.Event{Result: metrics.Failure}, slog.LevelError},
		{"a cleanup without work", metrics.Event{Op: metrics.DeleteExpired}, slog.LevelDebug},
		{"a cleanup", metrics.Event{Op: metrics.DeleteExpired, Deleted: 1}, slog.LevelInfo},
		{"a cleanup that broke off", metrics.Event{Op: metrics.DeleteExpired, Deleted: 1, Result: metrics.Failure},
			slog.LevelError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			metrics.NewLogRecorder(slog.New(slog.NewTextHandler(&out,
				&slog.HandlerOptions{Level: slog.LevelDebug}))).Record(t.Context(), tc.event)
			if want := "level=" + tc.want.String() + " "; !strings.Contains(out.String(), want) {
				t.Errorf("logged %q, want %q", out.String(), want)
			}
		})
	}
}

func TestLogLine(t *testing.T) {
	line := func(e metrics.Event) string {
		var out bytes.Buffer
		dropTime := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
		metrics.NewLogRecorder(slog.New(slog.NewTextHandler(&out,
			&slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: dropTime}))).Record(t.Context(), e)
		return out.String()
	}
	for _, tc := range []struct {
		event metrics.Event
		want  string
	}{
		{
			metrics.Event{Op: metrics.Save, Duration: time.Millisecond, DataBytes: 12, TokenBytes: 34},
			`level=DEBUG msg="session store" op=save result=ok duration=1ms data_bytes=12 token_bytes=34`,
		},
		{
			metrics.Event{Op: metrics.DeleteExpired, Result: metrics.Failure, Err: errors.New("disk full")},
			`level=ERROR msg="session store" op=delete_expired result=failure duration=0s deleted=0 err="disk full"`,
		},
	} {
		if got := line(tc.event); got != tc.want+"\n" {
			t.Errorf("got  %swant %s", got, tc.want)
		}
	}

	var out bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	metrics.NewLogRecorder(nil).Record(t.Context(), metrics.Event{Result: metrics.Failure, Err: io.EOF})
	if !strings.Contains(out.String(), "result=failure") {
		t.Errorf("a recorder without a logger has not told slog.Default: %q", &out)
	}
}

// Nothing confidential is in an event, nor in what is logged of it.
func TestNothingConfidentialIsRecorded(t *testing.T) {
	ctx := t.Context()
	var seen memo
	var text, structured bytes.Buffer
	debug := &slog.HandlerOptions{Level: slog.LevelDebug}
	recorders := []metrics.Recorder{
		&seen,
		metrics.NewLogRecorder(slog.New(slog.NewTextHandler(&text, debug))),
		metrics.NewLogRecorder(slog.New(slog.NewJSONHandler(&structured, debug))),
	}

	tokens := []string{"forged-token"}
	for _, engine := range []session.SessionStore{sessiontest.NewMemory(), newCookieEngine(t)} {
		store := metrics.Instrument(engine, recorders...)
		rec := &session.Record{Data: []byte(`{"secret-key":"secret-value"}`), Expires: time.Now().Add(time.Hour),
			Owner: "secret-owner", Label: "secret-label"}
		token, err := store.Save(ctx, "", rec)
		if err != nil {
			t.Fatal(err)
		}
		renewed, err := store.Renew(ctx, token, rec)
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token, renewed)
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		for _, token := range tokens {
			stale := *rec
			stale.Version = "secret-version"
			store.Load(ctx, token)
			store.Load(canceled, token)
			store.Save(ctx, token, &stale)
			store.Touch(ctx, token, &stale)
			store.DeleteUnchanged(ctx, token, &stale)
			store.Delete(ctx, token)
		}
		store.DeleteExpired(ctx)
		large := fmt.Appendf(nil, `{"secret-key":"%x"}`, incompressible(4096))
		store.Save(ctx, "", &session.Record{Data: large, Expires: rec.Expires})
	}

	events := seen.take()
	encoded, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	for what, output := range map[string]string{
		"events as JSON": string(encoded),
		"printed events": fmt.Sprintf("%+v %#v", events, events),
		"lines of text":  text.String(),
		"lines of JSON":  structured.String(),
		"errors":         fmt.Sprint(errorsOf(events)),
	} {
		if output == "" {
			t.Errorf("no %s", what)
		}
		for _, secret := range append(tokens, "secret-") {
			if strings.Contains(output, secret) {
				t.Errorf("%s contain %q", what, secret)
			}
		}
	}
}

func errorsOf(events []metrics.Event) (errs []error) {
	for _, e := range events {
		errs = append(errs, e.Err)
	}
	return errs
}
