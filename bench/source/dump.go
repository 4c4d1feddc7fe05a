package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"sessionengine/bench"
)

// A dump is the SQL that pg_dump, mysqldump and the sqlite3 shell's ".dump"
// write. Of its statements, those count that fill the table: INSERT, and
// PostgreSQL's COPY with the rows after it. Everything else is passed over.
type dump struct {
	r      *bufio.Reader
	again  byte   // is read again, if repeat is set
	repeat bool   // after back
	line   int    // of the byte that comes next, from 1
	table  string // without a schema

	// backslash says that a backslash in a string escapes what follows it, as in
	// MySQL's dumps.
	backslash bool

	sample *sampler
	rows   int64
}

// maxValue is the longest string that is read, in bytes.
const maxValue = 4 << 20

// readDump reads the rows of a dump.
func readDump(ctx context.Context, r *bufio.Reader, opts Options, sample *sampler) error {
	_, table, ok := strings.Cut(opts.Table, ".")
	if !ok {
		table = opts.Table
	}
	d := &dump{r: r, line: 1, table: table, sample: sample}
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch err := d.statement(); {
		case err == io.EOF && d.rows == 0:
			return fmt.Errorf("no rows of a table %s in it", d.table)
		case err == io.EOF:
			return nil
		case errors.Is(err, errSyntax) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errTooLong):
			return &bench.LineError{Line: d.line, Reason: err.Error()}
		case err != nil:
			return err
		}
	}
}

var (
	errSyntax  = errors.New("not the SQL of a dump")
	errTooLong = fmt.Errorf("a value of more than %d bytes", maxValue)
)

// next returns the next byte.
func (d *dump) next() (c byte, err error) {
	if d.repeat {
		c, d.repeat = d.again, false
	} else if c, err = d.r.ReadByte(); err != nil {
		return 0, err
	}
	if c == '\n' {
		d.line++
	}
	return c, nil
}

// back puts back what next has just returned. (bufio's UnreadByte cannot after
// Peek.)
func (d *dump) back(c byte) {
	d.again, d.repeat = c, true
	if c == '\n' {
		d.line--
	}
}

// need is next where the dump cannot end.
func (d *dump) need() (byte, error) {
	c, err := d.next()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return c, err
}

// peekIs reports whether this byte comes after the one that next has returned.
func (d *dump) peekIs(c byte) bool {
	b, err := d.r.Peek(1)
	return err == nil && b[0] == c
}

// skipLine passes over the rest of a line.
func (d *dump) skipLine() error {
	for {
		if c, err := d.next(); err != nil || c == '\n' {
			return err
		}
	}
}

// skipSpace passes over white space and comments, and returns the byte after
// them.
func (d *dump) skipSpace() (byte, error) {
	for {
		c, err := d.next()
		if err != nil {
			return 0, err
		}
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '-' && d.peekIs('-') || c == '#' && d.backslash:
			if err := d.skipLine(); err != nil {
				return 0, err
			}
		case c == '/' && d.peekIs('*'):
			if err := d.skipComment(); err != nil {
				return 0, err
			}
		default:
			return c, nil
		}
	}
}

// skipComment passes over the rest of a comment in /* and */. MySQL's dumps
// contain statements in such comments, of which none matters here.
func (d *dump) skipComment() error {
	d.next() // the star
	if d.peekIs('!') {
		d.backslash = true
	}
	last := byte(0)
	for {
		c, err := d.need()
		if err != nil {
			return err
		}
		if last == '*' && c == '/' {
			return nil
		}
		last = c
	}
}

// statement reads one statement, or passes over it. It returns io.EOF at the
// end.
func (d *dump) statement() error {
	c, err := d.skipSpace()
	if err != nil {
		return err
	}
	switch c {
	case ';':
		return nil
	case '\\': // a command of psql
		if err := d.skipLine(); err != io.EOF {
			return err
		}
		return nil
	}
	d.back(c)
	word, err := d.word()
	if err != nil {
		return err
	}
	switch word {
	case "insert", "replace":
		return d.insert()
	case "copy":
		return d.copy()
	}
	return d.skipStatement()
}

// word returns a word in lower case, which is empty where there is none.
func (d *dump) word() (string, error) {
	c, err := d.skipSpace()
	if err != nil {
		return "", err
	}
	var word []byte
	for {
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case 'a' <= c && c <= 'z' || c == '_' || '0' <= c && c <= '9' && len(word) > 0:
		default:
			d.back(c)
			return string(word), nil
		}
		if len(word) > 100 {
			return "", errSyntax
		}
		word = append(word, c)
		if c, err = d.next(); err == io.EOF {
			return string(word), nil
		} else if err != nil {
			return "", err
		}
	}
}

