package source_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/source"
	"sessionengine/bench/survey"
	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/django"
	"sessionengine/internal/opencookie"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

const (
	secretKey = "a SECRET_KEY of the tests, with 'quotes' and so on"
	secret    = "kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="
)

// hush is in every session; no error may quote it.
const hush = "hush"

// awkward are sessions with whatever might upset a reader of SQL.
var awkward = []string{
	`{"` + hush + `":1}`,
	`{"` + hush + `":"it's a \"quote\", a \\ and a \n line"}`,
	`{"` + hush + `":"'); DROP TABLE x; -- /* $$ # \t"}`,
	`{"` + hush + `":"日本語 🍪 é \u0000 \ud83d\ude00"}`,
	`{"` + hush + `":["a,b","c;d",{"e":"(f)"}],"n":-1.5e3,"none":null}`,
	`{"` + hush + `":"` + strings.Repeat("long ", 2000) + `"}`,
}

// text returns a session as one text that only depends on its content.
func text(s bench.Session) string {
	var b strings.Builder
	for _, e := range s.Entries {
		fmt.Fprintf(&b, "%q:%s,", e.Key, e.Value)
	}
	return b.String()
}

// checkSessions compares sessions with JSON objects, in any order.
func checkSessions(t *testing.T, got []bench.Session, want []string) {
	t.Helper()
	var have, expect []string
	for _, s := range got {
		if s.Name != "yours" {
			t.Errorf("a session is called %q", s.Name)
		}
		have = append(have, text(s))
	}
	for _, object := range want {
		s, err := bench.ParseSession([]byte(object), "")
		if err != nil {
			t.Fatal(err)
		}
		expect = append(expect, text(s))
	}
	slices.Sort(have)
	slices.Sort(expect)
	if !slices.Equal(have, expect) {
		t.Errorf("got %d sessions:\n%s\nwant %d:\n%s", len(have), strings.Join(have, "\n"), len(expect),
			strings.Join(expect, "\n"))
	}
}

