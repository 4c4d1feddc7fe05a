package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"
	"unicode/utf16"

	"sessionengine/internal/cmdflag"
	"sessionengine/session"
)

// describe prints a session: its keys, and its values only if they are asked
// for. What a visitor may have put in is printed so that it cannot do anything
// to a terminal.
func describe(w io.Writer, where string, rec *session.Record, values bool) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "kept as\t%s\n", where)
	fmt.Fprintf(tw, "expires\t%s, in %s\n", rec.Expires.UTC().Format(time.RFC3339), roughly(time.Until(rec.Expires)))
	entries, err := parseSession(rec.Data)
	if err != nil {
		fmt.Fprintf(tw, "data\t%s, but no JSON object; for rows that Django writes, give -django\n",
			plural(int64(len(rec.Data)), "byte"))
		return tw.Flush()
	}
	fmt.Fprintf(tw, "data\t%s\n", plural(int64(len(rec.Data)), "byte"))
	fmt.Fprintf(tw, "keys\t%d\n", len(entries))
	if err := tw.Flush(); err != nil || len(entries) == 0 {
		return err
	}
	tw = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	header := "\nBYTES\tKEY"
	if values {
		header += "\tVALUE"
	}
	fmt.Fprintln(tw, header)
	for _, e := range entries {
		fmt.Fprintf(tw, "%d\t%s", len(e.value), cmdflag.Word(e.key))
		if values {
			fmt.Fprintf(tw, "\t%s", printableJSON(e.value))
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

// roughly returns a duration as people say it.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.Truncate(time.Second).String()
}

// An entry is a key of a session and its encoded value.
type entry struct {
	key   string
	value json.RawMessage
}

// parseSession returns the entries of a JSON object in their order.
func parseSession(data []byte) ([]entry, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("no JSON object")
	}
	var entries []entry
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		e := entry{key: key.(string)} // the decoder accepts no other kind of key
		if err := dec.Decode(&e.value); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("there is more than one JSON object")
	}
	return entries, nil
}

// printableJSON returns a JSON value in one line, with escapes for characters
// that are not printable.
func printableJSON(value json.RawMessage) string {
	var compact bytes.Buffer
	if err := json.Compact(&compact, value); err != nil {
		return "?" // cannot happen: it was parsed
	}
	var out []byte
	for _, r := range compact.String() {
		switch {
		case strconv.IsPrint(r):
			out = append(out, string(r)...)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return string(out)
}
