package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sessionengine/session"
)

// Two people. Errors must tell their names no more than other data.
const (
	ann = marker + " ann"
	bob = marker + " bob"
)

// ownedRecord returns a new record as the middleware makes it of a session that
// has an owner and a label.
func ownedRecord(owner, label string) *session.Record {
	rec := record(payload(1))
	rec.Owner, rec.Label = owner, label
	if owner != "" {
		rec.Data = fmt.Appendf(nil, `{"_session_owner":%q,"_session_label":%q}`, owner, label)
	}
	return rec
}

// begin saves a new session of an owner.
func (c *check) begin(owner, label string) (token string, rec *session.Record) {
	c.Helper()
	rec = ownedRecord(owner, label)
	token, err := c.save("", rec)
	if err != nil {
		c.Fatalf("Save of a new session: %v", err)
	}
	return token, rec
}

// endSessions ends the sessions of an owner, of which there are n.
func (c *check) endSessions(owner string, n int64) {
	c.Helper()
	ended, err := session.EndSessions(c.ctx, c.store, owner)
	c.inspect("EndSessions", err, "", nil)
	if err != nil || ended != n && ended != -1 {
		c.Errorf("EndSessions gave %d, %v, want %d", ended, err, n)
	}
}

func (c *check) endOtherSessions(owner, token string) (newToken string, err error) {
	c.Helper()
	newToken, err = session.EndOtherSessions(c.ctx, c.store, owner, token)
	c.inspect("EndOtherSessions", err, token, nil)
	switch {
	case err != nil && newToken != "":
		c.Errorf("EndOtherSessions gave a token together with the error %v", err)
	case err == nil && (newToken == "" || newToken == token):
		c.Errorf("EndOtherSessions gave no fresh token")
	}
	return newToken, err
}

// list returns all pages, of the given size, of an owner's sessions.
func (c *check) list(owner string, limit int) (all []session.SessionInfo) {
	c.Helper()
	for after, pages := "", 0; ; pages++ {
		page, next, err := session.Sessions(c.ctx, c.store, owner, "", after, limit)
		c.inspect("Sessions", err, "", nil)
		if err != nil || len(page) > limit {
			c.Fatalf("Sessions gave %d of at most %d, %v", len(page), limit, err)
		}
		all = append(all, page...)
		if next == "" {
			return all
		}
		if pages > 100 {
			c.Fatalf("Sessions gave a page after the last one")
		}
		after = next
	}
}

// wantCurrent fails the test unless the session with this label, or none if it is
// empty, is the one of ann's that a token stands for.
func (c *check) wantCurrent(when, token, want string) {
	c.Helper()
	var got []string
	for after, pages := "", 0; pages == 0 || after != ""; pages++ {
		page, next, err := session.Sessions(c.ctx, c.store, ann, token, after, 1)
		c.inspect("Sessions", err, token, nil)
		if err != nil || pages > 100 {
			c.Fatalf("Sessions: page %d, %v", pages, err)
		}
		for _, info := range page {
			if info.Current {
				got = append(got, info.Label)
			}
		}
		after = next
	}
	if len(got) > 1 || strings.Join(got, "") != want {
		c.Errorf("%s: the sessions marked as current are %q, want %q", when, got, want)
	}
}

// wantLabels fails the test unless the owner's sessions have these labels.
func (c *check) wantLabels(when, owner string, want ...string) []session.SessionInfo {
	c.Helper()
	var got []string
	all := c.list(owner, 2)
	for _, info := range all {
		got = append(got, info.Label)
		if info.Owner != owner {
			c.Errorf("%s: a session of somebody else is listed", when)
		}
	}
	if !slices.Equal(got, want) {
		c.Errorf("%s: the labels listed are %q, want %q", when, got, want)
	}
	return all
}

