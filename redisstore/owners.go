package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/session"
)

// The index of an owner is a sorted set, in a slot of its own. A member is when the
// session was noted, and its tag and hash, which make up its key; the score is its
// expiry by the server's clock. A member that is "!" and a tag says that the session
// was ended, and may not be renewed.
//
// The set and the sessions are in different slots, and so never changed in one step.
// A member is there before its session is written, and goes after it: the set may
// name sessions that are not there, and readers look. What must not happen is that
// a session is written whose member has been removed meanwhile. So whoever removes a
// member leaves a mark under its key first, which a write that is under way finds.
//
// A second key has the generation: a random text that each ending of the owner's
// sessions replaces. A session bears that of the time when it was noted. It is
// refused where it would be noted again, under a new key for example, while another
// one is there. So the members that an ending reads, after it has begun the next
// generation, are all that there are of those before.
const (
	// inFlight is how long a mark and a generation stay, and so how long a write
	// may be under way.
	inFlight = time.Hour

	// noGeneration is that of sessions noted while there was none.
	noGeneration = "000000000000"

	// anyGeneration is what a session that is new to the owner is noted with.
	anyGeneration = "*"

	// batch is how many commands are sent together.
	batch = 500
)

// now and add are parts of scripts. now is the server's time in milliseconds; what a
// member was given to live runs from then on. The set lives as long as the member
// that lives longest. A minute more is for servers whose clocks differ, among which
// the set may move.
const (
	now = `
local t=redis.call('TIME')
local now=t[1]*1000+math.floor(t[2]/1000)`

	add = `
local function add(member,life)
  redis.call('ZADD',KEYS[1],'GT',now+life,member)
  redis.call('ZREMRANGEBYSCORE',KEYS[1],'-inf',now-60000)
  local last=redis.call('ZRANGE',KEYS[1],-1,-1,'WITHSCORES')
  redis.call('PEXPIREAT',KEYS[1],last[2]+60000)
end`

	refuse = `
local g=redis.call('GET',KEYS[2])
if g and g~=ARGV[1] and ARGV[2]~='*' and g~=ARGV[2] then return -1 end
if redis.call('ZSCORE',KEYS[1],'!'..string.sub(ARGV[3],16,27)) then return -1 end`
)

var (
	// noteScript notes a session. ARGV: nothing, its generation, the member, its
	// life in milliseconds. It answers with the generation.
	noteScript = newScript(now + add + refuse + `
add(ARGV[3],ARGV[4])
return g or ''`)

	// nextScript begins the next generation, and answers with the members. A script
	// that has deleted something may write even if the server is out of memory, so
	// that sessions can be ended then too. ARGV:
	// the generation, and for a session that is to go on its present one, the
	// member of its new key, or only the parts of it before the hash to note none,
	// and its life; then how long the generation is to be known.
	nextScript = newScript(now + add + refuse + `
redis.call('DEL',KEYS[2])
redis.call('SET',KEYS[2],ARGV[1],'PX',ARGV[5])
if #ARGV[3]>27 then add(ARGV[3],ARGV[4]) end
return redis.call('ZRANGE',KEYS[1],0,-1)`)

	// markScript marks a session as ended, and answers with its members. ARGV: its
	// tag, how long the mark is to be known.
	markScript = newScript(now + add + `
local found={}
for _,m in ipairs(redis.call('ZRANGE',KEYS[1],0,-1)) do
  if string.sub(m,16,27)==ARGV[1] then found[#found+1]=m end
end
redis.call('ZREM',KEYS[1],'!'..ARGV[1])
if #found>0 then add('!'..ARGV[1],ARGV[2]) end
return found`)

	// endScript ends a session if it is the owner's and not of a generation. ARGV:
	// the owner's hash, the generation, the time by the caller's clock, how long a
	// mark is to be there, a version. It answers 2 if the session is to stay with its
	// member, 1 if it was alive. Of a session that is somebody else's the version is
	// changed, so that no write under way, for which it was noted, succeeds.
	endScript = newScript(`
local h=redis.call('GETRANGE',KEYS[1],1,70)
if #h>34 and string.sub(h,32,34)~='000' and string.sub(h,35,58)==ARGV[1] then
  if string.sub(h,59,70)==ARGV[2] then return 2 end
elseif h~='' then
  redis.call('SETRANGE',KEYS[1],1,ARGV[5])
  return 0
end
redis.call('DEL',KEYS[1])
redis.call('SET',KEYS[1],'` + ended + `','PX',ARGV[4])
if string.sub(h,17,31)>ARGV[3] then return 1 end
return 0`)

	// moveScript gives a session another key, as it is stored. ARGV: the hash of
	// whom it has to belong to, or nothing; the time by the caller's clock; a version
	// for it; the generation it gets. It answers with its expiry.
	moveScript = newScript(`
local v=redis.call('GET',KEYS[1])
if not v or #v<35 then
  local n=redis.call('GETRANGE',KEYS[2],1,31)
  if n~='' and string.sub(n,1,16)==ARGV[3] then return string.sub(n,17,31) end
  return -1
end
local expires,owner=string.sub(v,18,32),''
if expires<=ARGV[2] then return -1 end
if string.sub(v,33,35)~='000' then owner=string.sub(v,36,59) end
if owner~=ARGV[1] then return -1 end
local life=math.max(1,redis.call('PTTL',KEYS[1]))
local new=string.sub(v,1,1)..ARGV[3]..string.sub(v,18)
if owner~='' then new=string.sub(new,1,59)..ARGV[4]..string.sub(new,72) end
if not redis.call('SET',KEYS[2],new,'PX',life,'NX') then return -2 end
redis.call('DEL',KEYS[1])
return expires`)

	// deleteScript deletes a session, and answers with whose it was.
	deleteScript = newScript(`
local h=redis.call('GETRANGE',KEYS[1],0,100)
if #h>34 then redis.call('DEL',KEYS[1]) end
return h`)
)

