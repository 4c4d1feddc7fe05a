package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"sessionengine/bench"
	"sessionengine/bench/survey"
)

// lookHeight is the number of lines of a terminal, of which one is the prompt's.
const lookHeight = 39

// A look is what one screen shows: the verdict, and what it stands on.
type look struct {
	advice     []string
	pages      *table
	order      []int // of the table's groups, those first that are to be seen most
	behaviours *table
	caveats    []string // the same in words
	remarks    []remark
}

// A remark is a paragraph. Those of less weight are left out first where there is no
// room.
type remark struct {
	weight int
	text   string
}

// look draws up the one screen.
func (b *builder) look() look {
	l := look{advice: b.Advice(), behaviours: b.behaviourTable(), caveats: b.Caveats()}
	if b.Rounds == 0 || len(b.Pages) == 0 {
		return l
	}
	if l.pages = b.shortTable(); l.pages == nil {
		return l
	}
	l.order = spreadOut(len(l.pages.Groups))
	l.remarks = []remark{{7, b.overflowing()}, {4, b.needs()}, {5, b.wouldChange()}, {6, b.assumed()}, {2, b.prices()}, {8, b.howSure()}}
	return l
}

// spreadOut returns the numbers below n: the least and the greatest first, then
// the one in the middle, and so on.
func spreadOut(n int) []int {
	var order []int
	add := func(i int) {
		if i >= 0 && i < n && !slices.Contains(order, i) {
			order = append(order, i)
		}
	}
	add(0)
	add(n - 1)
	for parts := 2; len(order) < n; parts *= 2 {
		for k := 1; k < parts; k += 2 {
			add(k * (n - 1) / parts)
		}
		if parts > n {
			for i := range n {
				add(i)
			}
		}
	}
	return order
}

// shortTable has what a page takes, for each session and engine, the smallest
// session first.
func (b *builder) shortTable() *table {
	t := &table{
		Caption: "a page, in short",
		Columns: []string{"session, engine", "cookie B", "server µs", "queries", "ms of a page", "verdict"},
		Notes:   []string{"±: at 95 %."},
	}
	if len(b.Sensitivity) > 0 {
		t.Notes[0] += " After a session: which engine is ahead up to which round trip."
	}
	sessions := slices.Clone(b.Settings.Sessions)
	slices.SortStableFunc(sessions, func(a, b bench.SessionSize) int { return a.Size - b.Size })
	for _, s := range sessions {
		i := slices.IndexFunc(b.Pages, func(p bench.PageComparison) bool {
			return p.Session == s.Name && p.RoundTrip == b.Model.RoundTrip
		})
		if i < 0 {
			continue
		}
		p := &b.Pages[i]
		name := sessionName(s) + b.leadText(s.Name)
		if len(p.TooLarge) > 0 {
			name = sessionName(s) + ", too large for " + list(p.TooLarge)
		}
		t.begin(cut(name, textWidth))
		for _, engine := range b.Settings.Engines {
			for j := range p.Engines {
				if p.Engines[j].Engine == engine {
					t.add(engine, shortCells(&p.Engines[j], fmt.Sprintf("/pages/%d/engines/%d", i, j), judged(p, engine))...)
				}
			}
			for j := range p.RuledOut {
				if p.RuledOut[j].Engine == engine {
					t.add(engine, shortCells(&p.RuledOut[j], fmt.Sprintf("/pages/%d/ruled_out/%d", i, j), "ruled out")...)
				}
			}
		}
	}
	return t.orNil()
}

func shortCells(e *bench.EnginePage, from, verdict string) []cell {
	ahead := text("%s", verdict)
	ahead.Ahead = verdict == "ahead"
	return []cell{
		text("%s", whole(e.Cookie)).at("%s/cookie_bytes", from),
		measured(e.CPU, 1e6).at("%s/cpu_s", from),
		text("%s", digits(e.Queries)).at("%s/queries", from),
		measured(e.Time, 1000).at("%s/time_s", from),
		ahead,
	}
}

// judged returns what the verdict says about an engine.
func judged(p *bench.PageComparison, engine string) string {
	switch {
	case len(p.Engines) == 1:
		return "the only one"
	case p.Depends():
		if slices.Contains(p.Best, engine) || slices.Contains(p.QuietBest, engine) {
			return "it depends"
		}
	case !slices.Contains(p.Best, engine):
	case p.Outcome == bench.Ahead:
		return "ahead"
	case p.Outcome == bench.Equal:
		return "equal"
	default:
		return "too close"
	}
	return ""
}

