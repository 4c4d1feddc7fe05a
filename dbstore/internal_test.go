package dbstore

import (
	"math"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"sessionengine/session"
)

func TestTokensUseTheirAlphabetEvenly(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	const tokens = 5000
	var counts [256]int
	for range tokens {
		token := newToken()
		if len(token) != 32 {
			t.Fatalf("a token of %d characters", len(token))
		}
		for i := range len(token) {
			counts[token[i]]++
		}
	}
	const n, p = tokens * 32, 1.0 / 36
	mean, deviation := n*p, math.Sqrt(n*p*(1-p))
	total := 0
	for _, c := range tokenAlphabet {
		if d := math.Abs(float64(counts[c])-mean) / deviation; d > 5 {
			t.Errorf("%q comes up %d times, %.1f standard deviations off", c, counts[c], d)
		}
		total += counts[c]
	}
	if total != n {
		t.Errorf("%d characters are not in the alphabet", n-total)
	}
}

// The stored form of a key must never change: it would log everybody out.
// The vector is Python's:
//
//	base64.b32hexencode(hashlib.sha256(token + cookie).digest()[:25]).decode().lower()
func TestStoredKeyIsStable(t *testing.T) {
	key, ok := storedKey(session.DefaultCookieName, "0123456789abcdefghijklmnopqrstuv")
	if want := "36je87c0474qap1de7nb1sputp5q1sn5843b117o"; !ok || key != want {
		t.Errorf("the stored key is %q, %v; want %q", key, ok, want)
	}
}

// The names are those that Django's _create_index_name returns.
func TestIndexHasTheNameThatDjangoGivesIt(t *testing.T) {
	for _, tc := range []struct {
		dialect     Dialect
		table, want string
	}{
		{SQLite, "django_session", "django_session_expire_date_a5c62663"},
		{SQLite, strings.Repeat("s", 60), strings.Repeat("s", 60) + "_expire_date_1ff0cd10"},
		{Postgres, strings.Repeat("s", 45), strings.Repeat("s", 26) + "_expire_date_9bd42912"},
		{Postgres, "a_rather_long_name_for_a_table_of_sessions",
			"a_rather_long_name_for_a_table_of_sessions_expire_date_97cdb051"},
		{MySQL, strings.Repeat("s", 45), strings.Repeat("s", 27) + "_expire_date_9bd42912"},
	} {
		if got := indexName(tc.dialect, tc.table, "expire_date"); got != tc.want {
			t.Errorf("%v, table %s: %s, want %s", tc.dialect, tc.table, got, tc.want)
		}
	}
}

func TestTimesAreRoundedDownToWhatAColumnHolds(t *testing.T) {
	zone := time.FixedZone("elsewhere", 7*60*60)
	for _, tc := range []struct {
		t    time.Time
		want string
	}{
		{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-02 03:04:05"},
		{time.Date(2026, 1, 2, 3, 4, 5, 0, zone), "2026-01-01 20:04:05"},
		{time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC), "2026-01-02 03:04:05.123456"},
		{time.Date(2026, 1, 2, 3, 4, 5, 999, time.UTC), "2026-01-02 03:04:05"},
		{time.Date(2026, 1, 2, 3, 4, 5, 100000000, time.UTC), "2026-01-02 03:04:05.100000"},
		{time.Time{}, "1970-01-01 00:00:00"},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "9999-12-31 23:59:59"},
	} {
		if got := timeArg(SQLite, tc.t, nil); got != tc.want {
			t.Errorf("%v is written as %v, want %s", tc.t, got, tc.want)
		}
	}
}

func TestTimesAreRead(t *testing.T) {
	want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tc := range []struct {
		src  any
		want time.Time
	}{
		{"2026-01-02 03:04:05", want},
		{"2026-01-02 03:04:05.000000", want},
		{"2026-01-02 03:04:05.5", want.Add(500 * time.Millisecond)},
		{[]byte("2026-01-02 03:04:05.123456"), want.Add(123456 * time.Microsecond)},
		{"2026-01-02T03:04:05", want},
		{"2026-01-02T03:04:05Z", want},
		{"2026-01-02 10:04:05+07:00", want},
		{want.In(time.FixedZone("elsewhere", 3600)), want},
		{"", time.Time{}},
		{"yesterday", time.Time{}},
		{"0000-00-00 00:00:00", time.Time{}},
		{int64(1767322800), time.Time{}},
		{nil, time.Time{}},
	} {
		var got dbTime
		if err := got.Scan(tc.src); err != nil || !got.Equal(tc.want) || got.Location() != time.UTC {
			t.Errorf("%v: %v, %v; want %v", tc.src, got, err, tc.want)
		}
	}
}

func TestTimesInAZoneOfTheSite(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	east := time.FixedZone("", 14*3600)
	for _, tc := range []struct {
		dialect Dialect
		zone    *time.Location
		t       time.Time
		want    any
	}{
		{SQLite, newYork, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-01 22:04:05"},
		{MySQL, newYork, time.Date(2026, 7, 2, 3, 4, 5, 1000, time.UTC), "2026-07-01 23:04:05.000001"},
		{Postgres, newYork, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{SQLite, east, maxTime, "9999-12-31 23:59:59"}, // a year of four digits, for Django and the order
		{SQLite, newYork, minTime, "1969-12-31 19:00:00"},
	} {
		got := timeArg(tc.dialect, tc.t, tc.zone)
		if got != tc.want {
			t.Errorf("%v, %v in %v: %v, want %v", tc.dialect, tc.t, tc.zone, got, tc.want)
		}
		back := dbTime{zone: tc.zone}
		if err := back.Scan(got); err != nil || !back.Equal(tc.t) && tc.t != maxTime {
			t.Errorf("%v, %v in %v: read again as %v, %v", tc.dialect, tc.t, tc.zone, back, err)
		}
	}
}

func FuzzTimeIsReadAsItIsWritten(f *testing.F) {
	f.Add("2026-01-02 03:04:05.123456")
	f.Add("2026-01-02T03:04:05+07:00")
	f.Add("10000-01-01 00:00:00")
	f.Fuzz(func(t *testing.T, s string) {
		var read, again dbTime
		if read.Scan(s) != nil {
			return
		}
		written := timeArg(SQLite, read.Time, nil)
		if err := again.Scan(written); err != nil || !again.Equal(clamp(read.Time)) {
			t.Errorf("%q is read as %v, written as %v and read again as %v, %v", s, read, written, again, err)
		}
	})
}
