package source_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sessionengine/bench/source"
	"sessionengine/bench/survey"
)

func jsonText(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string cannot fail
	}
	return string(text)
}

// What a database or a framework puts around a session is not measured.
func TestEnvelopes(t *testing.T) {
	const a, b = `{"` + hush + `":1,"cart":[{"id":7}]}`, `{"` + hush + `":"it's \"two\""}`
	signed := djangoRows(t, secretKey, []string{a, b})
	row := func(data string) string {
		return `{"session_key":"k","session_data":` + jsonText(data) + `,"expire_date":"2030-01-01T00:00:00+00:00"}`
	}
	model := func(data string) string {
		return `{"model":"sessions.session","pk":"k","fields":{"session_data":` + jsonText(data) +
			`,"expire_date":"2030-01-01T00:00:00Z"}}`
	}
	for name, text := range map[string]string{
		"row_to_json, a line each": row(a) + "\n" + row(b),
		"row_to_json of Django's":  row(signed[0]) + "\n" + row(signed[1]),
		"dumpdata --format jsonl":  model(signed[0]) + "\n" + model(signed[1]),
		"dumpdata":                 "[" + model(signed[0]) + ", " + model(signed[1]) + "]\n",
		"dumpdata --indent 1": "[\n {\n  \"model\": \"sessions.session\",\n  \"pk\": \"k\",\n  " +
			"\"fields\": {\"session_data\": " + jsonText(signed[0]) + "}\n },\n " + model(signed[1]) + "\n]\n",
		"json_agg, sqlite3 -json": "[" + row(a) + ",\n" + row(b) + "]\n",
		"a byte order mark":       "\ufeff[" + row(a) + ",\n" + row(b) + "]\n",
		"jq .": "{\n  \"session_key\": \"k\",\n  \"session_data\": " + jsonText(a) +
			"\n}\n{\n  \"session_data\": " + jsonText(b) + "\n}\n",
		"sessions in an array": "[" + a + "," + b + "]",
		"sessions of several lines each": "{\n\"" + hush + "\": 1,\n\"cart\": [{\"id\": 7}]\n}\n{\n\"" + hush +
			"\": \"it's \\\"two\\\"\"\n}",
		"the column alone":              jsonText(a) + "\n" + jsonText(signed[1]),
		"the column alone, in an array": "[" + jsonText(a) + "," + jsonText(b) + "]",
		"encoded twice":                 row(jsonText(a)) + "\n" + row(jsonText(b)),
		"a column of JSON": `{"session_key":"k","session_data":` + a + `}` + "\n" + `{"session_data":` +
			b + `,"expire_date":"x"}`,
		"bytes of PostgreSQL": row(fmt.Sprintf(`\x%x`, a)) + "\n" + row(fmt.Sprintf(`\x%x`, b)),
	} {
		s, err := source.Read(t.Context(), write(t, "a.json", text),
			source.Options{Secrets: djangoOptions.Secrets, Name: "yours"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Run(name, func(t *testing.T) { checkSessions(t, s.Sessions, []string{a, b}) })
		if s.LeftOut != nil || s.Taken != 2 && s.Taken != 1 {
			t.Errorf("%s: %+v", name, s.Sample)
		}
	}
}

// A session may have keys that envelopes have, too.
func TestSessionsThatLookLikeEnvelopes(t *testing.T) {
	sessions := []string{
		`{"id":7,"token":"x","expires_at":1900000000}`,
		`{"sid":"x","data":{"a":1}}`,
		`{"cart":[{"id":1,"data":2}]}`,
		`{"model":"bike","fields":"all"}`,
		`{"session_id":"x","_csrf_token":"y","data":"z","updated_at":1}`,
	}
	checkSessions(t, read(t, write(t, "a.jsonl", strings.Join(sessions, "\n")), source.Options{}).Sessions, sessions)
}

func TestEnvelopesThatCannotBeRead(t *testing.T) {
	signed := djangoRows(t, secretKey, []string{`{"` + hush + `":1}`})
	row := `{"session_key":"k","session_data":` + jsonText(signed[0]) + `,"expire_date":"2030-01-01"}`
	refused(t, write(t, "a.json", row), source.Options{},
		"line 1: not a JSON object; what Django wrote needs its SECRET_KEY")
	refused(t, write(t, "a.json", "["+row+"]"), source.Options{Secrets: [][]byte{[]byte("wrong")}},
		"row 1: not signed with this SECRET_KEY")
	refused(t, write(t, "a.json", `{"model":"auth.user","pk":1,"fields":{"password":"`+hush+`"}}`), source.Options{},
		"line 1: a row of another table")
	refused(t, write(t, "a.json", `[["k","`+hush+`"]]`), source.Options{}, "row 1: not a JSON object")
	refused(t, write(t, "a.json", `[{"a":1},{"`+hush+`"`), source.Options{}, "row 2: not JSON")
	refused(t, write(t, "a.json", `["`+strings.Repeat("x", 5<<20)+`"]`), source.Options{}, "row 1: longer than")
	refused(t, write(t, "a.json", "{\"a\":1}\n{\"a\":\""+strings.Repeat("x", 5<<20)), source.Options{},
		"line 2: longer than")

	// Rows of other tables, in a dump of all, are counted and left out.
	s := read(t, write(t, "a.json", `[{"model":"auth.user","pk":1,"fields":{}},`+
		"{\"model\":\"sessions.session\",\"pk\":\"k\",\"fields\":{\"session_data\":"+jsonText(signed[0])+"}}]"),
		djangoOptions)
	if want := []survey.LeftOut{{Reason: "a row of another table", Sessions: 1,
		First: "row 1"}}; len(s.Sessions) != 1 || !slices.Equal(s.LeftOut, want) {
		t.Errorf("%d sessions, %+v", len(s.Sessions), s.Sample)
	}
}

// What is not read says what to do.
func TestFilesOfAnotherKind(t *testing.T) {
	for text, want := range map[string]string{
		"-- PostgreSQL database dump\n":                                 `psql -c "\copy django_session to sessions.csv csv header"`,
		"\n/*!40101 SET NAMES utf8 */;\n":                               "mysql --batch",
		"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n":                "sqlite3 -csv -header",
		"INSERT INTO django_session VALUES ('" + hush + "', '{}', '');": "it is a dump of SQL",
		"PGDMP\x01\x0e":   "it is a dump of SQL",
		"\x1f\x8b\x08":    "unpack it first",
		"PK\x03\x04":      "unpack it first",
		"\xff\xfe{\x00":   "in UTF-16",
		"\x00\x01" + hush: "it is no text",

		// Lines with the names of columns, and such that may have something else.
		"id, sess,expire\r\n1,{}":           "no column is called session_data; there are id, sess, expire.",
		"sid\tdata\n" + hush:                "there are sid, data. Give this name to the column",
		strings.Repeat("a,", 20) + "b\n":    "there are a, a, a, a, a, a, a, a, a, a, a, a, ….",
		"session_key|session_data\n" + hush: "separated by '|'",
		"user," + hush + "@example.com\n":   "neither one JSON object a line nor CSV with a column session_data",
		"1," + hush:                         "say in -scheme",
		hush:                                "say in -scheme",
		"<html>" + hush:                     "neither one JSON object a line nor CSV",
		"user|s:4:\"hush\";":                "neither one JSON object a line nor CSV",

		`{"a":1}` + "\n" + `[{"hush":1}]`: "line 2: not a JSON object but an array: write one object a line, as jq -c '.[]'",
		`{"a":1},` + "\n" + `{"hush":1}`:  "line 1: not a JSON object: write one a line, with nothing in between, as jq -c .",
		`{"a":1}{"hush":1}`:               "line 1: not a JSON object: write one a line",
		`{'hush': 1}`:                     "line 1: not a JSON object: write one a line",
		"[1]":                             "row 1: not a JSON object",
	} {
		refused(t, write(t, "file", text), source.Options{}, want)
	}
}
