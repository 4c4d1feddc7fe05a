package bench

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

func (p *printer) encoders() {
	r := p.report
	if len(r.Encoders) == 0 {
		return
	}
	var kinds, encoders []string
	for _, e := range r.Encoders {
		if !slices.Contains(kinds, e.Session) {
			kinds = append(kinds, e.Session)
		}
	}
	for _, name := range Encoders() {
		if slices.ContainsFunc(r.Encoders, func(e EncoderSizes) bool { return e.Encoder == name }) {
			encoders = append(encoders, name)
		}
	}
	p.title("bytes of cookie by encoder")
	var rows [][]string
	for _, kind := range kinds {
		row := []string{kind, ""}
		for _, name := range encoders {
			i := slices.IndexFunc(r.Encoders, func(e EncoderSizes) bool { return e.Session == kind && e.Encoder == name })
			if i < 0 {
				row = append(row, "-")
				continue
			}
			e := r.Encoders[i]
			row[1] = strconv.Itoa(e.JSON.Median)
			switch {
			case 2*e.TooLarge > e.Sessions:
				row = append(row, "too large")
			default:
				row = append(row, strconv.Itoa(e.Cookie.Median))
			}
		}
		rows = append(rows, row)
	}
	p.table(append([]string{"session", "JSON"}, encoders...), rows)
	p.paragraph("Medians of different sessions of each kind, name included. trained: with a dictionary of other sessions of that kind; " +
		"- where there are too few of them.")
}

// sensitivity tells what would change the verdict.
func (p *printer) sensitivity() {
	r := p.report
	if len(r.Sensitivity) == 0 || r.Quiet.TooNoisy() {
		return
	}
	p.title("what would change the verdict")
	header := []string{"session", "ahead"}
	for _, input := range Inputs() {
		name, _, _ := strings.Cut(string(input), " per ")
		header = append(header, name)
	}
	other := "HTTP/1.1"
	if r.Model.HTTP1 {
		other = "HTTP/2"
	}
	header = append(header, other)
	var rows [][]string
	for _, s := range r.Sensitivity {
		ahead := s.Ahead
		if !s.Told {
			ahead = "~"
		}
		row := []string{cut(s.Session, 11), cut(ahead, 12)}
		for _, input := range Inputs() {
			row = append(row, s.cell(input))
		}
		rows = append(rows, append(row, map[bool]string{true: "-", false: "yes"}[s.OtherHTTP == s.Ahead]))
	}
	p.table(header, rows)
	p.paragraph("Beyond which value of an input, all others being as assumed, another engine is ahead: with a round trip below <, "+
		"for example, or above >. In ms, Mbit/s, pages that read for each that writes, requests of a page. -: none from %s. "+
		"~: the engines cannot be told apart.", inputRanges())
}

// inputRanges says how far the inputs are varied.
func inputRanges() string {
	var parts []string
	for _, input := range Inputs() {
		lo, hi := input.Range()
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%v to %v %s", lo, hi, input.Unit())))
	}
	return strings.Join(slices.Compact(parts), ", ")
}

func (s *Sensitivity) cell(input Input) string {
	var cells []string
	for _, t := range s.Turns {
		if t.Input == input {
			cells = append(cells, t.String())
		}
	}
	if cells == nil {
		return "-"
	}
	return strings.Join(cells, " ")
}

// String returns the values beyond which another engine is ahead: "> 0.8" for
// example.
func (t Turn) String() string {
	value := t.At.Median
	if t.Input == RequestsInput { // whole numbers
		if t.Above {
			return "> " + digits(math.Floor(value))
		}
		return "< " + digits(math.Ceil(value))
	}
	if t.Above {
		return "> " + short(value)
	}
	return "< " + short(value)
}

// validation tells what the model is worth.
func (p *printer) validation() {
	if v := p.report.Validation; v != nil {
		p.title("the model against measurements")
		for _, line := range v.Lines() {
			p.paragraph("%s", line)
		}
	}
}

// Lines returns what the validation came to, a sentence a line.
func (v *Validation) Lines() []string {
	lines := []string{fmt.Sprintf("Held against %d times measured through a server, in %d scenarios: the median error of the predicted time is %s; "+
		"%.0f %% of the predictions are within 20 %%.", len(v.Observations), v.Scenarios, percent(v.Error), 100*v.Within20)}
	if v.Shares > 0 {
		lines = append(lines, fmt.Sprintf("Of what the session alone takes, where that is a tenth of the whole at least (%d times), the median error is %s.",
			v.Shares, percent(v.ShareError)))
	}
	switch {
	case v.Told == 0:
		lines = append(lines, "In none of the scenarios could the engines be told apart.")
	default:
		line := fmt.Sprintf("In %d scenarios engines could be told apart, and in %d of them (%.0f %%) they are in the predicted order", v.Told, v.Right, 100*float64(v.Right)/float64(v.Told))
		if n := len(v.Wrong); n > 0 {
			line += "; not in: " + strings.Join(v.Wrong[:min(n, 3)], "; ")
			if n > 3 {
				line += fmt.Sprintf("; and %d more", n-3)
			}
		}
		lines = append(lines, line+".")
	}
	return lines
}

func percent(share float64) string {
	if share < 0.1 {
		return strconv.FormatFloat(100*share, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(100*share, 'f', 0, 64) + " %"
}
