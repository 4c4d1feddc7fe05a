package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// A Survey tells how a user's own sessions fare, without any of their content.
type Survey struct {
	Sessions int            `json:"sessions"`
	JSON     Sizes          `json:"json_bytes"`
	Tried    int            `json:"tried"` // of all, evenly spaced when there are many
	Engines  []EngineSurvey `json:"engines"`
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

// An EngineSurvey is how the sessions that were tried fare in one engine.
type EngineSurvey struct {
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

// SurveySessions stores sessions in each engine, once, and looks at the cookies.
// Databases are kept in files in dir that are deleted at the end; "" means the
// system's directory for temporary files. It stops with the context's error
// when ctx ends.
func SurveySessions(ctx context.Context, engines []Engine, sessions []Session, dir string) (*Survey, error) {
	all := make([]int, len(sessions))
	for i, s := range sessions {
		all[i] = s.Size
	}
	survey := &Survey{Sessions: len(sessions), JSON: sizesOf(all), Tried: min(len(sessions), surveyed)}
	dir, err := os.MkdirTemp(dir, "bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(dir)
	for i, e := range engines {
		siteDir := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(siteDir, 0o700); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		result, err := surveyEngine(ctx, e, sessions, survey.Tried, siteDir)
		if err != nil {
			return nil, err
		}
		survey.Engines = append(survey.Engines, result)
	}
	return survey, nil
}

func surveyEngine(ctx context.Context, e Engine, sessions []Session, n int, dir string) (result EngineSurvey, err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("bench: %s: %w", e.Name, err)
		}
	}()
	running := context.WithoutCancel(ctx)
	site, err := e.Open(running, dir, nil)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, site.Close()) }()

	result.Engine = e.Name
	template := newTemplate(running)
	var cookies []int
	var rec recorder
	for i := range n {
		if ctx.Err() != nil {
			return result, ctx.Err()
		}
		v := visitor{template: template}
		v.visit(site.Handler(Action{Set: sessions[i*len(sessions)/n].Entries}), &rec)
		err := rec.failure()
		if _, ok := errors.AsType[*tooLargeError](err); ok {
			result.TooLarge++
			continue
		}
		if err != nil {
			return result, err
		}
		cookies = append(cookies, len(v.cookie()))
	}
	result.Cookie = sizesOf(cookies)
	return result, nil
}