var ownerCases = []testCase{
	{
		name: "EndAllSessions ends the sessions of everybody",
		rule: "All sessions are dead, whosever they are and under whatever cookie, and neither saving nor renewing " +
			"brings one back. One that begins afterwards lives.",
		run: func(c *check) {
			if !c.f.AllEnder {
				return
			}
			owned, ownedRec := c.begin(ann, "")
			nobodys, nobodysRec := c.begin("", "")
			renewed, renewedRec := c.begin(bob, "")
			renewed, err := c.renew(renewed, renewedRec)
			if err != nil {
				c.Fatalf("Renew: %v", err)
			}
			ended, err := session.EndAllSessions(c.ctx, c.store)
			c.inspect("EndAllSessions", err, owned, nil)
			if err != nil || ended != 3 && ended != -1 {
				c.Errorf("EndAllSessions gave %d, %v, want 3", ended, err)
			}
			for name, token := range map[string]string{"of an owner": owned, "of nobody": nobodys, "renewed": renewed} {
				c.wantDead("after EndAllSessions, one "+name, token)
			}
			_, err = c.save(owned, ownedRec)
			c.wantErr("Save of an ended session", err, session.ErrGone)
			_, err = c.renew(nobodys, nobodysRec)
			c.wantErr("Renew of an ended session", err, session.ErrGone)
			after, _ := c.begin(ann, "")
			c.mustLoad(after)
		},
	},
	{
		name: "a session that is renewed all the time does not escape EndAllSessions",
		rule: "Whoever renews a session faster than it is found must not keep it.",
		run: func(c *check) {
			if !c.f.AllEnder {
				return
			}
			for range 5 {
				ctx, stop := context.WithTimeout(c.ctx, patience)
				token, rec := c.begin(ann, "")
				done := make(chan struct{})
				begun := make(chan struct{})
				var last string
				go func() {
					defer close(done)
					for i := 0; ctx.Err() == nil; i++ {
						newToken, err := c.store.Renew(c.ctx, token, rec)
						if i == 3 {
							close(begun)
						}
						if err != nil {
							return
						}
						token, last = newToken, newToken
					}
				}()
				select {
				case <-begun:
				case <-done:
				}
				_, err := session.EndAllSessions(c.ctx, c.store)
				stop()
				<-done
				if err != nil {
					c.Fatalf("EndAllSessions: %v", err)
				}
				c.wantDead("after EndAllSessions, one that was being renewed", last)
			}
		},
	},
	{
		name: "EndSessions ends the sessions of the owner and of nobody else",
		rule: "All sessions whose last state had the owner are dead at once, saved again, renewed or given to the " +
			"owner since they began; others are not, and one that begins afterwards is not. An empty owner is " +
			"session.ErrNoOwner: it must not pass for one who has no sessions.",
		run: func(c *check) {
			if !c.f.OwnerEnder {
				return
			}
			first, firstRec := c.begin(ann, "first")
			saved, savedRec := c.begin(ann, "saved")
			savedRec.Data = ownedRecord(ann, "saved again").Data
			saved = c.mustSave(saved, savedRec)
			renewed, renewedRec := c.begin(ann, "renewed")
			renewed, err := c.renew(renewed, renewedRec)
			if err != nil {
				c.Fatalf("Renew: %v", err)
			}
			given, givenRec := c.begin("", "")
			version := givenRec.Version
			givenRec = ownedRecord(ann, "given")
			givenRec.Version = version
			given = c.mustSave(given, givenRec)
			taken, takenRec := c.begin(ann, "taken")
			version = takenRec.Version
			takenRec = ownedRecord(bob, "taken")
			takenRec.Version = version
			taken = c.mustSave(taken, takenRec)
			nobodys, _ := c.begin("", "")
			sloppy, _ := c.begin(ann+" ", "")

			c.endSessions(ann, 4)
			for name, token := range map[string]string{"the first": first, "one saved again": saved,
				"one renewed": renewed, "one given to the owner": given} {
				c.wantDead("after EndSessions, "+name, token)
			}
			_, err = c.save(first, firstRec)
			c.wantErr("Save of an ended session", err, session.ErrGone)
			_, err = c.renew(renewed, renewedRec)
			c.wantErr("Renew of an ended session", err, session.ErrGone)
			for name, token := range map[string]string{"of whom it was given to": taken, "of nobody": nobodys,
				"of a name that is similar": sloppy} {
				if _, err := c.load(token); err != nil {
					c.Errorf("after EndSessions, a session %s: %v", name, err)
				}
			}
			c.endSessions(ann, 0)
			after, _ := c.begin(ann, "after")
			c.mustLoad(after)
			_, err = c.store.(session.OwnerEnder).EndSessions(c.ctx, "")
			c.wantErr("EndSessions of an empty owner", err, session.ErrNoOwner)
			c.mustLoad(nobodys)
		},
	},
	{
		name: "EndOtherSessions keeps one session under a fresh token",
		rule: "The session goes on as it is stored, and all else of the owner's is dead: the others, the token it " +
			"had, and what is saved or renewed under that. A session that is dead already keeps nothing alive, " +
			"itself included, and the error is session.ErrGone.",
		run: func(c *check) {
			if !c.f.OwnerEnder {
				return
			}
			other, _ := c.begin(ann, "other")
			bobs, _ := c.begin(bob, "bob's")
			token, rec := c.begin(ann, "mine")
			kept, err := c.endOtherSessions(ann, token)
			if err != nil {
				c.Fatalf("EndOtherSessions: %v", err)
			}
			c.wantData("after EndOtherSessions", kept, rec.Data)
			c.wantDead("after EndOtherSessions, another session", other)
			c.wantDead("after EndOtherSessions, the old token", token)
			c.mustLoad(bobs)
			stale := *rec
			_, err = c.save(token, &stale)
			c.wantErr("Save under the old token", err, session.ErrGone)
			_, err = c.renew(token, &stale)
			c.wantErr("Renew of the old token", err, session.ErrGone)

			// It is the owner's as before.
			again := c.mustLoad(kept)
			again.Data, again.Owner, again.Label = ownedRecord(ann, "mine again").Data, ann, "mine again"
			kept = c.mustSave(kept, again)
			c.wantData("saved after EndOtherSessions", kept, again.Data)
			if _, err = c.endOtherSessions(ann, token); !errors.Is(err, session.ErrGone) {
				c.Errorf("EndOtherSessions with a dead token gave the error %v, want one that matches %v", err,
					session.ErrGone)
			}
			c.wantDead("after EndOtherSessions with a dead token", kept)

			// A visitor who logs in and lets no other login stand.
			other, _ = c.begin(ann, "other")
			visitor, _ := c.begin("", "")
			login, err := c.endOtherSessions(ann, visitor)
			if err != nil {
				c.Fatalf("EndOtherSessions with a session of nobody: %v", err)
			}
			c.wantDead("after EndOtherSessions with a session of nobody, the owner's", other)
			stored := c.mustLoad(login)
			stored.Data, stored.Owner = ownedRecord(ann, "").Data, ann
			login = c.mustSave(login, stored)
			c.mustLoad(login)
			c.endSessions(ann, 1)
			c.wantDead("a login that ended the others, ended", login)
			_, err = c.store.(session.OwnerEnder).EndOtherSessions(c.ctx, "", bobs)
			c.wantErr("EndOtherSessions of an empty owner", err, session.ErrNoOwner)
			c.mustLoad(bobs)
		},
	},
	{
		name: "whoever changes and renews a session does not keep it from being ended",
		rule: "EndSessions does not depend on the cooperation of those whom it ends: sessions that are saved and " +
			"renewed all the time are dead when it returns, under whatever token they go on.",
		run: func(c *check) {
			if !c.f.OwnerEnder {
				return
			}
			const holders = 6
			for range rounds / 5 {
				ctx, stop := context.WithTimeout(c.ctx, patience)
				tokens := make([]string, holders)
				var wait sync.WaitGroup
				for i := range holders {
					tokens[i], _ = c.begin(ann, "held")
					wait.Go(func() {
						for n := 0; ctx.Err() == nil; n++ {
							rec, err := c.load(tokens[i])
							if err != nil {
								return
							}
							rec.Data, rec.Owner = fmt.Appendf(nil, `{"_session_owner":%q,"n":%d}`, ann, n), ann
							write := c.save
							if (n+i)%2 == 0 {
								write = c.renew
							}
							newToken, err := write(tokens[i], rec)
							if err != nil {
								return
							}
							tokens[i] = newToken
						}
					})
				}
				time.Sleep(2 * time.Millisecond)
				_, err := session.EndSessions(c.ctx, c.store, ann)
				stop()
				wait.Wait()
				c.inspect("EndSessions", err, "", nil)
				if err != nil {
					c.Errorf("EndSessions beside the holders: %v", err)
				}
				for _, token := range tokens {
					c.wantDead("after EndSessions beside its holder", token)
				}
			}
		},
	},
	{
		name: "a copy that is renewed beside EndOtherSessions does not live on",
		rule: "When one who has a copy of the token renews it at the moment at which the owner ends the others, " +
			"either the copy gets session.ErrGone or what it got is dead; and if EndOtherSessions succeeds, its " +
			"session is alive.",
		run: func(c *check) {
			if !c.f.OwnerEnder {
				return
			}
			for round := range rounds {
				token, rec := c.begin(ann, "mine")
				other, _ := c.begin(ann, "other")
				var kept, stolen string
				var err error
				c.collide(round, 2, func(i int) {
					if i == 0 {
						kept, err = c.endOtherSessions(ann, token)
						return
					}
					mine := *rec
					var renewErr error
					stolen, renewErr = c.renew(token, &mine)
					if renewErr != nil && !errors.Is(renewErr, session.ErrGone) &&
						!errors.Is(renewErr, session.ErrConflict) {
						c.Errorf("Renew beside EndOtherSessions: %v", renewErr)
					}
				})
				switch {
				case err == nil:
					c.mustLoad(kept)
				case !errors.Is(err, session.ErrGone) || stolen == "":
					c.Errorf("EndOtherSessions beside a Renew: %v", err)
				}
				c.wantDead("after EndOtherSessions, another session", other)
				c.wantDead("after EndOtherSessions, the old token", token)
				if stolen != "" {
					c.wantDead("after EndOtherSessions, the copy", stolen)
				}
				if _, err := session.EndSessions(c.ctx, c.store, ann); err != nil {
					c.Fatalf("EndSessions: %v", err)
				}
			}
		},
	},
	{
		name: "whoever ends the other sessions all the time does not keep its own from being ended",
		rule: "A session that has been ended does not go on by EndOtherSessions, also if that was called at the same " +
			"moment: after EndSessions, or EndOtherSessions with another session, it is dead under whatever token it " +
			"goes on.",
		run: func(c *check) {
			if !c.f.OwnerEnder {
				return
			}
			for round := range rounds {
				stolen, _ := c.begin(ann, "stolen")
				mine, _ := c.begin(ann, "mine")
				ctx, stop := context.WithTimeout(c.ctx, patience)
				var wait sync.WaitGroup
				wait.Go(func() {
					for ctx.Err() == nil {
						newToken, err := c.endOtherSessions(ann, stolen)
						if err != nil {
							if !errors.Is(err, session.ErrGone) {
								c.Errorf("EndOtherSessions of a session that is being ended: %v", err)
							}
							return
						}
						stolen = newToken
					}
				})
				time.Sleep(time.Duration(round) * 100 * time.Microsecond)
				var err error
				if round%2 == 0 {
					_, err = session.EndSessions(c.ctx, c.store, ann)
				} else {
					_, err = c.endOtherSessions(ann, mine)
				}
				stop()
				wait.Wait()
				if err != nil && !errors.Is(err, session.ErrGone) {
					c.Errorf("ending the sessions beside their holder: %v", err)
				}
				c.wantDead("after all were ended beside its EndOtherSessions, a session", stolen)
				if _, err := session.EndSessions(c.ctx, c.store, ann); err != nil {
					c.Fatalf("EndSessions: %v", err)
				}
			}
		},
	},
	{
		name: "Sessions lists the living sessions of the owner in pages",
		rule: "The pages together are the owner's living sessions, the one created last first. A session keeps its " +
			"id when it is saved or renewed; what was deleted, ended, given to somebody else or has expired is not " +
			"listed. An id is no token.",
		waits: true,
		run: func(c *check) {
			if !c.f.OwnerLister {
				return
			}
			tokens := make(map[string]string)
			for _, label := range []string{"a", "b", "c", "d", "e"} {
				tokens[label], _ = c.begin(ann, label)
				time.Sleep(2 * time.Millisecond)
			}
			c.begin(bob, "bob's")
			c.begin("", "")
			before := c.wantLabels("five sessions", ann, "e", "d", "c", "b", "a")
			if len(before) != 5 {
				return
			}
			for _, info := range before {
				c.wantDead("the id of a session as a token", info.ID)
				if info.Created.IsZero() || info.LastSeen.Before(info.Created) || !info.Expires.After(info.LastSeen) {
					c.Errorf("the times of a session are out of order: %v, %v, %v", info.Created, info.LastSeen,
						info.Expires)
				}
			}
			rec := c.mustLoad(tokens["a"])
			rec.Owner, rec.Label = ann, "A"
			tokens["a"] = c.mustSave(tokens["a"], rec)
			rec = c.mustLoad(tokens["b"])
			rec.Owner, rec.Label = ann, "B"
			renewed, err := c.renew(tokens["b"], rec)
			if err != nil {
				c.Fatalf("Renew: %v", err)
			}
			after := c.wantLabels("one saved, one renewed", ann, "e", "d", "c", "B", "A")
			for i := range min(len(before), len(after)) {
				if before[i].ID != after[i].ID || !before[i].Created.Equal(after[i].Created) {
					c.Errorf("a session got another id or creation when it was saved or renewed")
				}
			}
			if err := c.delete(tokens["c"]); err != nil {
				c.Fatalf("Delete: %v", err)
			}
			rec = c.mustLoad(tokens["d"])
			given := ownedRecord(bob, "d")
			given.Version = rec.Version
			c.mustSave(tokens["d"], given)
			c.wantLabels("one deleted, one given away", ann, "e", "B", "A")

			// The id from before it was renewed.
			if err := session.EndSession(c.ctx, c.store, bob, before[3].ID); err != nil {
				c.Errorf("EndSession of somebody else's: %v", err)
			}
			c.mustLoad(renewed)
			if err := session.EndSession(c.ctx, c.store, ann, before[3].ID); err != nil {
				c.Errorf("EndSession: %v", err)
			}
			c.wantDead("after EndSession", renewed)
			for _, id := range []string{before[3].ID, "no id", ""} {
				if err := session.EndSession(c.ctx, c.store, ann, id); err != nil {
					c.Errorf("EndSession of none: %v", err)
				}
			}
			c.wantLabels("one ended", ann, "e", "A")
			short := ownedRecord(ann, "short")
			short.Expires = inSeconds(2)
			if _, err := c.save("", short); err != nil {
				c.Fatalf("Save: %v", err)
			}
			c.wantLabels("a short one", ann, "short", "e", "A")
			waitUntil(short.Expires)
			c.wantLabels("when it has expired", ann, "e", "A")
			_, _, err = c.store.(session.OwnerLister).Sessions(c.ctx, "", "", "", 0)
			c.wantErr("Sessions of an empty owner", err, session.ErrNoOwner)
			c.wantErr("EndSession of an empty owner", c.store.(session.OwnerLister).EndSession(c.ctx, "", before[0].ID),
				session.ErrNoOwner)
		},
	},
	{
		name: "Sessions marks the session of a token",
		rule: "The session that the token stands for, and no other, is Current, on whatever page it is and under " +
			"whatever token it goes on. Of the token of nobody's session, or of somebody else's, there is none.",
		run: func(c *check) {
			if !c.f.OwnerLister {
				return
			}
			c.begin(ann, "first")
			time.Sleep(2 * time.Millisecond)
			mine, rec := c.begin(ann, "mine")
			time.Sleep(2 * time.Millisecond)
			c.begin(ann, "last")
			bobs, _ := c.begin(bob, "bob's")
			c.wantCurrent("the second of three", mine, "mine")
			rec.Owner, rec.Label = ann, "mine"
			renewed, err := c.renew(mine, rec)
			if err != nil {
				c.Fatalf("Renew: %v", err)
			}
			c.wantCurrent("under its new token", renewed, "mine")
			c.wantCurrent("the old token", mine, "")
			for name, token := range map[string]string{"somebody else's": bobs, "no token": "", "a made-up token": "x",
				"a token that is no text": "\x00\xff", "an id": c.list(ann, 1)[0].ID} {
				c.wantCurrent(name, token, "")
			}
			if err := c.delete(renewed); err != nil {
				c.Fatalf("Delete: %v", err)
			}
			c.wantCurrent("a deleted session", renewed, "")
		},
	},
	{
		name: "whoever changes and renews a session does not keep it from being ended alone",
		rule: "EndSession ends the session under whatever token it goes on, as EndSessions does.",
		run: func(c *check) {
			if !c.f.OwnerLister {
				return
			}
			for range rounds / 5 {
				token, _ := c.begin(ann, "held")
				other, _ := c.begin(ann, "other")
				var id string
				for _, info := range c.list(ann, 10) {
					if info.Label == "held" {
						id = info.ID
					}
				}
				ctx, stop := context.WithTimeout(c.ctx, patience)
				var wait sync.WaitGroup
				wait.Go(func() {
					for ctx.Err() == nil {
						rec, err := c.load(token)
						if err != nil {
							return
						}
						rec.Owner = ann
						newToken, err := c.renew(token, rec)
						if err != nil {
							return
						}
						token = newToken
					}
				})
				time.Sleep(2 * time.Millisecond)
				if err := session.EndSession(c.ctx, c.store, ann, id); err != nil {
					c.Errorf("EndSession beside the holder: %v", err)
				}
				stop()
				wait.Wait()
				c.wantDead("after EndSession beside its holder", token)
				c.mustLoad(other)
				c.endSessions(ann, 1)
			}
		},
	},
}
