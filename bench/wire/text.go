package wire

import (
	"bytes"
	"fmt"
	"io"
)

// WriteText writes a table of each session for people to read, in lines of at
// most 80 columns.
func (r *Result) WriteText(w io.Writer) error {
	var out bytes.Buffer
	t := r.Trace
	fmt.Fprintf(&out, "Bytes on the wire of a page: a document, %d calls, %d assets. Of the requests,\n", t.Calls, t.Assets)
	switch t.ChangeEvery {
	case 0:
		fmt.Fprintf(&out, "none changes the session.")
	case 1:
		fmt.Fprintf(&out, "each changes the session.")
	default:
		fmt.Fprintf(&out, "one in %d changes the session.", t.ChangeEvery)
	}
	fmt.Fprintf(&out, " TLS is included; + is the session's share.\n")
	session := ""
	for i := range r.Cells {
		if s := r.Cells[i].Session; r.Cells[i].Engine == NoSession && s != session {
			session = s
			r.writeSession(&out, s)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

func (r *Result) writeSession(out *bytes.Buffer, session string) {
	fmt.Fprintf(out, "\n%-16s%8s%14s%10s%14s%10s\n", session, "cookie", "HTTP/1.1 up", "down", "HTTP/2 up", "down")
	for i := range r.Cells {
		one := &r.Cells[i]
		if one.Session != session || one.Protocol != HTTP1 {
			continue
		}
		two := r.Cell(one.Engine, session, HTTP2)
		fmt.Fprintf(out, "%-16s", one.Engine)
		switch {
		case two == nil || one.TooLarge != "":
			fmt.Fprintf(out, "%8s", "too large")
		case one.Engine == NoSession:
			fmt.Fprintf(out, "%8d%14.0f%10.0f%14.0f%10.0f", one.Cookie, one.Page.Up, one.Page.Down, two.Page.Up, two.Page.Down)
		default:
			a, b := one.Page.Minus(r.Floor(one).Page), two.Page.Minus(r.Floor(two).Page)
			fmt.Fprintf(out, "%8d%+14.0f%+10.0f%+14.0f%+10.0f", one.Cookie, a.Up, a.Down, b.Up, b.Down)
		}
		out.WriteByte('\n')
	}
}
