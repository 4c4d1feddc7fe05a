// Package survey looks at a site's own sessions: their sizes, the share that does
// not fit a cookie, the weight of each key, and what the encoders of package
// signedcookie and a dictionary of the sessions' own make of them.
package survey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sessionengine/bench"
)

// A Survey tells how a user's own sessions fare, without any of their content,
// unless [Options.KeyNames] asks for the names of keys.
type Survey struct {
	Sessions int `json:"sessions"`

	// Sample tells how the sessions were chosen; nil where they are all that
	// there were.
	Sample *Sample `json:"sample,omitempty"`

	JSON         Sizes  `json:"json_bytes"`
	Distribution []Bin  `json:"distribution"` // of the sizes as JSON
	Keys         []Keys `json:"keys"`         // the heaviest first

	Tried   int           `json:"tried"` // of all, evenly spaced when there are many
	Engines []EngineSizes `json:"engines"`

	// Training is what compression and a dictionary of their own save; nil if
	// the sessions are too few for one or have nothing in common.
	Training *Training `json:"training,omitempty"`
}

// Options are how [Take] goes about it. The zero value is good.
type Options struct {
	// Seed determines which sessions train a dictionary, and which try it.
	Seed uint64

	// KeyNames puts the names of the heaviest keys into the survey.
	KeyNames bool

	// Sample is put into the survey as it is.
	Sample *Sample
}

// A Bin counts the sessions of a range of sizes.
type Bin struct {
	Bytes    int `json:"bytes"` // the greatest size in it; the smallest is half of that, and one more
	Sessions int `json:"sessions"`
}

// Keys is what one key adds to the sessions that have it.
type Keys struct {
	Name     string  `json:"name,omitempty"`
	Sessions int     `json:"sessions"`
	Mean     int     `json:"mean_bytes"` // of the key and its value, as JSON
	Max      int     `json:"max_bytes"`
	Share    float64 `json:"share"` // of the bytes of all sessions
}

// A Sample tells which of a site's sessions were taken.
type Sample struct {
	Found   int64     `json:"found"`
	Taken   int       `json:"taken"` // at random, if not all
	LeftOut []LeftOut `json:"left_out,omitempty"`
}

// LeftOut counts sessions, of those taken, that could not be read.
type LeftOut struct {
	Reason   string `json:"reason"`
	Sessions int    `json:"sessions"`
	First    string `json:"first"` // where the first of them is
}

// An EngineSizes is how the sessions that were tried fare in one engine.
type EngineSizes struct {
	Engine   string `json:"engine"`
	TooLarge int    `json:"too_large"`
	Cookie   Sizes  `json:"cookie_bytes"` // value of the Cookie header, of those that fit
}

// Sizes are quantiles of a number of sizes in bytes.
type Sizes struct {
	Min    int `json:"min"`
	Median int `json:"median"`
	P90    int `json:"p90"`
	P99    int `json:"p99"`
	Max    int `json:"max"`
}

func sizesOf(sizes []int) Sizes {
	if len(sizes) == 0 {
		return Sizes{}
	}
	slices.Sort(sizes)
	at := func(percent int) int { return sizes[(len(sizes)-1)*percent/100] }
	return Sizes{Min: at(0), Median: at(50), P90: at(90), P99: at(99), Max: at(100)}
}

// surveyed is how many sessions are tried in each engine at most.
const surveyed = 2000

