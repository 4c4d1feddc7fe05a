package redisstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/session"
)

// peekScript answers with the beginning of the session that is under one of the
// keys, and with its number. A session that is being renewed is under one of them.
// ARGV[1] is how much to read.
var peekScript = newScript(`
for i=1,#KEYS do
  local v=redis.call('GETRANGE',KEYS[i],0,ARGV[1])
  if #v>1 then return {i,v} end
end
return {}`)

// A listed session is what the index names with one tag.
type listed struct {
	cursor  string // of the member noted last
	members []string
	keys    []string
}

// Sessions implements [session.OwnerLister]. It needs [Options.Owners]. The ID of a
// session is the tag of its token. Each page reads the owner's whole index, which has
// some 60 bytes for a session, and the sessions on the page.
func (s *Store) Sessions(ctx context.Context, owner, token, after string, limit int) (page []session.SessionInfo,
	next string, err error) {
	const op = "sessions"
	if err := s.beginOwners(ctx, op, owner); err != nil {
		return nil, "", err
	}
	if limit <= 0 || limit > session.MaxSessions {
		limit = session.MaxSessions
	}
	hash := ownerHash(owner)
	members, err := s.client.ZRange(ctx, s.ownerKeys(hash)[0], 0, -1).Result()
	if err != nil {
		return nil, "", s.failure(ctx, op, err)
	}
	current, _ := s.key(token)
	all := s.byTag(members, after)
	for len(all) > 0 && len(page) <= limit {
		part := all[:min(batch, len(all), limit+1-len(page))]
		all = all[len(part):]
		found, err := s.describe(ctx, hash, part, current)
		if err != nil {
			return nil, "", s.failure(ctx, op, err)
		}
		page = append(page, found...)
	}
	if len(page) > limit {
		page = page[:limit]
		last := page[limit-1]
		next = timeText(last.Created) + last.ID
	}
	for i := range page {
		page[i].Owner = owner
	}
	return page, next, nil
}

// byTag returns the sessions that the members name, the one noted last first, from
// the one behind the cursor on.
func (s *shared) byTag(members []string, after string) []listed {
	slices.Sort(members)
	places := make(map[string]int, len(members))
	var all []listed
	for _, m := range slices.Backward(members) {
		key, ok := s.keyOf(m)
		if !ok || after != "" && m[:cursorLen] >= after {
			continue
		}
		i, ok := places[m[idAt:cursorLen]]
		if !ok {
			i = len(all)
			places[m[idAt:cursorLen]] = i
			all = append(all, listed{cursor: m[:cursorLen]})
		}
		all[i].members, all[i].keys = append(all[i].members, m), append(all[i].keys, key)
	}
	return all
}

// describe looks up sessions. Those that are not there are removed from the index.
func (s *shared) describe(ctx context.Context, owner string, all []listed, current string) (found []session.SessionInfo,
	err error) {
	pipe := s.client.Pipeline()
	answers := make([]*redis.Cmd, len(all))
	for i, l := range all {
		answers[i] = pipe.Eval(ctx, peekScript.text, l.keys, maxMeta-1)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	var stale []string
	for i, l := range all {
		answer, err := answers[i].Slice()
		if err != nil {
			return nil, err
		}
		live := -1
		if len(answer) == 2 {
			place, _ := answer[0].(int64)
			text, _ := answer[1].(string)
			m, _, ok := parseValue([]byte(text))
			if ok && m.owner == owner {
				live = int(place) - 1
			}
			if live >= 0 && time.Now().Before(m.expires) {
				found = append(found, session.SessionInfo{
					ID: l.cursor[timeLen:], Label: strings.Clone(m.label), Created: m.created, LastSeen: m.seen,
					Expires: m.expires, Current: current != "" && l.keys[live] == current,
				})
			}
		}
		for k, member := range l.members {
			if k != live {
				stale = append(stale, member)
			}
		}
	}
	s.prune(ctx, owner, stale)
	return found, nil
}

// prune removes members whose sessions are not there, or not the owner's any more. If
// it fails, they are removed when they expire.
func (s *shared) prune(ctx context.Context, owner string, members []string) {
	if len(members) == 0 {
		return
	}
	pipe := s.client.Pipeline()
	answers := make([]*redis.Cmd, len(members))
	for i, m := range members {
		key, _ := s.keyOf(m)
		answers[i] = pipe.Eval(ctx, pruneScript.text, []string{key}, owner, inFlight.Milliseconds(),
			randomText(versionLen*3/4))
	}
	pipe.Exec(ctx)
	var gone []any
	for i, a := range answers {
		if n, err := a.Int64(); err == nil && n == 1 {
			gone = append(gone, members[i])
		}
	}
	if len(gone) > 0 {
		s.client.ZRem(ctx, s.ownerKeys(owner)[0], gone...)
	}
}

// pruneScript leaves a mark under a key that has no session, and changes the version
// of one that is somebody else's, for those who are about to write it. ARGV: the
// owner's hash, how long the mark is to be there, a version. It answers 0 if the
// session is the owner's.
var pruneScript = newScript(`
local h=redis.call('GETRANGE',KEYS[1],1,58)
if h=='' then
  redis.call('SET',KEYS[1],'` + ended + `','PX',ARGV[2])
elseif string.sub(h,32,34)~='000' and string.sub(h,35,58)==ARGV[1] then
  return 0
else
  redis.call('SETRANGE',KEYS[1],1,ARGV[3])
end
return 1`)