// leadText returns which engine is ahead up to which round trip.
func (b *builder) leadText(session string) string {
	for _, s := range b.Sensitivity {
		if s.Session != session {
			continue
		}
		if len(s.Leads) == 1 {
			return ": " + s.Leads[0].Engine + " at any round trip"
		}
		var parts []string
		for i, l := range s.Leads[1:] {
			parts = append(parts, fmt.Sprintf("%s up to %s ms", s.Leads[i].Engine, measured(*l.From, 1e-6).Text))
		}
		return ": " + strings.Join(parts, ", ") + ", then " + s.Leads[len(s.Leads)-1].Engine
	}
	return ""
}

// wouldChange says which inputs would change the verdict: for each session the
// one that is nearest.
func (b *builder) wouldChange() string {
	if len(b.Sensitivity) == 0 {
		return "" // there is nothing to choose between
	}
	type change struct{ engine, phrase, unit string }
	var order []change
	at := make(map[change][]string)
	for _, s := range b.Sensitivity {
		if len(s.Turns) == 0 {
			continue
		}
		t := slices.MinFunc(s.Turns, func(x, y bench.Turn) int { return cmp.Compare(b.apart(x), b.apart(y)) })
		phrase, value := turnWords(t)
		c := change{t.Ahead, phrase, t.Input.Unit()}
		if at[c] == nil {
			order = append(order, c)
		}
		if len(at[c]) < 2 {
			at[c] = append(at[c], fmt.Sprintf("%s (%s)", strings.TrimSpace(value+" "+c.unit), s.Session))
		}
	}
	if len(order) == 0 {
		return "No other value of an input that was tried would change that."
	}
	var clauses []string
	for _, c := range order[:min(3, len(order))] {
		clauses = append(clauses, fmt.Sprintf("%s with %s %s", c.engine, c.phrase, strings.Join(at[c], ", ")))
	}
	return "It would be " + strings.Join(clauses, "; ") + "."
}

// apart returns how many times as large or as small as the assumed value the one
// is at which the verdict turns, as a logarithm.
func (b *builder) apart(t bench.Turn) float64 {
	return math.Abs(math.Log((t.At.Value + 1e-9) / (b.Model.Value(t.Input) + 1e-9)))
}

// turnWords returns on which side of an input's value another engine is ahead, and
// the value.
func turnWords(t bench.Turn) (phrase, value string) {
	phrase, value = t.Input.Phrase()+" below", measured(t.At, 1).Text
	if t.Above {
		phrase = t.Input.Phrase() + " above"
	}
	if t.Input == bench.RequestsInput { // whole numbers
		value = whole(math.Ceil(t.At.Value))
		if t.Above {
			value = whole(math.Floor(t.At.Value))
		}
	}
	return phrase, value
}

// assumed says what the model's inputs are.
func (b *builder) assumed() string {
	m := b.Model
	http := "HTTP/2"
	if m.HTTP1 {
		http = "HTTP/1.1"
	}
	return fmt.Sprintf("Assumed: a database %s away, %v Mbit/s up and %v down, %v reads for each write, %d requests a page "+
		"of which %d with the session, %s. Flags change it.", milliseconds(m.RoundTrip), m.Uplink, m.Downlink,
		m.ReadsPerWrite, m.RequestsPerPage, m.SessionRequests, http)
}

// overflowing says how many of the user's own sessions are too large for a cookie,
// and what is to be done about it.
func (b *builder) overflowing() string {
	fits := func(e survey.EngineSizes) bool { return e.TooLarge == 0 }
	if b.Survey == nil || !slices.ContainsFunc(b.Survey.Engines, fits) {
		return ""
	}
	for _, e := range b.Survey.Engines {
		if e.TooLarge > 0 && b.RuledOut(e.Engine) == "" {
			return fmt.Sprintf("Of your %s, %s are too large for %s; combined.NewOverflow keeps such sessions in rows, "+
				"and all others in cookies.", plural(b.Survey.Sessions, "session"), share(e.TooLarge, b.Survey.Tried), e.Engine)
		}
	}
	return ""
}

// wentWrong explains a sign in the table of what went wrong.
const wentWrong = "OPEN: it went wrong."

// needs says how the verdict can go by what went wrong.
func (b *builder) needs() string {
	switch {
	case !slices.ContainsFunc(b.Behaviours, func(r bench.BehaviourResult) bool { return r.Observed }):
		return ""
	case b.Model.MustLogOut || b.Model.KeepChanges:
		return wentWrong
	}
	return wentWrong + " To rule that out: -must-log-out, -must-not-lose-changes."
}

