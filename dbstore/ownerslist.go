package dbstore

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sessionengine/internal/sqlkit"
	"sessionengine/session"
)

// Sessions implements [session.OwnerLister]. It needs [Options.Owners]. A page
// takes a query of the owner's rows and one of their sessions, as a rule.
func (s *Store) Sessions(ctx context.Context, owner, token, after string, limit int) (
	page []session.SessionInfo, next string, err error) {
	if err := s.beginOwners(owner); err != nil {
		return nil, "", err
	}
	defer s.db.End()
	if limit <= 0 || limit > session.MaxSessions {
		limit = session.MaxSessions
	}
	at, ok := parseCursor(after)
	if !ok {
		return nil, "", fmt.Errorf("dbstore: sessions: %w: this is no next of a page", session.ErrMisuse)
	}
	current, _ := s.key(token)
	page, err = s.owners.page(ctx, owner, current, at, limit+1)
	if err != nil {
		return nil, "", s.db.Failure(ctx, "sessions", err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = cursor{created: page[limit-1].Created, id: page[limit-1].ID}.String()
	}
	return page, next, nil
}

// cursor is a place in an owner's list: after the session that has this creation
// and id, or if there is a key after that one of the rows of this session, of which
// a renewal that broke off leaves another.
type cursor struct {
	created time.Time
	id      string
	key     string
}

func (c cursor) String() string { return strconv.FormatInt(c.created.UnixMicro(), 36) + "." + c.id }

func parseCursor(text string) (c cursor, ok bool) {
	if text == "" {
		return cursor{created: maxTime}, true
	}
	micros, id, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(micros, 36, 64)
	return cursor{created: time.UnixMicro(n), id: id}, err == nil && isID(id)
}

// noteRow is what is noted about a session.
type noteRow struct {
	key  string
	info session.SessionInfo
}

// page returns up to limit living sessions of an owner after a place, and marks
// the one whose key is current. Rows that say nothing any more are deleted on the
// way.
func (o *owners) page(ctx context.Context, owner, current string, at cursor, limit int) (
	[]session.SessionInfo, error) {
	page := []session.SessionInfo{}
	old := time.Now().Add(-inFlight)
	for {
		rows, err := o.rows(ctx, owner, at)
		if err != nil || len(rows) == 0 {
			return page, err
		}
		keys := make([]string, len(rows))
		for i, r := range rows {
			keys[i] = r.key
		}
		states, err := o.lookUp(ctx, owner, keys)
		if err != nil {
			return nil, err
		}
		var stale []any
		for _, r := range rows {
			state := states[r.key]
			if state.living {
				r.info.Expires, r.info.Current = state.expires, r.key == current
				page = append(page, r.info)
			} else if !state.mine && r.info.LastSeen.Before(old) {
				stale = append(stale, r.key)
			}
		}
		if len(stale) > 0 {
			_, err := o.in(ctx, "DELETE FROM "+o.quoted+" WHERE owner = ? AND last_seen < ?", stale, o.ownerArg(owner),
				o.utc(old))
			if err != nil {
				return nil, err
			}
		}
		if len(page) >= limit || len(rows) < o.opts.CleanupBatch {
			return page[:min(limit, len(page))], nil
		}
		last := rows[len(rows)-1]
		at = cursor{last.info.Created, last.info.ID, last.key}
	}
}

// rows returns a batch of what is noted about an owner.
func (o *owners) rows(ctx context.Context, owner string, at cursor) ([]noteRow, error) {
	created, id, same := o.utc(at.created), idPrefix+at.id, ""
	if at.key != "" {
		same = id
	}
	args := []any{o.ownerArg(owner), created, created, id, same, at.key}
	return sqlkit.Collect(ctx, o.db, o.list, args, func(rows *sql.Rows) (r noteRow, err error) {
		var created, seen dbTime
		err = rows.Scan(&r.key, &r.info.ID, &r.info.Label, &created, &seen)
		r.info.ID = strings.TrimPrefix(r.info.ID, idPrefix)
		r.info.Owner, r.info.Created, r.info.LastSeen = owner, created.Time, seen.Time
		return r, err
	})
}