func ownerHash(owner string) string { return hash("owner of a session\x00", owner)[:ownerLen] }

// ownerKeys returns the keys of an owner's index and generation.
func (s *shared) ownerKeys(owner string) []string {
	key := s.opts.Prefix + ":o:{" + owner + "}"
	return []string{key, key + ":g"}
}

// member returns the member of the session under a key.
func (s *shared) member(created time.Time, key string) string {
	const between = len("}:")
	start := len(s.opts.Prefix) + len(":{")
	return timeText(created) + key[start:start+tagLen] + key[start+tagLen+between:]
}

const (
	idAt      = timeLen
	cursorLen = timeLen + tagLen
	memberLen = cursorLen + hashLen
)

// keyOf returns the key of a member, and false for a mark.
func (s *shared) keyOf(member string) (string, bool) {
	if len(member) != memberLen {
		return "", false
	}
	return s.sessionKey(member[idAt:cursorLen], member[cursorLen:]), true
}

// note notes a session, and returns the generation that it is one of. Without an
// error it may be written. [session.ErrGone] says that it has been ended.
func (s *shared) note(ctx context.Context, owner, generation, member string, life int64) (string, error) {
	answer, _, err := s.run(ctx, noteScript, s.ownerKeys(owner), "", generation, member, life)
	if err != nil {
		return "", err
	}
	text, ok := answer.(string)
	switch {
	case !ok:
		return "", session.ErrGone
	case generation != anyGeneration:
		return generation, nil
	case text == "":
		return noGeneration, nil
	}
	return text, nil
}

// forget removes the member of a session that is gone for certain. If it fails, the
// member is removed by whoever lists the owner's sessions, or when it expires.
func (s *shared) forget(ctx context.Context, owner, member string) {
	s.client.ZRem(ctx, s.ownerKeys(owner)[0], member)
}

// beginOwners begins an operation on the sessions of an owner.
func (s *shared) beginOwners(ctx context.Context, op, owner string) error {
	if err := s.begin(ctx, op); err != nil {
		return err
	}
	if !s.opts.Owners {
		return fmt.Errorf("redisstore: %w: the store is not told to keep the owners of sessions, see Options.Owners: %w",
			session.ErrMisuse, errors.ErrUnsupported)
	}
	if owner == "" {
		return session.ErrNoOwner
	}
	return nil
}

// EndSessions implements [session.OwnerEnder]. It needs [Options.Owners]. It takes
// three round trips for up to 500 sessions.
func (s *Store) EndSessions(ctx context.Context, owner string) (int64, error) {
	if err := s.beginOwners(ctx, "end sessions", owner); err != nil {
		return 0, err
	}
	n, err := s.endSessions(ctx, ownerHash(owner))
	return n, s.failure(ctx, "end sessions", err)
}

func (s *shared) endSessions(ctx context.Context, owner string) (int64, error) {
	generation := randomText(genLen * 3 / 4)
	members, err := s.next(ctx, owner, generation, anyGeneration, "", 0)
	if err != nil {
		return 0, err
	}
	return s.endMembers(ctx, owner, generation, members)
}

// next begins the next generation, and returns the members of the index.
func (s *shared) next(ctx context.Context, owner, generation, present, member string, life int64) ([]string, error) {
	answer, _, err := s.run(ctx, nextScript, s.ownerKeys(owner), generation, present, member, life,
		inFlight.Milliseconds())
	if err != nil {
		return nil, err
	}
	return texts(answer)
}

// texts makes what a script answers a slice. An answer that is no list says that
// the session has been ended.
func texts(answer any) ([]string, error) {
	list, ok := answer.([]any)
	if !ok {
		return nil, session.ErrGone
	}
	all := make([]string, 0, len(list))
	for _, v := range list {
		if text, ok := v.(string); ok {
			all = append(all, text)
		}
	}
	return all, nil
}

// endMembers ends those sessions of the members that are the owner's and not of the
// generation, and returns how many were alive.
func (s *shared) endMembers(ctx context.Context, owner, generation string, members []string) (ended int64, err error) {
	for part := range slices.Chunk(members, batch) {
		n, err := s.endBatch(ctx, owner, generation, part)
		ended += n
		if err != nil {
			return ended, err
		}
	}
	return ended, nil
}