// identifier returns a name, quoted or not.
func (d *dump) identifier() (string, error) {
	c, err := d.skipSpace()
	if err != nil {
		return "", unexpected(err)
	}
	if c == '`' {
		d.backslash = true
	}
	if c == '`' || c == '"' {
		return d.quoted(c)
	}
	d.back(c)
	word, err := d.word()
	if err == nil && word == "" {
		err = errSyntax
	}
	return word, unexpected(err)
}

// quoted returns the rest of a quoted identifier; the quote in it is doubled.
func (d *dump) quoted(quote byte) (string, error) {
	var name []byte
	for {
		c, err := d.need()
		switch {
		case err != nil:
			return "", err
		case c == quote && !d.peekIs(quote):
			return string(name), nil
		case c == quote:
			d.next()
		case len(name) > 200:
			return "", errSyntax
		}
		name = append(name, c)
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// target reads a table's name and the list of columns after it, if there is
// one. It returns whether the table is the one, the number of the column that
// holds sessions or -1, and the word after all that.
func (d *dump) target() (ok bool, column int, word string, err error) {
	name, err := d.identifier()
	if err != nil {
		return false, 0, "", err
	}
	c, err := d.skipSpace()
	for err == nil && c == '.' { // that was the schema
		if name, err = d.identifier(); err == nil {
			c, err = d.skipSpace()
		}
	}
	if err != nil {
		return false, 0, "", unexpected(err)
	}
	ok = strings.EqualFold(name, d.table)
	column = 1 // of session_key, session_data, expire_date
	if c != '(' {
		d.back(c)
	} else {
		column = -1
		for i := 0; c != ')'; i++ {
			name, err := d.identifier()
			if err == nil {
				c, err = d.skipSpace()
			}
			if err != nil {
				return false, 0, "", unexpected(err)
			}
			if strings.EqualFold(name, dataColumn) {
				column = i
			}
			if c != ',' && c != ')' {
				return false, 0, "", errSyntax
			}
		}
	}
	word, err = d.word()
	return ok, column, word, unexpected(err)
}

// insert reads the rest of an INSERT statement.
func (d *dump) insert() error {
	word, err := d.word()
	for err == nil && (word == "ignore" || word == "low_priority" || word == "delayed" || word == "or" || word == "replace") {
		word, err = d.word()
	}
	if err != nil {
		return unexpected(err)
	}
	if word != "into" {
		return d.skipStatement()
	}
	ok, column, word, err := d.target()
	if err != nil {
		return err
	}
	if !ok || column < 0 || word != "values" && word != "value" {
		return d.skipStatement()
	}
	for {
		c, err := d.skipSpace()
		switch {
		case err != nil:
			return unexpected(err)
		case c == ';':
			return nil
		case c == ',':
			continue
		case c != '(': // ON CONFLICT and the like
			d.back(c)
			return d.skipStatement()
		}
		if err := d.tuple(column); err != nil {
			return err
		}
	}
}

// tuple reads the rest of a row's values, after the bracket.
func (d *dump) tuple(column int) error {
	d.rows++
	found := item{where: position{row: d.rows, line: d.line}, err: errors.New("no text in " + dataColumn)}
	for i := 0; ; i++ {
		text, isText, err := d.value(i == column)
		if err != nil {
			return err
		}
		if i == column && isText {
			found.text, found.err = text, nil
		}
		c, err := d.need()
		if err != nil {
			return err
		}
		if c == ')' {
			d.sample.add(found)
			return nil
		}
	}
}

// value reads a value up to the comma or the bracket after it. It returns the
// text of one that is a string and nothing else, if it is to be kept.
func (d *dump) value(keep bool) (text string, isText bool, err error) {
	depth := 0
	prefix := byte(0) // the last letter right before a string: E'…', for example
	parts := 0        // of the expression
	for {
		c, err := d.need()
		if err != nil {
			return "", false, err
		}
		switch {
		case depth == 0 && (c == ',' || c == ')'):
			d.back(c)
			return text, isText && parts == 1, nil
		case c == '\'':
			// N'…' and MySQL's _utf8mb4'…' are strings like others.
			escapes := d.backslash || prefix == 'E' || prefix == 'e'
			hex := prefix == 'X' || prefix == 'x' || prefix == 'B' || prefix == 'b'
			if text, err = d.text('\'', escapes, keep && depth == 0); err != nil {
				return "", false, err
			}
			isText = depth == 0 && !hex
			if prefix == 0 {
				parts++
			}
			prefix = 0
		case c == '(':
			depth++
			parts++
		case c == ')':
			depth--
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		default:
			if prefix == 0 {
				parts++
			}
			prefix = c
		}
	}
}

// text reads the rest of a string, in which the quote is doubled or escaped.
func (d *dump) text(quote byte, escapes, keep bool) (string, error) {
	var b []byte
	for {
		c, err := d.need()
		switch {
		case err != nil:
			return "", err
		case c == quote && !d.peekIs(quote):
			return string(b), nil
		case c == quote:
			d.next()
		case c == '\\' && escapes:
			if c, err = d.need(); err != nil {
				return "", err
			}
			c = unescaped(c)
		}
		if keep {
			if len(b) >= maxValue {
				return "", errTooLong
			}
			b = append(b, c)
		}
	}
}

// unescaped returns what a backslash and c stand for in a string of MySQL
// (https://dev.mysql.com/doc/refman/8.4/en/string-literals.html, table 11.1) or
// in the text of COPY (https://www.postgresql.org/docs/current/sql-copy.html).
func unescaped(c byte) byte {
	switch c {
	case '0':
		return 0
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'v':
		return '\v'
	case 'Z':
		return 0x1a
	}
	return c
}

// skipStatement passes over what is left of a statement.
func (d *dump) skipStatement() error {
	for {
		c, err := d.skipSpace()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case c == ';':
			return nil
		case c == '\'':
			_, err = d.text('\'', d.backslash, false)
		case c == '"' || c == '`':
			d.backslash = d.backslash || c == '`'
			_, err = d.text(c, false, false)
		case c == '$':
			err = d.skipDollar()
		}
		if err != nil {
			return err
		}
	}
}

// skipDollar passes over the rest of a string of PostgreSQL that begins with $$
// or $tag$ (https://www.postgresql.org/docs/current/sql-syntax-lexical.html,
// section 4.1.2.4), if it is one.
func (d *dump) skipDollar() error {
	tag := []byte{'$'}
	for {
		c, err := d.next()
		if err != nil {
			return unexpected(err)
		}
		isWord := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if c != '$' && (!isWord || len(tag) > 64) {
			d.back(c) // a parameter, $1
			return nil
		}
		tag = append(tag, c)
		if c == '$' {
			break
		}
	}
	var end []byte
	for string(end) != string(tag) {
		c, err := d.need()
		if err != nil {
			return err
		}
		if len(end) == len(tag) {
			copy(end, end[1:])
			end = end[:len(end)-1]
		}
		end = append(end, c)
	}
	return nil
}

// copy reads a COPY statement and, if it copies from there, the rows after it.
func (d *dump) copy() error {
	c, err := d.skipSpace()
	if err != nil {
		return unexpected(err)
	}
	d.back(c)
	if c == '(' { // COPY (SELECT …) TO
		return d.skipStatement()
	}
	ok, column, word, err := d.target()
	if err != nil {
		return err
	}
	var source string
	if word == "from" {
		if source, err = d.word(); err != nil {
			return unexpected(err)
		}
	}
	if err := d.skipStatement(); err != nil || source != "stdin" {
		return err
	}
	if err := d.skipLine(); err != nil {
		return unexpected(err)
	}
	for {
		line := d.line
		text, isText, end, err := d.copied(column, ok)
		if err != nil {
			return err
		}
		if end {
			return nil
		}
		if !ok || column < 0 {
			continue
		}
		d.rows++
		row := item{text: text, where: position{row: d.rows, line: line}}
		if !isText {
			row.err = errors.New("no text in " + dataColumn)
		}
		d.sample.add(row)
	}
}

// copied reads a row in the text format of COPY: columns separated by tabs, with
// escapes. It returns the text of a column, unless that is null or missing, and
// whether it was the line that ends the rows.
func (d *dump) copied(column int, keep bool) (text string, isText, end bool, err error) {
	var b []byte
	at, length := 0, 0
	null := false
	for {
		c, err := d.need()
		if err != nil {
			return "", false, false, err
		}
		length++
		switch {
		case c == '\n':
			return string(b), at >= column && !null, false, nil
		case c == '\t':
			at++
			continue
		case c == '\\':
			if c, err = d.need(); err != nil {
				return "", false, false, err
			}
			if c == '.' && length == 1 {
				return "", false, true, d.endOfCopy()
			}
			if c == 'N' {
				null = null || at == column
				continue
			}
			c = unescaped(c)
		}
		if at == column && keep {
			if len(b) >= maxValue {
				return "", false, false, errTooLong
			}
			b = append(b, c)
		}
	}
}

func (d *dump) endOfCopy() error {
	if err := d.skipLine(); err != io.EOF {
		return err
	}
	return nil
}
