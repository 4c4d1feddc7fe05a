package report

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sessionengine/bench/suite"
	"sessionengine/internal/cmdflag"
)

// Outputs are the files that a command writes its report to, as its flags say.
type Outputs []*output

// An output is a file, unless its path is "".
type output struct {
	flag, usage string
	write       func(io.Writer, *suite.Report, *Document) error
	path        string
	file        *os.File // what is written
	temp        string   // its path, if it is to become the file in the end
}

// DeclareOutputs declares a flag for each format: -html, -markdown, -json, -csv
// and -benchstat.
func DeclareOutputs(flags *flag.FlagSet) Outputs {
	outputs := Outputs{
		{flag: "html", usage: "write the report as a page that needs no network to this `file`",
			write: func(w io.Writer, _ *suite.Report, d *Document) error { return d.WritePage(w) }},
		{flag: "markdown", usage: "write the report as Markdown to this `file`",
			write: func(w io.Writer, _ *suite.Report, d *Document) error { return d.WriteMarkdown(w) }},
		{flag: "json", usage: "write the report with all raw results to this `file`",
			write: func(w io.Writer, r *suite.Report, _ *Document) error { return r.WriteJSON(w) }},
		{flag: "csv", usage: "write what was measured of requests to this `file`, as a table",
			write: func(w io.Writer, r *suite.Report, _ *Document) error { return WriteCSV(w, r.Report) }},
		{flag: "benchstat", usage: "write the raw results to this `file` in the Go benchmark format, for benchstat",
			write: func(w io.Writer, r *suite.Report, _ *Document) error { return WriteBenchmarks(w, r.Results) }},
	}
	for _, o := range outputs {
		flags.StringVar(&o.path, o.flag, "", o.usage)
	}
	return outputs
}

// Check finds files that would overwrite each other.
func (outputs Outputs) Check() error {
	for i, a := range outputs {
		for _, b := range outputs[i+1:] {
			if a.path != "" && filepath.Clean(a.path) == filepath.Clean(b.path) {
				return fmt.Errorf("-%s and -%s both write %s", a.flag, b.flag, a.path)
			}
		}
	}
	return nil
}

// Open checks the flags and begins all files, so that one that cannot be written
// is known before the measurements. Discard has to be called in the end.
func (outputs Outputs) Open() error {
	if err := outputs.Check(); err != nil {
		return err
	}
	for _, o := range outputs {
		if err := o.open(); err != nil {
			outputs.Discard()
			return fmt.Errorf("-%s: %w", o.flag, err)
		}
	}
	return nil
}

// Finish writes the report to all files, and puts them into their places.
func (outputs Outputs) Finish(found *suite.Report, document *Document) error {
	for _, o := range outputs {
		if err := o.finish(found, document); err != nil {
			return fmt.Errorf("-%s: %w", o.flag, err)
		}
	}
	return nil
}

// Discard removes what is not finished.
func (outputs Outputs) Discard() {
	for _, o := range outputs {
		if o.file != nil {
			o.file.Close()
		}
		if o.temp != "" {
			os.Remove(o.temp)
		}
	}
}

// open creates a temporary file beside the one that the output is to be, with
// the permissions of that one if it is there, and otherwise with those that the
// umask leaves. What is no file, such as /dev/stdout, is written to as it is.
func (o *output) open() error {
	if o.path == "" {
		return nil
	}
	old, err := os.Stat(o.path)
	switch {
	case err == nil && old.IsDir():
		err = &fs.PathError{Op: "open", Path: o.path, Err: errors.New("is a directory")}
	case err == nil && !old.Mode().IsRegular():
		o.file, err = os.OpenFile(o.path, os.O_WRONLY, 0)
	default:
		o.temp = o.path + "." + strings.ToLower(rand.Text()[:10]) + ".tmp"
		o.file, err = os.OpenFile(o.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil && old != nil {
			err = o.file.Chmod(old.Mode().Perm())
		}
	}
	return cmdflag.WithoutPath(err, o.path)
}

// finish writes the report to the temporary file and puts it in its place, so
// that there never is half a report under that name.
func (o *output) finish(found *suite.Report, document *Document) error {
	if o.file == nil {
		return nil
	}
	err := o.write(o.file, found, document)
	if closeErr := o.file.Close(); err == nil {
		err = closeErr
	}
	if err == nil && o.temp != "" {
		err = os.Rename(o.temp, o.path)
	}
	return err
}
