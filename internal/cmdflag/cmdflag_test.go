package cmdflag

import (
	"flag"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestFlagsSayWhatToWrite(t *testing.T) {
	var (
		rtt    = 500 * time.Microsecond
		uplink = 10.0
		rounds = 10
		seed   = uint64(1)
	)
	parse := func(args ...string) (*flag.FlagSet, error) {
		flags := flag.NewFlagSet("x", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		Duration(flags, &rtt, "rtt", "ms", "a `time`")
		Float(flags, &uplink, "uplink", "Mbit/s", "`Mbit/s`")
		Int(flags, &rounds, "rounds", "`many`")
		Uint64(flags, &seed, "seed", "`many`")
		flags.String("engines", "", "the `engines` to compare")
		flags.Bool("http1", false, "")
		flags.Bool("show-keys", false, "")
		return flags, Explain(flags, flags.Parse(args), map[string]string{"http2": "it is the default"})
	}
	for _, tc := range []struct{ args, want string }{
		{"-rtt 1", `invalid value "1" for flag -rtt: write a number with its unit, such as 1ms`},
		{"-rtt 0.5msec", "such as 0.5ms"},
		{"-rtt 14d", "such as 336h for 14 days"},
		{"-rtt fast", "such as 1ms"},
		{"-uplink 5Mbit", `invalid value "5Mbit" for flag -uplink: write a number without a unit, such as 5 (Mbit/s)`},
		{"-uplink 2,5", "such as 2.5 (Mbit/s)"},
		{"-rounds many", `invalid value "many" for flag -rounds: write a whole number, such as 10`},
		{"-seed x", `invalid value "x" for flag -seed: write a whole number from 0, such as 10`},
		{"-seed -1", "write a whole number from 0"},
		{"-rtt", "-rtt needs a value: write -rtt and then the time"},
		{"-engines", "-engines needs a value: write -engines and then the engines"},
		{"-show-keys=yes", "-show-keys takes no value"},
		{"-http1=yes-no", "-http1 takes no value: write -http1, or leave it out"},
		{"-engine x", "there is no flag -engine; did you mean -engines?"},
		{"-round 3", "did you mean -rounds?"},
		{"-rounds-per-engine 3", "did you mean -rounds?"},
		{"--uplnk 3", "did you mean -uplink?"},
		{"-http2", "there is no flag -http2: it is the default"},
		{"-http3", "did you mean -http1?"},
		{"-x", "there is no flag -x; -h lists the flags"},
		{"-unlike-anything", "-h lists the flags"},
		{"-\x1b[2J", `there is no flag -\x1b[2J; -h lists`},
	} {
		if _, err := parse(strings.Fields(tc.args)...); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", tc.args, err, tc.want)
		}
	}
	flags, err := parse("-rtt", "1.5ms", "-uplink", "2.5", "-rounds", "3")
	if err != nil || rtt != 1500*time.Microsecond || uplink != 2.5 || rounds != 3 {
		t.Errorf("got %v %v %v, %v", rtt, uplink, rounds, err)
	}
	var help strings.Builder
	flags.SetOutput(&help)
	flags.PrintDefaults()
	for _, want := range []string{"-rtt time\n    \ta time (default 500µs)", "Mbit/s (default 10)",
		"many (default 10)"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("%q is missing in\n%s", want, help.String())
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b]0;title\x07.html", "\xff\u009b\u202e")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, r := range Printable(a + b) {
			if r != '\n' && !strconv.IsPrint(r) {
				t.Fatalf("%U is in what is made of %q", r, a+b)
			}
		}
	})
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"report-é日.html":   "report-é日.html",
		"a\x1b[31m\tb\r\n": `a\x1b[31m\tb\r` + "\n",
		"\xff\ufffd":       `\xff` + "\ufffd",
		"\u202e\u009b":     `\u202e\u009b`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