// Take looks at the sizes of sessions and of their keys, stores them in
// each engine, once, and looks at the cookies, and tries what a dictionary of
// their own saves. It stops with the context's error when ctx ends.
func Take(ctx context.Context, engines []bench.Engine, sessions []bench.Session, opts Options) (*Survey, error) {
	all := make([]int, len(sessions))
	for i, s := range sessions {
		all[i] = s.Size
	}
	survey := &Survey{
		Sessions: len(sessions), Sample: opts.Sample, Tried: min(len(sessions), surveyed),
		JSON: sizesOf(all), Distribution: distribution(all), Keys: heaviestKeys(sessions, opts.KeyNames),
	}
	var err error
	survey.Training, err = Train(ctx, sessions, opts.Seed)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	} else if err != nil && !errors.Is(err, ErrTooFewSessions) && !errors.Is(err, ErrNothingInCommon) {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "survey-")
	if err != nil {
		return nil, fmt.Errorf("survey: %w", err)
	}
	defer os.RemoveAll(dir)
	for i, e := range engines {
		siteDir := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(siteDir, 0o700); err != nil {
			return nil, fmt.Errorf("survey: %w", err)
		}
		result, err := surveyEngine(ctx, e, sessions, survey.Tried, siteDir)
		if err != nil {
			return nil, err
		}
		survey.Engines = append(survey.Engines, result)
	}
	return survey, nil
}

// smallestBin is the greatest size in the first bin.
const smallestBin = 64

// distribution counts sizes in bins, each of which goes to twice the size of the
// one before. There are none before the first session nor after the last.
func distribution(sizes []int) []Bin {
	var bins []Bin
	for _, size := range sizes {
		i := 0
		for size > smallestBin<<i {
			i++
		}
		for len(bins) <= i {
			bins = append(bins, Bin{Bytes: smallestBin << len(bins)})
		}
		bins[i].Sessions++
	}
	for len(bins) > 0 && bins[0].Sessions == 0 {
		bins = bins[1:]
	}
	return bins
}

// maxKeys is how many keys are listed.
const maxKeys = 10

// heaviestKeys returns the keys that most bytes of the sessions belong to.
func heaviestKeys(sessions []bench.Session, names bool) []Keys {
	byName := make(map[string]*Keys)
	sums := make(map[string]int)
	total := 0
	for _, s := range sessions {
		total += s.Size
		for _, e := range s.Entries {
			k := byName[e.Key]
			if k == nil {
				k = &Keys{Name: e.Key}
				byName[e.Key] = k
			}
			size := len(bench.Session{Entries: []bench.Entry{e}}.JSON()) - len("{}")
			k.Sessions++
			k.Max = max(k.Max, size)
			sums[e.Key] += size
		}
	}
	var keys []Keys
	for name, k := range byName {
		k.Mean = (sums[name] + k.Sessions/2) / k.Sessions
		k.Share = float64(sums[name]) / float64(total)
		keys = append(keys, *k)
	}
	slices.SortFunc(keys, func(a, b Keys) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share),
			cmp.Compare(a.Name, b.Name))
	})
	keys = keys[:min(len(keys), maxKeys)]
	if !names {
		for i := range keys {
			keys[i].Name = ""
		}
	}
	return keys
}

func surveyEngine(ctx context.Context, e bench.Engine, sessions []bench.Session, n int, dir string) (result EngineSizes,
	err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("survey: %s: %w", e.Name, err)
		}
	}()
	running := context.WithoutCancel(ctx)
	site, err := e.Open(running, dir, nil)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, site.Close()) }()

	result.Engine = e.Name
	var cookies []int
	for i := range n {
		if ctx.Err() != nil {
			return result, ctx.Err()
		}
		r := httptest.NewRequestWithContext(running, http.MethodGet, "https://shop.example.com/account", nil)
		rec := httptest.NewRecorder()
		site.Handler(bench.Action{Set: sessions[i*len(sessions)/n].Entries}).ServeHTTP(rec, r)
		switch rec.Code {
		case http.StatusOK:
			pair, _, _ := strings.Cut(rec.Header().Get("Set-Cookie"), ";")
			cookies = append(cookies, len(pair))
		case http.StatusRequestEntityTooLarge:
			result.TooLarge++
		default:
			return result, fmt.Errorf("status %d: %s", rec.Code, strings.TrimSpace(rec.Body.String()))
		}
	}
	result.Cookie = sizesOf(cookies)
	return result, nil
}
