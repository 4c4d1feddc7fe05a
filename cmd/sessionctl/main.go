// Sessionctl administers the sessions of a site: it makes the table, deletes
// what is expired, shows what a cookie or a row holds, lists and ends the sessions
// of an owner, and looks after the list of package revocation.
//
// README.md, beside this file, has the commands and their flags, which
// "sessionctl -h" and "sessionctl COMMAND -h" print too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"sessionengine/internal/cmdflag"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	err := run(ctx, os.Args[1:], &system{os.Getenv, os.Stdin, os.Stdout, os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, "sessionctl:", cmdflag.Printable(err.Error()))
	}
	os.Exit(exitStatus(err))
}

// system is what a command has of the world besides its arguments.
type system struct {
	getenv         func(name string) string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// A usageError is a mistake in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func exitStatus(err error) int {
	if err == nil {
		return 0
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

// A command is one of the program's.
type command struct {
	name    string
	summary string // for the list of commands
	usage   string // before the list of flags

	// prepare declares the command's flags and returns what runs it once they
	// are parsed.
	prepare func(flags *flag.FlagSet) func(ctx context.Context, sys *system) error
}

var commands = []command{migrate, clearSessions, count, check, show, list, revoke, revocations}

const usage = `Usage: sessionctl COMMAND [flags]

Administers the sessions of a site.

Commands:
`

const moreUsage = `
"sessionctl COMMAND -h" describes a command and its flags.

The database is given by the flag -db or, so that other users of the machine do
not see the password in it, by the environment variable SESSIONCTL_DB, as a URL:

  sqlite:sessions.db    sqlite:///var/lib/site/sessions.db
  postgres://user:password@host/database
  mysql://user:password@host/database
  redis://user:password@host/0             rediss:// and so on, with TLS
  redis+sentinel://host?master_name=NAME   the servers' own user and password
                                           are &username=…&password=…
  redis+cluster://user:password@host

The exit status is 0 after success, 1 after a failure, and 2 after a mistake in
the command line, when nothing has been done.
`

// run runs the command that args tell.
func run(ctx context.Context, args []string, sys *system) error {
	if len(args) == 0 {
		return usagef(`which command? "sessionctl -h" lists them`)
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		if len(args) == 2 {
			args = []string{args[1], "-h"}
			break
		}
		fmt.Fprint(sys.stdout, usage)
		for _, c := range commands {
			fmt.Fprintf(sys.stdout, "  %-15s%s\n", c.name, c.summary)
		}
		fmt.Fprint(sys.stdout, moreUsage)
		return nil
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, args[1:], sys)
		}
	}
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	if meant := cmdflag.Nearest(args[0], names); meant != "" {
		return usagef(`there is no command %q; did you mean %q?`, args[0], meant)
	}
	return usagef(`there is no command %q; "sessionctl -h" lists them`, args[0])
}

func (c command) run(ctx context.Context, args []string, sys *system) error {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors go where run's go
	do := c.prepare(flags)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(sys.stdout, "Usage: sessionctl %s [flags]\n\n%s\nFlags:\n", c.name, c.usage)
		flags.SetOutput(sys.stdout)
		flags.PrintDefaults()
		return nil
	case err != nil:
		err = usageError{cmdflag.Explain(flags, err, nil)}
	case flags.NArg() > 0:
		// Which one is not said: it may be a token.
		err = usagef("there are arguments besides the flags; each value stands after its flag, without spaces")
	default:
		err = do(ctx, sys)
	}
	switch {
	case err == nil:
		return nil
	case exitStatus(err) == 2:
		return fmt.Errorf("%s: %w\n"+`"sessionctl %[1]s -h" describes the command`, c.name, err)
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return fmt.Errorf("%s: interrupted: %w", c.name, err)
	}
	return fmt.Errorf("%s: %w", c.name, err)
}

// plural returns "1 key" or "2 keys".
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprint(n, " ", noun, "s")
}