func write(t testing.TB, name, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, location string, opts source.Options) *source.Sessions {
	t.Helper()
	opts.Name = "yours"
	s, err := source.Read(t.Context(), location, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refused checks that a source is refused, with an error that tells why.
func refused(t *testing.T, location string, opts source.Options, want string) error {
	t.Helper()
	s, err := source.Read(t.Context(), location, opts)
	if err == nil {
		t.Errorf("%d sessions were read, want an error with %q", len(s.Sessions), want)
		return nil
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
	if strings.Contains(err.Error(), hush) || strings.Contains(err.Error(), secret) ||
		strings.Contains(err.Error(), "SECRET_KEY of the tests") {
		t.Errorf("the error quotes what it must not: %v", err)
	}
	if strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("the error has several lines: %v", err)
	}
	return err
}

// djangoRows returns what Django keeps of sessions in session_data.
func djangoRows(t testing.TB, key string, sessions []string) []string {
	t.Helper()
	opts, err := django.Rows(key, django.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, s := range sessions {
		row, err := opts.Encoding.Encode([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

var djangoOptions = source.Options{Secrets: [][]byte{[]byte("a newer SECRET_KEY"), []byte(secretKey)}}

func TestJSONLines(t *testing.T) {
	path := write(t, "sessions.jsonl", "\ufeff"+strings.Join(awkward, "\n")+"\n\n")
	s := read(t, path, source.Options{})
	checkSessions(t, s.Sessions, awkward)
	if s.Found != int64(len(awkward)) || s.Taken != len(awkward) || s.LeftOut != nil {
		t.Errorf("got %+v", s.Sample)
	}

	path = write(t, "sessions.jsonl", awkward[0]+"\n"+awkward[1]+"\n[\""+hush+"\"]\n")
	refused(t, path, source.Options{}, "line 3: not a JSON object")
	refused(t, write(t, "empty", "\n"), source.Options{}, "no sessions in it")
	refused(t, filepath.Join(t.TempDir(), "missing"), source.Options{}, "no such file or directory")
}

func TestSQLiteTable(t *testing.T) {
	for _, tc := range []struct {
		name  string
		opts  source.Options
		table string
	}{
		{"of package dbstore", source.Options{}, ""},
		{"of Django", djangoOptions, ""},
		{"of another name", source.Options{Table: "other_sessions"}, "other_sessions"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db.sqlite3")
			rows := dbstore.Options{}
			if tc.opts.Secrets != nil {
				var err error
				if rows, err = django.Rows(secretKey, django.Options{}); err != nil {
					t.Fatal(err)
				}
			}
			rows.Table = tc.table
			store, err := sqlite.Open(t.Context(), path, sqlite.Options{Options: rows})
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range awkward {
				if _, err := store.Save(t.Context(), "",
					&session.Record{Data: []byte(object), Expires: time.Now().Add(time.Hour)}); err != nil {
					t.Fatal(err)
				}
			}
			// By the URL while it is in use, and by its path afterwards.
			checkSessions(t, read(t, "sqlite:"+path, tc.opts).Sessions, awkward)
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			checkSessions(t, read(t, path, tc.opts).Sessions, awkward)

			limited := tc.opts
			limited.Limit = 4
			if s := read(t, path, limited); len(s.Sessions) != 4 || s.Taken != 4 || s.Found != int64(len(awkward)) {
				t.Errorf("with a limit of 4: %d sessions, %+v", len(s.Sessions), s.Sample)
			}

			missing := tc.opts
			missing.Table = "no_such_table"
			refused(t, path, missing, "no_such_table")
			refused(t, path, missing, "there is no such table; -table names the one with the sessions")
			missing.Table = "sqlite_master"
			refused(t, path, missing, "no column session_data; there are type, name, tbl_name, rootpage, sql.")
			missing.Table = `x"; DROP TABLE django_session; --`
			refused(t, path, missing, "is no name of a table")
			if tc.opts.Secrets != nil {
				refused(t, path, source.Options{}, "row 1: not a JSON object; what Django wrote needs its SECRET_KEY in "+
					"-secret-file; and none of the 5 others can be read")
				refused(t, path, source.Options{Secrets: [][]byte{[]byte("wrong")}},
					"row 1: not signed with this SECRET_KEY")
			}
		})
	}
}

func TestRowsThatCannotBeReadAreCounted(t *testing.T) {
	rows := djangoRows(t, secretKey, awkward[:3])
	rows = append(rows, djangoRows(t, "another key", awkward[3:5])...)
	rows = append(rows, djangoRows(t, secretKey, []string{`{}`})...)
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Write([]string{"session_key", "session_data", "expire_date"})
	for i, row := range rows {
		w.Write([]string{fmt.Sprint("key", i), row, "2030-01-01 00:00:00+00"})
	}
	w.Flush()
	s := read(t, write(t, "dump.csv", b.String()), djangoOptions)
	checkSessions(t, s.Sessions, awkward[:3])
	want := []survey.LeftOut{
		{Reason: "not signed with this SECRET_KEY", Sessions: 2, First: "line 5"},
		{Reason: "an object without a key", Sessions: 1, First: "line 7"},
	}
	if !slices.Equal(s.LeftOut, want) || s.Found != 6 || s.Taken != 6 {
		t.Errorf("got %+v, want %+v", s.Sample, want)
	}
}

func TestCSV(t *testing.T) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	w.Write([]string{"expire_date", "Session_Data"})
	for _, row := range awkward {
		w.Write([]string{"2030-01-01", row})
	}
	w.Flush()
	checkSessions(t, read(t, write(t, "a.csv", "\ufeff"+b.String()), source.Options{}).Sessions, awkward)

	refused(t, write(t, "a.csv", "session_key,session_data\na,\""+hush+"\n"), source.Options{},
		`line 2: extraneous or missing " in quoted-field: a field with a comma, a quote`)
	refused(t, write(t, "a.csv", "session_key,session_data\na,{},"+hush+"\n"), source.Options{},
		"line 2: wrong number of fields")
	refused(t, write(t, "a.csv", "session_key,session_data\na,"+hush+"\n"), source.Options{},
		"line 2: not a JSON object")
	if _, err := source.Read(t.Context(), write(t, "a.csv", "session_key,session_data\n"),
		source.Options{}); err == nil || err.Error() != "no sessions in it" {
		t.Errorf("a header only: %v", err)
	}
}

// cookieValues returns the sessions as cookies of a scheme.
func cookieValues(t *testing.T, scheme, cookie string, life time.Duration, dictionary []byte,
	sessions []string) []string {
	t.Helper()
	var store session.SessionStore
	var err error
	if scheme == "django" {
		store, err = django.NewCookieStore(secret, django.Options{})
	} else {
		opts := signedcookie.Options{Dictionary: dictionary}
		for _, s := range []signedcookie.Scheme{signedcookie.Signed, signedcookie.Encrypted, signedcookie.Sealed} {
			if s.String() == scheme {
				opts.Scheme = s
			}
		}
		var s *signedcookie.Store
		if s, err = signedcookie.New([]byte(secret), opts); err == nil {
			store, err = s.ForCookie(cookie)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, object := range sessions {
		value, err := store.Save(t.Context(), "", &session.Record{Data: []byte(object), Expires: time.Now().Add(life)})
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	return values
}

func TestCookies(t *testing.T) {
	for _, scheme := range opencookie.Schemes() {
		t.Run(scheme, func(t *testing.T) {
			opts := source.Options{Scheme: scheme, Secrets: [][]byte{[]byte("Vq3xN8tZ1bR6yH4mK9pL2wD7sF5gJ0cA"),
				[]byte(secret)}}
			values := cookieValues(t, scheme, "sessionid", time.Hour, nil, awkward)
			values[1] = "sessionid=" + values[1]
			path := write(t, "cookies.txt", strings.Join(values, "\r\n")+"\n\n")
			checkSessions(t, read(t, path, opts).Sessions, awkward)

			folder := t.TempDir()
			if err := os.MkdirAll(filepath.Join(folder, "b", "c"), 0o700); err != nil {
				t.Fatal(err)
			}
			for i, value := range values {
				file := filepath.Join(folder, fmt.Sprint(i))
				if i%2 == 0 {
					file = filepath.Join(folder, "b", "c", fmt.Sprint(i))
				}
				if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			checkSessions(t, read(t, folder, opts).Sessions, awkward)

			// Some that cannot be read, and then nothing but those.
			bad := "x" + values[0]
			over := cookieValues(t, scheme, "sessionid", -time.Minute, nil, awkward[:2])
			s := read(t, write(t, "cookies.txt", strings.Join(slices.Concat(values, []string{bad}, over), "\n")), opts)
			want := []survey.LeftOut{
				{Reason: "not made with this secret, scheme and name, or changed since", Sessions: 1, First: "line 7"},
				{Reason: "expired", Sessions: 2, First: "line 8"},
			}
			good := awkward
			if scheme == "django" { // whose cookies tell when they were made; SESSION_COOKIE_AGE is not known
				want = want[:1]
				good = slices.Concat(awkward, awkward[:2])
			}
			checkSessions(t, s.Sessions, good)
			if !slices.Equal(s.LeftOut, want) {
				t.Errorf("left out: %+v, want %+v", s.LeftOut, want)
			}
			refused(t, write(t, "cookies.txt", bad), opts,
				"line 1: not made with this secret, scheme and name, or changed since")
			refused(t, path, source.Options{Scheme: scheme}, "the site's secret: name its file in -secret-file")
			refused(t, path, source.Options{Scheme: scheme,
				Secrets: [][]byte{[]byte("wT6yU8iO3pQ9aS1dF7gH2jK5lZ4xC0vB")}}, "line 1: not made with this secret")
		})
	}
	refused(t, t.TempDir(), source.Options{}, "it is a folder: give a file in it, or say in -scheme how")
	refused(t, "redis://localhost", source.Options{}, "the URL of a database begins with sqlite:, postgres:// or mysql://")
	refused(t, write(t, "cookies.txt", "Cookie: sid="+hush+"; lang=vi"), source.Options{Scheme: "sealed",
		Secrets: [][]byte{[]byte(secret)}}, `line 1: there is no cookie "sessionid" in it: see -cookie`)
	refused(t, write(t, "cookies.txt", "a"), source.Options{Scheme: "rot13", Secrets: [][]byte{[]byte(secret)}},
		`no scheme "rot13"`)
	refused(t, write(t, "cookies.txt", strings.Repeat("a", 2<<20)),
		source.Options{Scheme: "sealed", Secrets: [][]byte{[]byte(secret)}}, "line 1: longer than")
	refused(t, write(t, "cookies.txt", "a"), source.Options{Scheme: "sealed", Secrets: [][]byte{[]byte("short")}},
		"secret")
	if _, err := source.Read(t.Context(), t.TempDir(),
		source.Options{Scheme: "sealed", Secrets: [][]byte{[]byte(secret)}}); err == nil ||
		err.Error() != "no sessions in it" {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestCookiesOfAnotherNameAndDictionary(t *testing.T) {
	dictionary := []byte(`{"` + hush + `":"it's a \"quote\", a \\ and a \n line of its own dictionary"}`)
	values := cookieValues(t, "sealed", "sid", time.Hour, dictionary, awkward)
	path := write(t, "cookies.txt", strings.Join(values, "\n"))
	opts := source.Options{Scheme: "sealed", Secrets: [][]byte{[]byte(secret)}, Cookie: "sid",
		Dictionaries: [][]byte{dictionary}}
	checkSessions(t, read(t, path, opts).Sessions, awkward)
	opts.Cookie = "other"
	refused(t, path, opts, "line 1: not made with this secret, scheme and name")
}

// A sample is a random one, and always the same.
func TestSampleOfManyCookies(t *testing.T) {
	var sessions []string
	for i := range 500 {
		sessions = append(sessions, fmt.Sprintf(`{"n":%d}`, 1000+i))
	}
	path := write(t, "cookies.txt", strings.Join(cookieValues(t, "sealed", "sessionid", time.Hour, nil, sessions),
		"\n"))
	opts := source.Options{Scheme: "sealed", Secrets: [][]byte{[]byte(secret)}, Limit: 100}
	first := read(t, path, opts)
	if first.Found != 500 || first.Taken != 100 || len(first.Sessions) != 100 {
		t.Fatalf("%d sessions, %+v", len(first.Sessions), first.Sample)
	}
	late := 0
	for _, s := range first.Sessions {
		if string(s.Entries[0].Value) >= "1250" {
			late++
		}
	}
	if late < 30 || late > 70 {
		t.Errorf("%d of 100 are from the second half", late)
	}
	for i, s := range read(t, path, opts).Sessions {
		if text(s) != text(first.Sessions[i]) {
			t.Fatal("another sample was taken")
		}
	}
}

// FuzzRead: whatever is in a file, reading it does no harm.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"a":1}`))
	f.Add([]byte("session_key,session_data\n\"a\",\"{\"\"b\"\":1}\"\n"))
	f.Add([]byte("session_key\tsession_data\na\t{\"b\":\"\\\\n\"}\n"))
	f.Add([]byte(`[{"model":"sessions.session","pk":"k","fields":{"session_data":"{\"a\":1}","expire_date":"2030-01-01T00:00:00Z"}}]`))
	f.Add([]byte("{\n\"rows\": [{\"sid\":\"k\",\"sess\":{\"a\":1},\"expire\":\"x\"}]\n}\n[\"{}\"]"))
	f.Add([]byte("SQLite format 3\x00"))
	f.Add([]byte("a.b:c\n.eJw:1:2\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := write(t, "content", string(content))
		for _, scheme := range append(opencookie.Schemes(), "") {
			s, err := source.Read(t.Context(), path, source.Options{Scheme: scheme, Secrets: [][]byte{[]byte(secret)},
				Name: "yours"})
			if err == nil && len(s.Sessions) == 0 {
				t.Errorf("%q: neither a session nor an error", scheme)
			}
		}
	})
}

func TestInterruptedReadingStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, content := range map[string]string{
		"a.csv":   "session_data\n{}\n",
		"a.tsv":   "session_data\texpire_date\n{}\ta\n",
		"a.jsonl": "{\"a\":1}\n",
		"a.json":  "[{\"a\":1}]\n",
		"cookies": strings.Repeat("a\n", 10),
	} {
		opts := source.Options{}
		if name == "cookies" {
			opts = source.Options{Scheme: "sealed", Secrets: [][]byte{[]byte(secret)}}
		}
		if _, err := source.Read(ctx, write(t, name, content), opts); !errors.Is(err, ctx.Err()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
