package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A Behaviour is something about an engine that no figure shows, and that was
// tried out. All of them are better not true of an engine.
type Behaviour string

// The behaviours that are tried.
const (
	replay       Behaviour = "replay"
	rollback     Behaviour = "rollback"
	lostUpdate   Behaviour = "lost update"
	undoneLogout Behaviour = "undone logout"
	sizeLimit    Behaviour = "size limit"
)

// Behaviours returns what is tried, in the order of the table.
func Behaviours() []Behaviour {
	return []Behaviour{replay, rollback, lostUpdate, undoneLogout, sizeLimit}
}

// Meaning returns what it means that the behaviour was observed.
func (b Behaviour) Meaning() string {
	switch b {
	case replay:
		return "a stolen cookie works after the logout"
	case rollback:
		return "an old cookie brings old values back"
	case lostUpdate:
		return "two requests set different keys: one is lost"
	case undoneLogout:
		return "a slow request logs the visitor in again"
	case sizeLimit:
		return "a session of 64 kB is refused"
	}
	return string(b)
}

// RuledOut returns why an engine cannot do what the model says that the site
// needs, or "".
func (r *Report) RuledOut(engine string) string {
	var flaws []string
	for _, b := range r.Behaviours {
		needed := false
		switch b.Behaviour {
		case replay, undoneLogout:
			needed = r.Model.MustLogOut
		case lostUpdate:
			needed = r.Model.KeepChanges
		}
		if needed && b.Observed && b.Engine == engine {
			flaws = append(flaws, b.Behaviour.Meaning())
		}
	}
	return strings.Join(flaws, "; ")
}

// BehaviourResult is whether a behaviour is true of an engine.
type BehaviourResult struct {
	Engine    string    `json:"engine"`
	Behaviour Behaviour `json:"behaviour"`
	Observed  bool      `json:"observed"`
}

// observeBehaviours tries all of them on a site.
func observeBehaviours(ctx context.Context, site Site) ([]BehaviourResult, error) {
	p := prober{site, newTemplate(ctx)}
	var results []BehaviourResult
	for _, b := range []struct {
		Behaviour
		try func() (bool, error)
	}{
		{replay, p.replay},
		{rollback, p.rollback},
		{lostUpdate, p.lostUpdate},
		{undoneLogout, p.undoneLogout},
		{sizeLimit, p.sizeLimit},
	} {
		observed, err := b.try()
		if err != nil {
			return nil, fmt.Errorf("trying whether %s: %w", b.Meaning(), err)
		}
		results = append(results, BehaviourResult{Behaviour: b.Behaviour, Observed: observed})
	}
	return results, nil
}

type prober struct {
	site     Site
	template *http.Request
}

// do lets v send a request whose handler does a, and returns the text it got.
// A failure of the site is an error, unless the status is among allowed.
func (p prober) do(v *visitor, a Action, allowed ...int) (string, error) {
	var rec recorder
	v.visit(p.site.Handler(a), &rec)
	if slices.Contains(allowed, rec.status) {
		return "", nil
	}
	return string(rec.body), rec.failure()
}

// login returns a visitor with a session in which key is "old".
func (p prober) login() (*visitor, error) {
	v := visitor{template: p.template}
	_, err := p.do(&v, set("key", "old"))
	if err == nil && v.cookie() == "" {
		err = errors.New("a new session came without a cookie")
	}
	return &v, err
}

// copyOf returns somebody else who has the visitor's cookie.
func (p prober) copyOf(v *visitor) *visitor {
	thief := visitor{template: p.template}
	thief.setCookie(v.cookie())
	return &thief
}

func set(key, value string) Action {
	raw, _ := json.Marshal(value) // a string, so it cannot fail
	return Action{Set: []Entry{{key, raw}}}
}

func read(key string) Action { return Action{Read: Entry{key, json.RawMessage(`""`)}} }

func (p prober) replay() (bool, error) {
	v, err := p.login()
	if err != nil {
		return false, err
	}
	thief := p.copyOf(v)
	if _, err := p.do(v, Action{Flush: true}); err != nil {
		return false, err
	}
	got, err := p.do(thief, read("key"))
	return got == "old", err
}

func (p prober) rollback() (bool, error) {
	v, err := p.login()
	if err != nil {
		return false, err
	}
	older := p.copyOf(v)
	if _, err := p.do(v, set("key", "new")); err != nil {
		return false, err
	}
	got, err := p.do(older, read("key"))
	return got == "old", err
}

func (p prober) lostUpdate() (bool, error) {
	v, err := p.login()
	if err != nil {
		return false, err
	}
	slow := set("first", "1")
	slow.Meanwhile = func() {
		// The browser sends this one with the cookie it has, too.
		_, err = p.do(v, set("second", "2"))
	}
	if _, slowErr := p.do(v, slow); slowErr != nil || err != nil {
		return false, errors.Join(slowErr, err)
	}
	first, err := p.do(v, read("first"))
	if err != nil {
		return false, err
	}
	second, err := p.do(v, read("second"))
	return first != "1" || second != "2", err
}

func (p prober) undoneLogout() (bool, error) {
	v, err := p.login()
	if err != nil {
		return false, err
	}
	slow := set("key", "slow")
	slow.Meanwhile = func() { _, err = p.do(v, Action{Flush: true}) }
	// An engine that notices refuses, with a status of its own choice.
	if _, slowErr := p.do(v, slow, http.StatusBadRequest, http.StatusConflict); slowErr != nil || err != nil {
		return false, errors.Join(slowErr, err)
	}
	got, err := p.do(v, read("key"))
	return got == "slow", err
}

func (p prober) sizeLimit() (bool, error) {
	random := make([]byte, 48<<10) // 64 kB of base64
	rand.Read(random)
	text := base64.RawStdEncoding.EncodeToString(random)
	v := visitor{template: p.template}
	if _, err := p.do(&v, set("key", text)); err != nil {
		if _, ok := errors.AsType[*tooLargeError](err); ok {
			return true, nil
		}
		return false, err
	}
	got, err := p.do(&v, read("key"))
	if err == nil && got != text {
		err = errors.New("a large session came back different")
	}
	return false, err
}