// prices says whether engines differ in their price.
func (b *builder) prices() string {
	most, text := 0.0, ""
	for _, p := range b.Pages {
		if p.RoundTrip != b.Model.RoundTrip || len(p.Engines) < 2 {
			continue
		}
		byPrice := func(x, y bench.EnginePage) int { return int(math.Copysign(1, x.Price-y.Price)) }
		low, high := slices.MinFunc(p.Engines, byPrice), slices.MaxFunc(p.Engines, byPrice)
		if high.Price-low.Price > most {
			most = high.Price - low.Price
			text = fmt.Sprintf("A million pages cost %.2f dollars with %s and %.2f with %s (%s).", low.Price, low.Engine,
				high.Price, high.Engine, p.Session)
		}
	}
	switch {
	case len(b.Sensitivity) == 0:
		return ""
	case most < 1:
		return "The price does not matter here: engines differ by less than a dollar in a million pages."
	}
	return text
}

// howSure says what the figures are worth.
func (b *builder) howSure() string {
	text := fmt.Sprintf("How sure: bytes and queries are counted. Times were measured in %d rounds", b.Rounds)
	if b.Others >= 0.01 {
		text += fmt.Sprintf("; others used %.0f %% of the processor, which widens the ±", 100*b.Others)
	}
	return text + "."
}

// WriteLook writes the verdict and what it stands on, for one screen of 80 columns
// and 40 lines. What has no room it leaves out, and says so. What has changed since
// a baseline, which was asked for, comes after that.
func (d *Document) WriteLook(w io.Writer) error {
	groups := 0
	if d.look.pages != nil {
		groups = len(d.look.pages.Groups)
	}
	var text []byte
fit:
	for weight := range 9 { // of what is left out
		least := 4 // sessions
		switch {
		case weight > 6:
			least = 1
		case weight > 3:
			least = 2
		}
		least = min(least, groups)
		for n := groups; n >= least; n-- {
			text = d.lookText(n, weight)
			if strings.Count(string(text), "\n") <= lookHeight {
				break fit
			}
		}
	}
	p := new(printer)
	for _, s := range d.Measured {
		if s.ID == "changes" {
			p.section(s)
		}
	}
	_, err := w.Write(append(text, p.out.Bytes()...))
	return err
}

// lookText returns the screen with n of the sessions, and without what weighs
// less.
func (d *Document) lookText(n, weight int) []byte {
	p := new(printer)
	for _, line := range d.Warnings {
		p.paragraph(line)
	}
	for i, line := range d.look.advice {
		if i < 2 || weight < 4 {
			p.paragraph(line)
		}
	}
	if t := d.look.pages; t != nil {
		p.out.WriteByte('\n')
		some := *t
		some.Groups = nil
		for i, g := range t.Groups {
			if slices.Contains(d.look.order[:n], i) {
				some.Groups = append(some.Groups, g)
			}
		}
		if left := len(t.Groups) - n; left > 0 {
			some.Notes = []string{fmt.Sprintf("Left out here: %d of %d sessions, which -tables shows. %s", left, len(t.Groups),
				t.Notes[0])}
		}
		p.table(&some)
	}
	tried := false // whether there is a table of what went wrong
	if t := d.look.behaviours; t != nil {
		p.out.WriteByte('\n')
		if merged := t.merged(); merged.width() <= textWidth {
			p.table(merged)
			tried = true
		} else {
			for _, line := range d.look.caveats {
				p.paragraph(line)
			}
		}
	}
	p.out.WriteByte('\n')
	for _, r := range d.look.remarks {
		text := r.text
		if !tried {
			text = strings.TrimSpace(strings.TrimPrefix(text, wentWrong))
		}
		if r.weight >= weight && text != "" {
			p.paragraph(text)
		}
	}
	p.paragraph("More: -tables (all tables), -html report.html (plots and sliders), -h (flags).")
	return p.out.Bytes()
}

// merged returns the table with one column instead of those that say the same.
func (t *table) merged() *table {
	rows := t.Groups[0].Rows
	var kept []int // columns
	result := &table{Caption: t.Caption, Columns: []string{t.Columns[0]}}
	for i, name := range t.Columns[1:] {
		at := slices.IndexFunc(kept, func(j int) bool {
			return !slices.ContainsFunc(rows, func(r row) bool { return r.Cells[i].Text != r.Cells[j].Text })
		})
		if at >= 0 {
			result.Columns[at+1] += ", " + name
			continue
		}
		kept = append(kept, i)
		result.Columns = append(result.Columns, name)
	}
	for _, r := range rows {
		var cells []cell
		for _, i := range kept {
			cells = append(cells, r.Cells[i])
		}
		result.add(r.Name, cells...)
	}
	return result
}

// width returns how wide the table's text is, with its columns as near as can be.
func (t *table) width() int {
	widths := make([]int, len(t.Columns))
	for _, line := range t.lines() {
		for i, text := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	total := len(widths) - 1
	for _, w := range widths {
		total += w
	}
	return total
}
