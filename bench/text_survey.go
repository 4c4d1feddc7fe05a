package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// survey writes how the user's own sessions fare.
func (p *printer) survey() {
	s := p.report.Survey
	if s == nil {
		return
	}
	p.title("your sessions")
	if s.Sample != nil {
		p.sample(s.Sample)
	} else {
		p.printf("%s\n", plural(s.Sessions, "session"))
	}
	row := func(name, tooLarge string, z Sizes) []string {
		return []string{name, tooLarge, strconv.Itoa(z.Min), strconv.Itoa(z.Median), strconv.Itoa(z.P90), strconv.Itoa(z.P99), strconv.Itoa(z.Max)}
	}
	rows := [][]string{row("JSON", "", s.JSON)}
	for _, e := range s.Engines {
		rows = append(rows, row("cookie, "+e.Engine, share(e.TooLarge, s.Tried), e.Cookie))
	}
	p.table([]string{"bytes", "too large", "min", "median", "p90", "p99", "max"}, rows)
	if s.Tried < s.Sessions {
		p.paragraph("The cookies are those of %d sessions, evenly spaced.", s.Tried)
	}
	p.distribution(s)
	p.keys(s)
	if s.Training != nil {
		p.training(s.Training)
		p.paragraph("-train makes such a dictionary, and writes it to a file.")
	} else {
		p.printf("\n")
		p.paragraph("No dictionary was tried: that takes %d different sessions which have something in common.", MinTraining)
	}
}

// WriteText writes which sessions were taken, for people to read, in lines of at
// most [TextWidth] columns.
func (s *Sample) WriteText(w io.Writer) error {
	p := new(printer)
	p.sample(s)
	_, err := w.Write(p.out.Bytes())
	return err
}

func (p *printer) sample(s *Sample) {
	n := s.Taken
	for _, l := range s.LeftOut {
		n -= l.Sessions
	}
	text := plural(n, "session")
	if int64(s.Taken) < s.Found {
		text += fmt.Sprintf(", of %d taken at random from %d", s.Taken, s.Found)
	}
	p.paragraph("%s", text)
	for _, l := range s.LeftOut {
		p.paragraph("Left out: %d, the first at %s: %s.", l.Sessions, l.First, l.Reason)
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// barWidth is the number of columns of the longest bar.
const barWidth = 40

func (p *printer) distribution(s *Survey) {
	most := 0
	for _, b := range s.Distribution {
		most = max(most, b.Sessions)
	}
	p.title("their sizes as JSON")
	for _, b := range s.Distribution {
		bar := (b.Sessions*barWidth + most - 1) / most // some of it, if there is a session
		line := fmt.Sprintf("up to %8d B %8d %6s  %s", b.Bytes, b.Sessions, share(b.Sessions, s.Sessions), strings.Repeat("█", bar))
		p.printf("%s\n", strings.TrimRight(line, " "))
	}
}

func (p *printer) keys(s *Survey) {
	p.title("their heaviest keys")
	var rows [][]string
	hidden := false
	for i, k := range s.Keys {
		name := printable(k.Name)
		if k.Name == "" {
			name = fmt.Sprintf("no. %d", i+1)
			hidden = true
		}
		rows = append(rows, []string{cut(name, 36), share(k.Sessions, s.Sessions), strconv.Itoa(k.Mean), strconv.Itoa(k.Max), strconv.FormatFloat(100*k.Share, 'f', 1, 64) + "%"})
	}
	p.table([]string{"key", "in sessions", "mean B", "max B", "of all bytes"}, rows)
	if hidden {
		p.paragraph("Names of keys are content, and are not shown unless they are asked for: -show-keys.")
	}
}

// printable returns a key so that it cannot do anything to a terminal.
func printable(key string) string {
	for _, r := range key {
		if !strconv.IsPrint(r) {
			return strconv.Quote(key)
		}
	}
	return key
}