func (s *shared) endBatch(ctx context.Context, owner, generation string, members []string) (ended int64, err error) {
	var ending []string
	var answers []any
	pipe := s.client.Pipeline()
	for _, m := range members {
		key, ok := s.keyOf(m)
		if !ok {
			continue
		}
		ending = append(ending, m)
		args := []any{owner, generation, timeText(time.Now()), inFlight.Milliseconds(), randomText(versionLen * 3 / 4)}
		if s.opts.WaitReplicas == 0 {
			answers = append(answers, pipe.Eval(ctx, endScript.text, []string{key}, args...))
			continue
		}
		answer, _, err := s.run(ctx, endScript, []string{key}, args...)
		if err != nil {
			return ended, err
		}
		answers = append(answers, answer)
	}
	if pipe.Len() > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			return ended, err
		}
	}
	var over []any
	for i, a := range answers {
		if cmd, ok := a.(*redis.Cmd); ok {
			a = cmd.Val()
		}
		if n, ok := a.(int64); !ok {
			return ended, errAnswer
		} else if n < 2 {
			ended += n
			over = append(over, ending[i])
		}
	}
	if len(over) > 0 {
		err = s.client.ZRem(ctx, s.ownerKeys(owner)[0], over...).Err()
	}
	return ended, err
}

// EndOtherSessions implements [session.OwnerEnder]. It needs [Options.Owners]. The
// token has to be one of the store's own cookie, see [Store.ForCookie]; in a handler
// [session.Session.EndOthers] sees to that. Any other is taken for one of a session
// that is gone, and ends all of the owner's.
func (s *Store) EndOtherSessions(ctx context.Context, owner, token string) (newToken string, err error) {
	const op = "end other sessions"
	if err := s.beginOwners(ctx, op, owner); err != nil {
		return "", err
	}
	hash := ownerHash(owner)
	var generation string
	for {
		newToken, generation, err = s.endOthers(ctx, hash, token, generation)
		if err != errTaken || ctx.Err() != nil {
			break // or else once more, with another secret
		}
	}
	if err == session.ErrGone {
		if _, failed := s.endSessions(ctx, hash); failed != nil {
			err = failed
		}
	}
	if err != nil {
		return "", s.failure(ctx, op, err)
	}
	return newToken, nil
}

// endOthers returns the generation that it has begun. previous is the one of a call
// before, whose new key was taken.
func (s *Store) endOthers(ctx context.Context, owner, token, previous string) (newToken, generation string, err error) {
	key, ok := s.key(token)
	if !ok {
		return "", "", session.ErrGone
	}
	value, err := s.client.GetRange(ctx, key, 0, maxMeta-1).Bytes()
	if err != nil {
		return "", "", err
	}
	was, _, ok := parseValue(value)
	if !ok || !time.Now().Before(was.expires) {
		return "", "", session.ErrGone
	}
	newToken = renewedToken(token)
	newKey, _ := s.key(newToken)
	member := s.member(was.created, newKey)
	life := left(was.expires, time.Now())

	// It is noted in the next generation if it is the owner's, and as ever if it is
	// somebody else's.
	generation = randomText(genLen * 3 / 4)
	present, noted, becomes := anyGeneration, member[:cursorLen], was.generation
	switch was.owner {
	case owner:
		present, noted, becomes = cmp.Or(previous, was.generation), member, generation
	case "":
	default:
		if _, err := s.note(ctx, was.owner, was.generation, member, life); err != nil {
			return "", "", err
		}
	}
	members, err := s.next(ctx, owner, generation, present, noted, life)
	if err != nil {
		return "", "", err
	}
	answer, _, err := s.run(ctx, moveScript, []string{key, newKey}, was.owner, timeText(time.Now()),
		randomText(versionLen*3/4), becomes)
	if err != nil {
		return "", "", err
	}
	if answer == int64(taken) {
		return "", generation, errTaken
	}
	text, ok := answer.(string)
	if !ok {
		return "", "", session.ErrGone
	}
	if was.owner != "" {
		if expires, _ := parseTime([]byte(text)); expires.After(was.expires) {
			if _, err := s.note(ctx, was.owner, becomes, member, left(expires, time.Now())); err != nil {
				return "", "", err
			}
		}
		s.forget(ctx, was.owner, s.member(was.created, key))
	}
	_, err = s.endMembers(ctx, owner, generation, members)
	return newToken, generation, err
}

// EndSession implements [session.OwnerLister]. It needs [Options.Owners].
func (s *Store) EndSession(ctx context.Context, owner, id string) error {
	if err := s.beginOwners(ctx, "end session", owner); err != nil {
		return err
	}
	if len(id) != tagLen || !isText(id) {
		return nil
	}
	hash := ownerHash(owner)
	answer, _, err := s.run(ctx, markScript, s.ownerKeys(hash)[:1], id, inFlight.Milliseconds())
	if err == nil {
		var members []string
		if members, err = texts(answer); err == nil {
			_, err = s.endMembers(ctx, hash, "", members)
		}
	}
	return s.failure(ctx, "end session", err)
}
