package source

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"sessionengine/bench"
	"sessionengine/bench/survey"
)

// maxValue is the longest line, or element of an array, that is read, in bytes.
const maxValue = 4 << 20

var errTooLong = fmt.Errorf("longer than %d bytes", maxValue)

// readLine returns the next line, without its line break. It is valid until the
// next call.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		long := bytes.Clone(line)
		for err == bufio.ErrBufferFull && len(long) <= maxValue {
			line, err = r.ReadSlice('\n')
			long = append(long, line...)
		}
		line = long
	}
	if len(line) > maxValue {
		return nil, errTooLong
	}
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	return bytes.TrimRight(line, "\r\n"), err
}

// jsonReader reads a file of JSON: sessions, or rows of a table with sessions in
// them, one a line, in arrays, or one after the other.
type jsonReader struct {
	opts  Options
	plain []bench.Session // sessions as they are
	rows  *sampler        // what was in an envelope
}

func readJSON(ctx context.Context, r *bufio.Reader, opts Options) (*Sessions, error) {
	decode, err := rowDecoder(opts)
	if err != nil {
		return nil, err
	}
	j := &jsonReader{opts: opts, rows: newSampler(opts.Limit)}
	if err := j.read(ctx, r); err != nil {
		return nil, err
	}
	if j.rows.found == 0 {
		if len(j.plain) == 0 {
			return nil, errNoSessions
		}
		return &Sessions{j.plain, survey.Sample{Found: int64(len(j.plain)), Taken: len(j.plain)}}, nil
	}
	s, err := j.rows.sessions(ctx, opts.Name, decode)
	if err != nil {
		return nil, err
	}
	s.Sessions = append(s.Sessions, j.plain...)
	s.Found += int64(len(j.plain))
	s.Taken += len(j.plain)
	return s, nil
}

func (j *jsonReader) read(ctx context.Context, r *bufio.Reader) error {
	for n := 1; ; n++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		first := len(j.plain) == 0 && j.rows.found == 0
		if b, err := r.Peek(1); first && err == nil && b[0] == '[' {
			return j.readDocument(ctx, r)
		}
		line, err := readLine(r)
		switch {
		case err == io.EOF:
			return nil
		case err == errTooLong:
			return lineError(n, err.Error())
		case err != nil:
			return err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if first && (string(line) == "{" || string(line) == "[") { // objects of several lines
			return j.readDocument(ctx, io.MultiReader(bytes.NewReader(bytes.Clone(line)), r))
		}
		if err := j.value(line, position{line: n}); err != nil {
			return lineError(n, err.Error())
		}
	}
}

// readDocument reads values that are not one a line, and the elements of arrays.
func (j *jsonReader) readDocument(ctx context.Context, r io.Reader) error {
	limited := &limitedReader{r: r}
	dec := json.NewDecoder(limited)
	inArray := false
	for n := int64(1); ; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		limited.left = maxValue
		if inArray && !dec.More() {
			if _, err := dec.Token(); err != nil {
				return documentError(n, err)
			}
			inArray = false
			continue
		}
		if !inArray {
			start, err := firstByte(dec, limited)
			if err == io.EOF {
				return nil
			} else if err != nil {
				return documentError(n, err)
			}
			if start == '[' {
				dec.Token()
				inArray = true
				continue
			}
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return documentError(n, err)
		}
		if err := j.value(raw, position{row: n}); err != nil {
			return documentError(n, err)
		}
		n++
	}
}

// firstByte returns the first byte of what comes next, or io.EOF.
func firstByte(dec *json.Decoder, r *limitedReader) (byte, error) {
	if !dec.More() && r.err != nil && r.err != io.EOF { // it reads up to the next value
		return 0, r.err
	}
	ahead, _ := io.ReadAll(dec.Buffered())
	if ahead = bytes.TrimSpace(ahead); len(ahead) == 0 {
		return 0, io.EOF
	}
	return ahead[0], nil
}

// documentError says which value is wrong, and quotes nothing of it.
func documentError(n int64, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errors.New("not JSON, or cut off")
	}
	return fmt.Errorf("%v: %w", position{row: n}, err)
}

// limitedReader reads until nothing is left, which is an error.
type limitedReader struct {
	r    io.Reader
	left int
	err  error // the last one
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		l.err = errTooLong
		return 0, l.err
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	l.err = err
	return n, err
}

// value takes a session, or a row with one in it.
func (j *jsonReader) value(raw []byte, where position) error {
	if row, ok := unwrap(raw); ok {
		row.where = where
		j.rows.add(row)
		return nil
	}
	if raw[0] != '{' || !json.Valid(raw) {
		return notASession(raw)
	}
	s, err := bench.ParseSession(raw, j.opts.Name)
	if err != nil {
		return err
	}
	j.plain = append(j.plain, s)
	return nil
}

// unwrap returns the session in a value that is not a session itself but a row of
// the table with one in it, as databases and Django export them, or the column
// alone. It is as it was stored, and has to be decoded.
func unwrap(raw []byte) (in item, enveloped bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil { // of the column alone
		return item{text: text}, true
	}
	var row map[string]json.RawMessage
	if json.Unmarshal(raw, &row) != nil {
		return item{}, false
	}
	dumped := false
	if fields, ok := row["fields"]; ok && row["model"] != nil && len(row) <= 3 { // of manage.py dumpdata
		dumped = json.Unmarshal(fields, &row) == nil
	}
	data, ok := row[dataColumn]
	switch {
	case !ok && dumped:
		return item{err: errors.New("a row of another table")}, true
	case !ok || !dumped && row["session_key"] == nil && row["expire_date"] == nil && len(row) > 1:
		return item{}, false
	}
	if json.Unmarshal(data, &text) != nil {
		text = string(data) // JSON itself, in a column of that type
	}
	return item{text: text}, true
}
