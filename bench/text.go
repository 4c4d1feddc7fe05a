package bench

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// TextWidth is the number of columns that WriteText keeps to.
const TextWidth = 80

// WriteText writes the report for people to read, in lines of at most
// [TextWidth] columns.
//
// What else was measured can be written between the figures and the verdict, by
// functions that add their own heading.
func (r *Report) WriteText(w io.Writer, more ...func(io.Writer) error) error {
	p := &printer{report: r}
	p.header()
	p.measurements()
	for _, write := range more {
		if err := write(&p.out); err != nil {
			return err
		}
	}
	if r.Rounds > 0 {
		p.model()
	}
	_, err := w.Write(p.out.Bytes())
	return err
}

// WriteMeasurements writes what WriteText writes without the header and the
// model.
func (r *Report) WriteMeasurements(w io.Writer) error {
	p := &printer{report: r}
	p.warnings()
	p.measurements()
	_, err := w.Write(p.out.Bytes())
	return err
}

// A printer writes the parts of a report. out does not fail.
type printer struct {
	report *Report
	out    bytes.Buffer
}

func (p *printer) printf(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

// paragraph writes text, broken into lines.
func (p *printer) paragraph(format string, args ...any) {
	column := 0
	for word := range strings.FieldsSeq(fmt.Sprintf(format, args...)) {
		width := len([]rune(word))
		switch {
		case column == 0:
		case column+1+width > TextWidth:
			p.out.WriteByte('\n')
			column = 0
		default:
			p.out.WriteByte(' ')
			column++
		}
		p.out.WriteString(word)
		column += width
	}
	p.out.WriteByte('\n')
}

func (p *printer) title(title string) { p.printf("\n%s\n", strings.ToUpper(title)) }

// table writes a table: the first column to the left, all others to the right.
// Rows may be short, and one of a single cell spans the table. Columns are
// separated by a space or, where that fits, by two.
func (p *printer) table(header []string, rows [][]string) {
	widths := make([]int, len(header))
	total := len(header) - 1
	for _, row := range append([][]string{header}, rows...) {
		if len(row) == 1 {
			continue // a line that spans all columns
		}
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, w := range widths {
		total += w
	}
	gap := " "
	if total+len(header)-1 <= TextWidth {
		gap = "  "
		total += len(header) - 1
	}
	line := func(row []string) {
		var b strings.Builder
		for i, cell := range row {
			switch {
			case i == 0 && len(row) == 1:
				b.WriteString(cell)
			case i == 0:
				fmt.Fprintf(&b, "%-*s", widths[i], cell)
			default:
				fmt.Fprintf(&b, "%s%*s", gap, widths[i], cell)
			}
		}
		p.printf("%s\n", strings.TrimRight(b.String(), " "))
	}
	line(header)
	p.printf("%s\n", strings.Repeat("─", total))
	for _, row := range rows {
		line(row)
	}
}

func (p *printer) measurements() {
	if p.report.Rounds > 0 {
		p.times()
		p.again()
		p.floors()
		p.allocations()
	}
	p.queries()
	p.cookies()
	p.encoders()
	p.survey()
	p.behaviours()
}

func (p *printer) header() {
	r := p.report
	env := r.Environment
	p.paragraph("Sessions in %s", strings.Join(r.Settings.Engines, ", "))
	p.printf("\n")
	p.printf("machine   %s, %d cores for Go\n", cut(orUnknown(env.CPU), 48), env.Cores)
	p.printf("software  %s, %s\n", env.GoVersion, env.Platform)
	p.printf("run       %d rounds of %v samples in random order, seed %d\n",
		r.Settings.Rounds, r.Settings.Sample.Round(time.Millisecond), r.Settings.Seed)
	p.warnings()
}

// warnings says why the figures are worth less than they might be.
func (p *printer) warnings() {
	r := p.report
	if r.Rounds < r.Settings.Rounds {
		p.printf("\n")
		p.paragraph("INTERRUPTED after %d of %d rounds. What follows is what those tell.", r.Rounds, r.Settings.Rounds)
	}
	switch {
	case r.Quiet.TooNoisy():
		p.printf("\n")
		p.paragraph("TOO NOISY: an empty handler's time varied by %.0f %% from round to round. Something else keeps this "+
			"machine busy; times and ratios below say little, and no engine is called ahead. Run it again when the machine is idle.", 100*r.Quiet.Spread)
	case r.Quiet.Noisy():
		p.printf("\n")
		p.paragraph("NOISY: an empty handler's time varied by %.0f %% from round to round, so that intervals are at 99 %% "+
			"here, and differences need more evidence. More rounds or an idle machine make them narrower.", 100*r.Quiet.Spread)
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown processor"
	}
	return s
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// kindNames returns the header of the tables that have a column for each kind
// of request.
func kindNames() []string {
	header := []string{"session, engine"}
	for _, k := range tableKinds() {
		header = append(header, string(k))
	}
	return header
}

// tableKinds are the kinds of request that have a column. Again has a table of
// its own.
func tableKinds() []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool { return k == Again })
}

// perKind returns the rows of such a table: for each session a line with its
// name, and under it one for each engine. extra adds more.
func (p *printer) perKind(cell func(*RequestResult) string, extra func(session, engine string) [][]string) [][]string {
	var rows [][]string
	for _, s := range p.report.Settings.Sessions {
		rows = append(rows, []string{fmt.Sprintf("%s, %d B", s.Name, s.Size)})
		for _, engine := range p.report.Settings.Engines {
			row := []string{"  " + engine}
			for _, kind := range tableKinds() {
				q := p.report.request(engine, s.Name, kind)
				switch {
				case q == nil:
					row = append(row, "")
				case q.TooLarge != "":
					row = append(row, "too large")
				default:
					row = append(row, cell(q))
				}
			}
			rows = append(rows, row)
			if extra != nil {
				rows = append(rows, extra(s.Name, engine)...)
			}
		}
	}
	return rows
}

func (p *printer) times() {
	r := p.report
	p.title("time of a request in the server, in microseconds")
	rows := p.perKind(
		func(q *RequestResult) string { return timeCell(Summarize(r.net(q), r.Quiet.confidence())) },
		func(session, engine string) [][]string {
			row := []string{"  ÷ " + r.Settings.Engines[0]}
			found := false
			for _, kind := range tableKinds() {
				cell := ""
				for _, ratio := range r.Ratios {
					if ratio.Session == session && ratio.Engine == engine && ratio.Kind == kind {
						cell, found = ratioCell(ratio.Comparison), true
					}
				}
				row = append(row, cell)
			}
			if !found {
				return nil
			}
			return [][]string{row}
		})
	p.table(kindNames(), rows)
	ofEmpty := Summarize(r.Empty.Nanosec, r.Quiet.confidence())
	p.paragraph("Median over the rounds, and how far its %.0f %% confidence interval reaches. The time of an empty handler, %s, is "+
		"taken off. ~0: not to be told from an empty handler. ÷: the line above divided by the first engine's; ~ where "+
		"the two cannot be told apart (Mann-Whitney and Holm, %.0f %% for the whole table), ≫ where the first is about 0.%s",
		100*r.Quiet.confidence(), timeCell(ofEmpty)+" µs", 100*r.Quiet.alpha(), p.tooFewRounds())
}

// tooFewRounds explains an infinite interval.
func (p *printer) tooFewRounds() string {
	if s := Summarize(p.report.Empty.Nanosec, p.report.Quiet.confidence()); !math.IsInf(s.Spread(), 0) {
		return ""
	}
	need := 6
	if p.report.Quiet.Noisy() {
		need = 8
	}
	return fmt.Sprintf(" ±∞: an interval takes %d rounds.", need)
}

// timeCell formats nanoseconds as microseconds, with the interval.
func timeCell(s Summary) string {
	if s.N == 0 {
		return "-"
	}
	if s.Lo <= 0 && !math.IsInf(s.Lo, 0) {
		return "~0"
	}
	return short(s.Median/1000) + spreadCell(s)
}

func spreadCell(s Summary) string {
	spread := s.Spread()
	if math.IsInf(spread, 0) || math.IsNaN(spread) {
		return "±∞"
	}
	if spread >= 0.995 {
		return "±>99%"
	}
	return fmt.Sprintf("±%.0f%%", 100*spread)
}

func ratioCell(c Comparison) string {
	switch {
	case !c.Different:
		return "~"
	case c.Ratio.Lo <= 0 || math.IsInf(c.Ratio.Hi, 0):
		return "≫" // the other one is about nothing
	}
	return short(c.Ratio.Median) + spreadCell(c.Ratio)
}

// short is digits with two digits below 1, where columns are narrow.
func short(v float64) string {
	if v <= 0 || v >= 1 {
		return digits(v)
	}
	return strconv.FormatFloat(v, 'f', 1-int(math.Floor(math.Log10(v))), 64)
}

// digits formats v with three significant digits, at most three after the point
// and all those before it; whole numbers have no point.
func digits(v float64) string {
	if v == 0 {
		return "0"
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	text := strconv.FormatFloat(v, 'f', min(max(decimals, 0), 3), 64)
	if v == math.Trunc(v) {
		text, _, _ = strings.Cut(text, ".")
	}
	return text
}

// count formats a number that is a whole one most of the time.
func count(v float64) string {
	if v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// again compares visitors who come back at once with those who do not, for the
// engines that remember tokens.
func (p *printer) again() {
	r := p.report
	var rows [][]string
	for _, engine := range r.Settings.Engines {
		for _, s := range r.Settings.Sessions {
			read, again := r.request(engine, s.Name, Read), r.request(engine, s.Name, Again)
			if read == nil || again == nil || len(read.Nanosec) == 0 || len(again.Nanosec) == 0 {
				continue
			}
			c := compare(r.net(again), r.net(read), r.Quiet.confidence())
			decide([]*Comparison{&c}, r.Quiet.alpha())
			if !c.Different {
				continue
			}
			rows = append(rows, []string{
				engine + ", " + s.Name,
				timeCell(Summarize(r.net(read), r.Quiet.confidence())),
				timeCell(Summarize(r.net(again), r.Quiet.confidence())),
				ratioCell(c),
				p.allocs(read), p.allocs(again),
			})
		}
	}
	if rows == nil {
		return
	}
	p.title("a visitor who comes back at once, in microseconds")
	p.table([]string{"engine, session", "read", "again", "again ÷ read", "read allocs", "again"}, rows)
	p.paragraph("The requests of all other tables come from so many visitors that the engine has forgotten each of them when it " +
		"comes back. An engine that remembers the cookies it decoded a moment ago does better when it has not. Engines and " +
		"sessions that make no difference are left out.")
}

func (p *printer) floors() {
	r := p.report
	if len(r.Floor) == 0 {
		return
	}
	p.title("how far from the floor")
	var rows [][]string
	for _, engine := range r.Settings.Engines {
		for _, s := range r.Settings.Sessions {
			row := []string{engine + ", " + s.Name}
			found := false
			for _, kind := range []Kind{Read, Write} {
				i := slices.IndexFunc(r.Floor, func(f FloorRatio) bool {
					return f.Engine == engine && f.Session == s.Name && f.Kind == kind
				})
				if i < 0 {
					row = append(row, "", "")
					continue
				}
				found = true
				floor := Summarize(r.floor(engine, s.Name, kind).Nanosec, r.Quiet.confidence())
				row = append(row, timeCell(floor), digits(r.Floor[i].Ratio.Median)+spreadCell(r.Floor[i].Ratio))
			}
			if found {
				rows = append(rows, row)
			}
		}
	}
	p.table([]string{"engine, session", "read: floor", "engine ÷ floor", "write: floor", "engine ÷ floor"}, rows)
	p.paragraph("The floor is what the engine cannot do without, bare and measured in the same rounds, in microseconds. For " +
		"cookies: securecookie and DEFLATE, there and with a write back. For rows: a prepared SELECT, and with a write an UPDATE, on the same database settings.")
}

func (p *printer) allocations() {
	p.title("allocations of a request")
	p.table(kindNames(), p.perKind(p.allocs, nil))
}

// allocs is the number of allocations, over the empty handler's.
func (p *printer) allocs(q *RequestResult) string {
	return fmt.Sprintf("%.0f", Summarize(q.Allocs, 0.95).Median-Summarize(p.report.Empty.Allocs, 0.95).Median)
}

func (p *printer) queries() {
	r := p.report
	p.title("database queries of a request")
	var rows [][]string
	for _, engine := range r.Settings.Engines {
		// Most engines send the same queries for all sessions: one line.
		bySession := make(map[string][]string)
		var order []string
		for _, s := range r.Settings.Sessions {
			var cells []string
			for _, kind := range tableKinds() {
				if q := r.request(engine, s.Name, kind); q != nil && q.TooLarge == "" {
					cells = append(cells, count(q.Queries))
				}
			}
			if len(cells) != len(tableKinds()) {
				continue
			}
			line := strings.Join(cells, " ")
			if bySession[line] == nil {
				order = append(order, line)
			}
			bySession[line] = append(bySession[line], s.Name)
		}
		for _, line := range order {
			name := engine
			if len(order) > 1 {
				name += ", " + cut(strings.Join(bySession[line], " "), 20)
			}
			rows = append(rows, append([]string{name}, strings.Split(line, " ")...))
		}
	}
	header := kindNames()
	header[0] = "engine"
	p.table(header, rows)
}

func (p *printer) cookies() {
	r := p.report
	p.title("bytes of cookie")
	header := []string{"session", "JSON", "engine", "up", "down: write", "login", "logout"}
	var rows [][]string
	for _, s := range r.Settings.Sessions {
		name, size := s.Name, strconv.Itoa(s.Size)
		for _, engine := range r.Settings.Engines {
			row := []string{name, size, engine}
			read := r.request(engine, s.Name, Read)
			switch {
			case read == nil:
				continue
			case read.TooLarge != "":
				row = append(row, "too large")
			default:
				row = append(row, bytesCell(read.CookieUp))
				for _, kind := range []Kind{Write, Login, Logout} {
					if q := r.request(engine, s.Name, kind); q != nil && q.TooLarge == "" {
						row = append(row, bytesCell(q.CookieDown))
					} else {
						row = append(row, "-")
					}
				}
			}
			rows = append(rows, row)
			name, size = "", ""
		}
	}
	p.table(header, rows)
	p.paragraph("up: the value of the Cookie header of a request that reads, name and \"=\" included; every request to the site " +
		"carries it. down: the value of the Set-Cookie header, attributes included.")
}

func bytesCell(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }

func (p *printer) behaviours() {
	r := p.report
	if len(r.Behaviours) == 0 {
		return
	}
	p.title("what no figure shows")
	header := []string{"tried in this run"}
	for _, b := range Behaviours() {
		header = append(header, string(b))
	}
	var rows [][]string
	for _, engine := range r.Settings.Engines {
		row := []string{engine}
		for _, b := range Behaviours() {
			cell := ""
			for _, result := range r.Behaviours {
				if result.Engine == engine && result.Behaviour == b {
					cell = map[bool]string{true: "yes", false: "no"}[result.Observed]
				}
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	p.table(header, rows)
	var legend []string
	for _, b := range Behaviours() {
		legend = append(legend, string(b)+": "+b.Meaning())
	}
	p.paragraph("%s.", strings.Join(legend, "; "))
}

func (p *printer) model() {
	r := p.report
	m := r.Model
	p.title("what a page costs")
	http := "HTTP/2: the first request of a page carries the cookie, the others a byte"
	if m.HTTP1 {
		http = "HTTP/1.1: each request carries the cookie"
	}
	p.paragraph("Assumed: a database %s away; visitors with %v Mbit/s up and %v down; %v pages that read the session for each that writes it; "+
		"%d requests a page, of which one uses the session; %s. Prices in dollars: %v for an hour of a core, %v for a GB sent, %v for a million queries. "+
		"Flags change each of these.", milliseconds(m.RoundTrip), m.Uplink, m.Downlink, m.ReadsPerWrite, m.RequestsPerPage, http, m.CPUHour, m.GBOut, m.MillionQueries)
	p.printf("\n")

	trips := r.trips()
	header := []string{"session, engine", "server µs", "queries", "up B", "down B"}
	for _, trip := range trips {
		if trip == 0 {
			header = append(header, "db here")
		} else {
			header = append(header, "db "+milliseconds(trip))
		}
	}
	header = append(header, "price")
	var rows [][]string
	for _, s := range r.Settings.Sessions {
		rows = append(rows, []string{fmt.Sprintf("%s, %d B", s.Name, s.Size)})
		rows = append(rows, r.pageRows(s.Name, trips)...)
	}
	p.table(header, rows)
	p.paragraph("What an average page takes because of its session: time in the server, queries, bytes of cookie; by how many " +
		"milliseconds it is complete later, with the database on the web server and as far away as assumed; and the price of a million pages. " +
		"* is ahead; without a * the engines cannot be told apart.")
	p.sensitivity()
	p.validation()
	p.title("which engine to take")
	for _, line := range r.Verdict() {
		p.paragraph("%s", line)
	}
}

// trips returns the round trips for which there are pages.
func (r *Report) trips() []time.Duration {
	var trips []time.Duration
	for _, page := range r.Pages {
		if !slices.Contains(trips, page.RoundTrip) {
			trips = append(trips, page.RoundTrip)
		}
	}
	return trips
}

// pageRows returns what the model says of pages of one session: a row for each
// engine, and where two of them are equal.
func (r *Report) pageRows(session string, trips []time.Duration) [][]string {
	var pages []PageComparison
	for _, page := range r.Pages {
		if page.Session == session {
			pages = append(pages, page)
		}
	}
	var rows [][]string
	for _, engine := range r.Settings.Engines {
		row := []string{"  " + engine}
		if slices.Contains(pages[0].TooLarge, engine) {
			rows = append(rows, append(row, "too large"))
			continue
		}
		for i, page := range pages {
			at := slices.IndexFunc(page.Engines, func(e EnginePage) bool { return e.Engine == engine })
			if at < 0 {
				continue
			}
			e := page.Engines[at]
			if i == 0 {
				row = append(row, digits(1e6*e.Server), digits(e.Queries), bytesCell(e.Up), bytesCell(e.Down))
			}
			mark := " "
			if page.Ahead == engine {
				mark = "*"
			}
			row = append(row, digits(1000*e.Seconds())+mark)
			if i == len(trips)-1 {
				row = append(row, strconv.FormatFloat(e.Price, 'f', 3, 64))
			}
		}
		rows = append(rows, row)
	}
	if equal := pages[0].EqualAt; equal != nil {
		if equal.Median > 0 {
			rows = append(rows, []string{"  equal when the database is " + digits(equal.Median/1e6) + " ms away (" + spreadCell(*equal) + ")"})
		}
	}
	return rows
}

func where(trip time.Duration) string {
	if trip == 0 {
		return "Database on the web server:"
	}
	return fmt.Sprintf("Database %s away:", milliseconds(trip))
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/1e6, 'f', -1, 64) + " ms"
}

// Verdict returns what the report advises, a sentence a line: which engine is
// the quicker one, and what to think of before speed.
func (r *Report) Verdict() []string {
	lines := r.SpeedVerdict()
	for _, caveat := range r.Caveats() {
		lines = append(lines, "Before speed: "+caveat)
	}
	return lines
}

// SpeedVerdict returns which engine is the quicker one, a sentence a line: it
// follows from the measurements and the model's inputs, and is no advice where
// they tell nothing.
func (r *Report) SpeedVerdict() []string {
	if r.Rounds == 0 || len(r.Pages) == 0 {
		return []string{"No verdict: nothing was measured."}
	}
	if r.Quiet.TooNoisy() {
		return []string{"No verdict: the machine was too noisy."}
	}
	var lines []string
	trips := r.trips()
	for _, trip := range trips {
		line := where(trip)
		sep := " "
		for _, engine := range append(slices.Clone(r.Settings.Engines), "") {
			var names []string
			for _, page := range r.Pages {
				if page.RoundTrip == trip && page.Ahead == engine && len(page.Engines) > 1 {
					names = append(names, page.Session)
				}
			}
			if len(names) == 0 {
				continue
			}
			if engine == "" {
				line += sep + "nothing tells the engines apart for " + strings.Join(names, ", ")
			} else {
				line += sep + engine + " is ahead for " + strings.Join(names, ", ")
			}
			sep = "; "
		}
		if sep != " " {
			lines = append(lines, line+".")
		}
		if c := r.crossover(trip); c != nil && r.isAhead(trip, c.Small) && r.isAhead(trip, c.Large) {
			lines = append(lines, fmt.Sprintf("They cross at a cookie of about %s bytes: %s is ahead below, %s above.", roundBytes(c.Bytes), c.Small, c.Large))
		}
	}
	tooLarge := make(map[string][]string) // engines, by the sessions that they cannot carry
	var order []string
	for _, engine := range r.Settings.Engines {
		var names []string
		for _, page := range r.Pages {
			if page.RoundTrip == trips[0] && slices.Contains(page.TooLarge, engine) {
				names = append(names, page.Session)
			}
		}
		if sessions := strings.Join(names, ", "); sessions != "" {
			if tooLarge[sessions] == nil {
				order = append(order, sessions)
			}
			tooLarge[sessions] = append(tooLarge[sessions], engine)
		}
	}
	for _, sessions := range order {
		lines = append(lines, fmt.Sprintf("Too large for %s: %s.", strings.Join(tooLarge[sessions], " and "), sessions))
	}
	return lines
}

// isAhead says whether an engine is ahead for any session.
func (r *Report) isAhead(trip time.Duration, engine string) bool {
	return slices.ContainsFunc(r.Pages, func(p PageComparison) bool { return p.RoundTrip == trip && p.Ahead == engine })
}

// Caveats returns what to think of before speed, a sentence a line: what goes
// wrong with which engines.
func (r *Report) Caveats() []string {
	with := make(map[string][]string) // engines, by what goes wrong
	var order []string
	for _, engine := range r.Settings.Engines {
		var flaws []string
		for _, b := range r.Behaviours {
			if b.Engine == engine && b.Observed {
				flaws = append(flaws, b.Behaviour.Meaning())
			}
		}
		if text := strings.Join(flaws, "; "); text != "" {
			if with[text] == nil {
				order = append(order, text)
			}
			with[text] = append(with[text], engine)
		}
	}
	var lines []string
	for _, text := range order {
		lines = append(lines, fmt.Sprintf("with %s, %s.", strings.Join(with[text], " and "), text))
	}
	return lines
}

// roundBytes rounds to two digits: a straight line between two sessions knows
// no better.
func roundBytes(v float64) string {
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return strconv.FormatFloat(math.Round(v/unit)*unit, 'f', 0, 64)
}
