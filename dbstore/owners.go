package dbstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"sessionengine/session"
)

// ErrOwnersIncomplete says that the table may hold sessions which were saved
// without [Options.Owners] and so are not found by their owner.
// [Store.IndexOwners] finds them, and [Store.Migrate] calls it once. It matches
// [session.ErrMisuse].
var ErrOwnersIncomplete = fmt.Errorf("dbstore: %w: sessions from before Options.Owners was set may not be known by their owner; call Migrate", session.ErrMisuse)

var errNoOwners = fmt.Errorf("dbstore: %w: owners are not kept: set Options.Owners: %w", session.ErrMisuse, errors.ErrUnsupported)

// Sessions implements [session.OwnerLister]. It needs [Options.Owners]. A page
// takes a query of the owner's rows and one of their sessions, as a rule.
func (s *Store) Sessions(ctx context.Context, owner, after string, limit int) (page []session.SessionInfo, next string, err error) {
	if err := s.beginOwners(owner); err != nil {
		return nil, "", err
	}
	defer s.end()
	if limit <= 0 || limit > session.MaxSessions {
		limit = session.MaxSessions
	}
	at, ok := parseCursor(after)
	if !ok {
		return nil, "", fmt.Errorf("dbstore: sessions: %w: this is no next of a page", session.ErrMisuse)
	}
	page, err = s.owners.page(ctx, s, owner, at, limit+1)
	if err != nil {
		return nil, "", s.failure(ctx, "sessions", err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = cursor{page[limit-1].Created, page[limit-1].ID}.String()
	}
	return page, next, nil
}

// EndSession implements [session.OwnerLister]. It needs [Options.Owners].
func (s *Store) EndSession(ctx context.Context, owner, id string) error {
	if err := s.beginOwners(owner); err != nil {
		return err
	}
	defer s.end()
	o := s.owners
	find := func() ([]string, error) { return o.keys(ctx, s, &o.ofSession, s.ownerArg(owner), idPrefix+id) }
	keys, err := find()
	if err == nil && len(keys) > 0 {
		// From here on it cannot be renewed any more.
		if err = o.fence(ctx, s, idPrefix+id, owner, math.MaxInt64); err == nil {
			_, err = s.endAll(ctx, owner, math.MaxInt64, find)
		}
	}
	if err != nil {
		return s.failure(ctx, "end session", err)
	}
	return nil
}

// EndSessions implements [session.OwnerEnder]. It needs [Options.Owners]. A
// session that is given to somebody else while it runs ends as well. If sessions
// may not be known by their owner it ends those that are, and gives
// [ErrOwnersIncomplete].
func (s *Store) EndSessions(ctx context.Context, owner string) (int64, error) {
	if err := s.beginOwners(owner); err != nil {
		return 0, err
	}
	defer s.end()
	ended, err := s.endSessions(ctx, owner)
	if err != nil {
		return ended, s.failure(ctx, "end sessions", err)
	}
	return ended, s.owners.incomplete(ctx, s)
}

func (s *Store) endSessions(ctx context.Context, owner string) (int64, error) {
	o := s.owners
	_, err := o.raise(ctx, s, owner)
	if err != nil {
		return 0, err
	}
	// Somebody else may have raised it further at this moment.
	generation, err := o.number(ctx, s, &o.fenced, s.ownerArg(owner))
	if err != nil {
		return 0, err
	}
	return s.endBefore(ctx, owner, generation)
}

// EndOtherSessions implements [session.OwnerEnder]. It needs [Options.Owners].
// The session that goes on gets a new key by an UPDATE that needs no more than
// its old one, so that no other change of it is in the way. If sessions may not
// be known by their owner it does nothing, and gives [ErrOwnersIncomplete].
//
// The token is one of the store's own cookie, see [Store.ForCookie]; in a handler
// [session.Session.EndOthers] sees to that.
func (s *Store) EndOtherSessions(ctx context.Context, owner, token string) (newToken string, err error) {
	if err := s.beginOwners(owner); err != nil {
		return "", err
	}
	defer s.end()
	if err := s.owners.incomplete(ctx, s); err != nil {
		return "", err
	}
	newToken, err = s.endOthers(ctx, owner, token)
	if err != nil {
		return "", s.writeFailure(ctx, "end other sessions", err, 0, 0)
	}
	return newToken, nil
}

func (s *Store) endOthers(ctx context.Context, owner, token string) (newToken string, err error) {
	o := s.owners
	generation, err := o.raise(ctx, s, owner)
	if err != nil {
		return "", err
	}
	moved := false
	key, ok := s.key(token)
	if ok {
		newToken, err = s.withNewToken(func(newKey string) error {
			noted, err := s.exec(ctx, &o.copy, newKey, s.ownerArg(owner), generation, key)
			if err != nil {
				return err
			}
			n, err := s.exec(ctx, &o.move, newKey, key, s.now(), newKey, noted, newKey)
			if err != nil {
				return err
			}
			if moved = n > 0; moved {
				o.forget(ctx, s, key)
			} else {
				o.forget(ctx, s, newKey)
			}
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	if _, err := s.endBefore(ctx, owner, generation); err != nil {
		return "", err
	}
	if !moved {
		return "", session.ErrGone
	}
	return newToken, nil
}

// endBefore ends the owner's sessions that began before a generation.
func (s *Store) endBefore(ctx context.Context, owner string, generation int64) (int64, error) {
	o := s.owners
	return s.endAll(ctx, owner, generation, func() ([]string, error) {
		return o.keys(ctx, s, &o.before, s.ownerArg(owner), generation)
	})
}

// endAll ends those of the owner's sessions whose keys find returns, and returns
// how many were living. There has to be a fence before, so that none of them is
// renewed any more, but by a statement that had begun already: that one's new key
// is among the keys, and its old one is in the table until it is done. So the
// second round finds what has escaped the first, and a third nothing.
func (s *Store) endAll(ctx context.Context, owner string, generation int64, find func() ([]string, error)) (ended int64, err error) {
	for round := 1; ; round++ {
		keys, err := find()
		if err != nil || len(keys) == 0 {
			return ended, err
		}
		found := false
		for chunk := range slices.Chunk(keys, s.opts.CleanupBatch) {
			n, any, err := s.endKeys(ctx, owner, generation, chunk)
			ended += n
			if err != nil {
				return ended, err
			}
			found = found || any
		}
		if !found && round > 1 {
			return ended, nil
		}
	}
}

// endKeys deletes the sessions with these keys that are the owner's, whatever
// they hold by then and whether they have expired by this machine's clock or not.
func (s *Store) endKeys(ctx context.Context, owner string, generation int64, keys []string) (ended int64, found bool, err error) {
	states, err := s.owners.lookUp(ctx, s, owner, keys)
	if err != nil {
		return 0, false, err
	}
	var mine, others []any
	living := int64(0)
	for _, key := range keys {
		switch state := states[key]; {
		case state.mine:
			mine = append(mine, key)
			if state.living {
				living++
			}
		case state.present:
			others = append(others, key)
		}
	}
	if len(others) > 0 && generation < math.MaxInt64 {
		// Should one become the owner's again, it has begun anew.
		_, err := s.in(ctx, "UPDATE "+s.owners.quoted+" SET generation = ? WHERE owner = ? AND session_key IN (", []any{generation, s.ownerArg(owner)}, others)
		if err != nil {
			return 0, false, err
		}
	}
	if len(mine) == 0 {
		return 0, false, nil
	}
	n, err := s.in(ctx, "DELETE FROM "+s.table.quoted(s.dialect)+" WHERE session_key IN (", nil, mine)
	if err != nil {
		return 0, true, err
	}
	s.in(ctx, "DELETE FROM "+s.owners.quoted+" WHERE session_key IN (", nil, mine) // or the cleanup does
	return min(n, living), true, nil
}

// in runs a statement that ends in a list of keys.
func (s *Store) in(ctx context.Context, text string, args, keys []any) (int64, error) {
	text += strings.Repeat("?, ", len(keys)-1) + "?)"
	if s.dialect == Postgres {
		text = numbered(text)
	}
	return s.exec(ctx, &statement{db: s.db, text: text, alone: true}, slices.Concat(args, keys)...)
}

// IndexOwners goes through the whole table, a batch at a time, and notes the
// owners of sessions that were saved without [Options.Owners]: before it was set,
// by a node that has not got it yet, or by Django. It returns how many it noted.
// Migrate calls it when it creates the table of owners; call it again, or
// "sessionctl migrate -owners", once the last node without the option is gone.
func (s *Store) IndexOwners(ctx context.Context) (noted int64, err error) {
	if s.owners == nil {
		return 0, errNoOwners
	}
	if !s.begin() {
		return 0, session.ErrClosed
	}
	defer s.end()
	noted, err = s.owners.index(ctx, s)
	if err != nil {
		return noted, s.failure(ctx, "index owners", err)
	}
	return noted, nil
}

// Count returns how many sessions in the table are living, and how many are
// expired and wait for the cleanup. It reads the whole index on expire_date.
func (s *Store) Count(ctx context.Context) (active, expired int64, err error) {
	if !s.begin() {
		return 0, 0, session.ErrClosed
	}
	defer s.end()
	var all int64
	_, err = collect(ctx, s, &statement{db: s.reader, text: s.sql.count, alone: true}, []any{s.now()}, func(rows *sql.Rows) (struct{}, error) {
		return struct{}{}, rows.Scan(&active, &all)
	})
	if err != nil {
		return 0, 0, s.failure(ctx, "count", err)
	}
	return active, all - active, nil
}

func (s *Store) beginOwners(owner string) error {
	switch {
	case s.owners == nil:
		return errNoOwners
	case owner == "":
		return session.ErrNoOwner
	case strings.Contains(owner, "\x00"):
		return fmt.Errorf("dbstore: %w", errOwnerNUL)
	}
	if !s.begin() {
		return session.ErrClosed
	}
	return nil
}

// owners keeps who the sessions belong to in a table beside the sessions'.
//
// A row there is a hint, for each owner that the session has had: the session's
// own data says whose it is. The row is written before the session is, and takes
// no other's place, so that no session lacks the row of its owner, whichever of
// several saves at the same time is made. It goes with the session. A row whose
// session was not saved or has become somebody else's says nothing; it goes when
// the list is read an hour later, or with the cleanup.
//
// Each row has a generation, a number that an owner's sessions have in common
// with those that began between two calls of EndSessions; a session that is
// renewed keeps it. Other rows are fences: none of the owner's sessions of an
// earlier generation can be renewed any more. So no clock tells which sessions
// have begun before others, and no session gets away by being renewed faster than
// it is found. A fence is there for an hour, after which nothing can be on its way
// that has begun before it.
//
//	session_key  of the session; '' for a fence of the owner's sessions, an id for
//	             that of one, '*' for the row that says that no session is missing
//	owner
//	id           '-' and the session's id, which a renewed one keeps; '' for a fence
//	generation
//	label, created, last_seen, expire_date
type owners struct {
	table  tableName
	quoted string

	note, renew, renewSession, drop         statement // one session
	highest, fenced, raiseTo, before        statement // all of an owner's
	copy, move, ofSession                   statement
	list, expired, complete, markAsComplete statement

	// stored is followed by a list of placeholders and a bracket.
	stored, noted string
	scan          string

	isComplete atomic.Bool // known from now on
}

const (
	// maxOwner is the width of the column, and maxLabel how much of a label is
	// kept, in bytes.
	maxOwner = 255
	maxLabel = 255

	idPrefix    = "-"
	completeKey = "*"

	// inFlight is longer than any statement, with the differences of clocks.
	inFlight = time.Hour
)

// sessionID returns the id of a session that is first noted under key.
func sessionID(key string) string {
	sum := sha256.Sum256([]byte(key)) // with raw keys the key is the token
	return idPrefix + hex.EncodeToString(sum[:16])
}

func newOwners(s *Store) (*owners, error) {
	o := &owners{table: tableName{s.table.schema, s.table.name + "_owner"}}
	if _, err := parseTableName(o.table.name); err != nil {
		return nil, fmt.Errorf("dbstore: the name of the table is too long to have %q put after it", "_owner")
	}
	o.quoted = o.table.quoted(s.dialect)
	t, sessions := o.quoted, s.table.quoted(s.dialect)
	text := func(column string) string {
		switch s.dialect {
		case SQLite:
			return "CAST(" + column + " AS TEXT)"
		case MySQL:
			return "CAST(" + column + " AS CHAR)"
		}
		return column
	}
	// PostgreSQL wants to be told the types of what is selected.
	str, num, moment, dual := "?", "?", "?", ""
	conflict, given, here := " ON CONFLICT (session_key, owner) DO UPDATE SET ", "excluded.%s", "o.%s"
	as := " AS o"
	switch s.dialect {
	case Postgres:
		str, num, moment = "CAST(? AS varchar)", "CAST(? AS bigint)", "CAST(? AS timestamp with time zone)"
	case MySQL:
		as, dual = "", " FROM DUAL"
		conflict, given, here = " ON DUPLICATE KEY UPDATE ", "VALUES(%s)", "%s"
	}
	set := func(columns ...string) string {
		var parts []string
		for _, column := range columns {
			parts = append(parts, column+" = "+fmt.Sprintf(given, column))
		}
		return conflict + strings.Join(parts, ", ")
	}
	insert := "INSERT INTO " + t + as + " (session_key, owner, id, generation, label, created, last_seen, expire_date) "
	// blocked is a condition on a row n: it is behind a fence.
	blocked := "EXISTS (SELECT 1 FROM " + t + " AS f WHERE f.owner = n.owner AND f.session_key IN ('', n.id) AND f.generation > n.generation)"
	fence := "COALESCE((SELECT f.generation FROM " + t + " AS f WHERE f.session_key = '' AND f.owner = ?), 0)"

	make := func(st *statement, q string) {
		if s.dialect == Postgres {
			q = numbered(q)
		}
		st.db, st.text, st.prepare = s.db, q, !s.opts.NoPrepare
	}
	make(&o.note, insert+"SELECT "+str+", "+str+", "+str+", "+fence+", "+str+", "+moment+", "+moment+", "+moment+dual+" WHERE 1 = 1"+
		set("label", "last_seen", "expire_date"))
	make(&o.renew, insert+"SELECT "+str+", "+str+", COALESCE(MAX(n.id), "+str+"), COALESCE(MAX(n.generation), "+fence+"), "+
		str+", COALESCE(MAX(n.created), "+moment+"), "+moment+", "+moment+" FROM "+t+" AS n WHERE n.session_key = ? AND n.owner = ?")
	make(&o.renewSession, strings.TrimSuffix(questionMarks(s.sql.renew), " ")+
		" AND EXISTS (SELECT 1 FROM "+t+" AS n WHERE n.session_key = ? AND n.owner = ? AND NOT "+blocked+")")
	make(&o.drop, "DELETE FROM "+t+" WHERE session_key = ?")

	make(&o.highest, "SELECT COALESCE(MAX(generation), 0) FROM "+t+" WHERE owner = ? AND (id <> '' OR session_key = '')")
	make(&o.fenced, "SELECT COALESCE(MAX(generation), 0) FROM "+t+" WHERE session_key = '' AND owner = ?")
	higher := fmt.Sprintf(given, "generation") + " > " + fmt.Sprintf(here, "generation")
	make(&o.raiseTo, insert+"VALUES (?, ?, '', ?, '', ?, ?, ?)"+set("last_seen", "expire_date")+
		", generation = CASE WHEN "+higher+" THEN "+fmt.Sprintf(given, "generation")+
		" WHEN "+fmt.Sprintf(here, "generation")+" = "+strconv.FormatInt(math.MaxInt64, 10)+" THEN "+fmt.Sprintf(here, "generation")+
		" ELSE "+fmt.Sprintf(here, "generation")+" + 1 END")
	make(&o.before, "SELECT session_key FROM "+t+" WHERE owner = ? AND id <> '' AND generation < ?")
	make(&o.ofSession, "SELECT session_key FROM "+t+" WHERE owner = ? AND id = ?")

	make(&o.copy, insert+"SELECT "+str+", n.owner, n.id, CASE WHEN n.owner = ? THEN "+num+" ELSE n.generation END, n.label, n.created, n.last_seen, n.expire_date FROM "+
		t+" AS n WHERE n.session_key = ?")
	make(&o.move, "UPDATE "+sessions+" SET session_key = ? WHERE session_key = ? AND expire_date > ?"+
		" AND (SELECT COUNT(*) FROM "+t+" AS n WHERE n.session_key = ?) = "+num+
		" AND NOT EXISTS (SELECT 1 FROM "+t+" AS n WHERE n.session_key = ? AND "+blocked+")")

	make(&o.list, "SELECT session_key, id, label, "+text("created")+", "+text("last_seen")+" FROM "+t+
		" WHERE owner = ? AND id <> '' AND (created < ? OR created = ? AND id > ?) ORDER BY created DESC, id LIMIT "+strconv.Itoa(s.opts.CleanupBatch))
	make(&o.expired, "SELECT session_key, "+text("expire_date")+" FROM "+t+
		" WHERE expire_date >= ? AND (expire_date > ? OR session_key > ?) AND expire_date <= ?"+
		" ORDER BY expire_date, session_key LIMIT "+strconv.Itoa(s.opts.CleanupBatch))
	o.expired.alone = true
	make(&o.complete, "SELECT COUNT(*) FROM "+t+" WHERE session_key = '"+completeKey+"'")
	make(&o.markAsComplete, insert+"VALUES ('"+completeKey+"', ?, '', 0, '', ?, ?, ?)"+set("last_seen"))
	o.stored = "SELECT session_key, session_data, " + text("expire_date") + " FROM " + sessions + " WHERE session_key IN ("
	o.noted = "SELECT session_key, owner FROM " + t + " WHERE session_key IN ("
	o.scan = "SELECT session_key, session_data, " + text("expire_date") + " FROM " + sessions + " WHERE session_key > " + s.dialect.placeholder(1) +
		" ORDER BY session_key LIMIT " + strconv.Itoa(s.opts.CleanupBatch)
	return o, nil
}

var numberedPlaceholder = strings.NewReplacer("$1", "?", "$2", "?", "$3", "?", "$4", "?", "$5", "?", "$6", "?", "$7", "?", "$8", "?", "$9", "?")

// questionMarks undoes numbered.
func questionMarks(query string) string { return numberedPlaceholder.Replace(query) }

func (o *owners) statements() []*statement {
	return []*statement{&o.note, &o.renew, &o.renewSession, &o.drop, &o.highest, &o.fenced, &o.raiseTo, &o.before,
		&o.copy, &o.move, &o.ofSession, &o.list, &o.expired, &o.complete, &o.markAsComplete}
}

// migrate creates the table and its indexes where they are missing, and fills it.
func (o *owners) migrate(ctx context.Context, s *Store) error {
	if ok, err := s.hasTable(ctx, o.table, "session_key, owner, id, generation, label, created, last_seen, expire_date"); err != nil {
		return err
	} else if !ok {
		// Owners are compared byte by byte, which MySQL does with bytes only:
		// its binary collation ignores spaces at the end.
		owner, text, datetime, options := "varchar(255)", "text", "datetime", ""
		switch s.dialect {
		case Postgres:
			datetime = "timestamp with time zone"
		case MySQL:
			owner, datetime, options = "varbinary(255)", "datetime(6)", " DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
		}
		err := s.define(ctx, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (session_key varchar(40) NOT NULL,"+
			" owner %s NOT NULL, id varchar(40) NOT NULL, generation bigint NOT NULL, label %s NOT NULL,"+
			" created %[4]s NOT NULL, last_seen %[4]s NOT NULL, expire_date %[4]s NOT NULL,"+
			" PRIMARY KEY (session_key, owner))%[5]s",
			o.quoted, owner, text, datetime, options))
		if err != nil {
			return err
		}
	}
	if err := s.migrateIndex(ctx, o.table, "owner", "created"); err != nil {
		return err
	}
	if err := s.migrateIndex(ctx, o.table, "expire_date"); err != nil {
		return err
	}
	if n, err := o.number(ctx, s, &o.complete); err != nil || n > 0 {
		return err
	}
	_, err := o.index(ctx, s)
	return err
}

// index is IndexOwners.
func (o *owners) index(ctx context.Context, s *Store) (noted int64, err error) {
	for after := ""; ; {
		rows, last, err := o.scanSessions(ctx, s, after)
		if err != nil {
			return noted, err
		}
		n, err := o.noteMissing(ctx, s, rows)
		noted += n
		if err != nil {
			return noted, err
		}
		if last == "" {
			break
		}
		after = last
	}
	now := s.now()
	_, err = s.exec(ctx, &o.markAsComplete, s.ownerArg(""), now, now, s.timeArg(maxTime))
	return noted, err
}

// unnoted is a session whose owner may not be noted.
type unnoted struct {
	key, owner string
	expires    time.Time
}

// scanSessions returns those of a batch of sessions, after a key, that have an
// owner, and the last key of the batch, which is empty if there are no more.
func (o *owners) scanSessions(ctx context.Context, s *Store, after string) (found []unnoted, last string, err error) {
	rows, err := collect(ctx, s, &statement{db: s.db, text: o.scan, alone: true}, []any{after}, func(rows *sql.Rows) (unnoted, error) {
		var key, text string
		expires := s.dbTime()
		err := rows.Scan(&key, &text, &expires)
		u := unnoted{key: key, expires: expires.Time}
		if owner, ok := s.ownerIn(text); ok && checkOwner(owner) == nil {
			u.owner = owner
		}
		return u, err
	})
	if n := len(rows); n > 0 && n == s.opts.CleanupBatch {
		last = rows[n-1].key
	}
	return slices.DeleteFunc(rows, func(u unnoted) bool { return u.owner == "" }), last, err
}

func (o *owners) noteMissing(ctx context.Context, s *Store, sessions []unnoted) (noted int64, err error) {
	known := make(map[[2]string]bool)
	for chunk := range slices.Chunk(sessions, 100) {
		keys := make([]any, len(chunk))
		for i, u := range chunk {
			keys[i] = u.key
		}
		if err := o.findNoted(ctx, s, keys, known); err != nil {
			return noted, err
		}
		text := "INSERT INTO " + o.quoted + " (session_key, owner, id, generation, label, created, last_seen, expire_date) VALUES "
		var args []any
		now := s.now()
		for _, u := range chunk {
			if known[[2]string{u.key, u.owner}] {
				continue
			}
			if args != nil {
				text += ", "
			}
			text += "(?, ?, ?, 0, '', ?, ?, ?)"
			args = append(args, u.key, s.ownerArg(u.owner), sessionID(u.key), now, now, s.timeArg(u.expires))
		}
		if args == nil {
			continue
		}
		switch s.dialect {
		case MySQL:
			text += " ON DUPLICATE KEY UPDATE owner = VALUES(owner)"
		case Postgres:
			text = numbered(text + " ON CONFLICT DO NOTHING")
		default:
			text += " ON CONFLICT DO NOTHING"
		}
		n, err := s.exec(ctx, &statement{db: s.db, text: text, alone: true}, args...)
		noted += n
		if err != nil {
			return noted, err
		}
	}
	return noted, nil
}

func (o *owners) findNoted(ctx context.Context, s *Store, keys []any, known map[[2]string]bool) error {
	st := &statement{db: s.db, text: o.noted + s.dialect.placeholders(1, len(keys)) + ")", alone: true}
	pairs, err := collect(ctx, s, st, keys, func(rows *sql.Rows) (pair [2]string, err error) {
		err = rows.Scan(&pair[0], &pair[1])
		return pair, err
	})
	for _, pair := range pairs {
		known[pair] = true
	}
	return err
}

// incomplete returns ErrOwnersIncomplete unless all sessions with an owner are
// known by it.
func (o *owners) incomplete(ctx context.Context, s *Store) error {
	if o.isComplete.Load() {
		return nil
	}
	n, err := o.number(ctx, s, &o.complete)
	switch {
	case err != nil:
		return s.failure(ctx, "owners", err)
	case n == 0:
		return ErrOwnersIncomplete
	}
	o.isComplete.Store(true)
	return nil
}

// raise puts up a fence of a new generation, to which only sessions belong that
// begin afterwards. Should others do so at the same moment, theirs are higher.
func (o *owners) raise(ctx context.Context, s *Store, owner string) (generation int64, err error) {
	highest, err := o.number(ctx, s, &o.highest, s.ownerArg(owner))
	if err != nil {
		return 0, err
	}
	return highest + 1, o.fence(ctx, s, "", owner, highest+1)
}

// fence puts up a fence.
func (o *owners) fence(ctx context.Context, s *Store, key, owner string, generation int64) error {
	now := time.Now()
	_, err := s.exec(ctx, &o.raiseTo, key, s.ownerArg(owner), generation, s.timeArg(now), s.timeArg(now), s.timeArg(now.Add(inFlight)))
	return err
}

// number returns the number that a statement selects.
func (o *owners) number(ctx context.Context, s *Store, st *statement, args ...any) (int64, error) {
	found, err := collect(ctx, s, st, args, scanOne[int64])
	if err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return 0, sql.ErrNoRows
	}
	return found[0], nil
}

// keys returns the keys that a statement selects.
func (o *owners) keys(ctx context.Context, s *Store, st *statement, args ...any) (keys []string, err error) {
	return collect(ctx, s, st, args, scanOne[string])
}

// noteOwner writes down whose session rec is, before it is saved under key.
func (s *Store) noteOwner(ctx context.Context, key string, rec *session.Record) error {
	if s.owners == nil || rec.Owner == "" {
		return nil
	}
	if err := checkOwner(rec.Owner); err != nil {
		return err
	}
	now, owner := s.now(), s.ownerArg(rec.Owner)
	_, err := s.exec(ctx, &s.owners.note, key, owner, sessionID(key), owner, storedLabel(rec.Label), now, now, s.timeArg(rec.Expires))
	return err
}

// noteRenewal is noteOwner for a session that gets another key.
func (s *Store) noteRenewal(ctx context.Context, newKey, key string, rec *session.Record) error {
	if s.owners == nil || rec.Owner == "" {
		return nil
	}
	if err := checkOwner(rec.Owner); err != nil {
		return err
	}
	now, owner := s.now(), s.ownerArg(rec.Owner)
	_, err := s.exec(ctx, &s.owners.renew, newKey, owner, sessionID(newKey), owner, storedLabel(rec.Label), now, now, s.timeArg(rec.Expires), key, owner)
	return err
}

// renewAs gives a session another key, if it is noted under it and no fence is in
// the way.
func (s *Store) renewAs(ctx context.Context, newKey, key, text string, rec *session.Record) error {
	args := []any{newKey, text, s.timeArg(rec.Expires), key, rec.Version, s.now()}
	if s.owners == nil || rec.Owner == "" {
		n, err := s.exec(ctx, s.renew, args...)
		if err == nil && n == 0 {
			err = s.whyUnchanged(ctx, key, rec.Version, "", time.Time{})
		}
		if err == nil {
			s.forgetOwner(ctx, key)
		}
		return err
	}
	n, err := s.exec(ctx, &s.owners.renewSession, append(args, newKey, s.ownerArg(rec.Owner))...)
	switch {
	case err != nil:
		return err
	case n > 0:
		s.forgetOwner(ctx, key)
		return nil
	}
	err = s.whyUnchanged(ctx, key, rec.Version, "", time.Time{})
	s.forgetOwner(ctx, newKey)
	if err == errSame { // a fence was in the way
		return session.ErrGone
	}
	return err
}

// forgetOwner deletes what is noted of a session that is gone. If it fails, the
// cleanup does it.
func (s *Store) forgetOwner(ctx context.Context, key string) {
	if s.owners != nil {
		s.owners.forget(ctx, s, key)
	}
}

func (o *owners) forget(ctx context.Context, s *Store, key string) { s.exec(ctx, &o.drop, key) }

// forgetGone is forgetOwner if err is that the session is gone.
func (s *Store) forgetGone(ctx context.Context, key string, err error) {
	if err == session.ErrGone {
		s.forgetOwner(ctx, key)
	}
}

// ownerArg returns the value that stands for an owner in a statement.
func (s *Store) ownerArg(owner string) any {
	if s.dialect == MySQL {
		return []byte(owner)
	}
	return owner
}

// These do not contain the owner.
var (
	errOwnerTooLong = fmt.Errorf("%w: the owner has more than %d bytes", session.ErrMisuse, maxOwner)
	errOwnerNUL     = fmt.Errorf("%w: the owner contains a NUL character", session.ErrMisuse)
)

func checkOwner(owner string) error {
	if len(owner) > maxOwner {
		return errOwnerTooLong
	}
	if strings.Contains(owner, "\x00") { // PostgreSQL has no such text
		return errOwnerNUL
	}
	return nil
}

// storedLabel returns what is kept of a label: what every database can hold, up
// to maxLabel bytes of whole characters.
func storedLabel(label string) string {
	label = strings.ReplaceAll(strings.ToValidUTF8(label, ""), "\x00", "")
	if len(label) <= maxLabel {
		return label
	}
	end := maxLabel
	for !utf8.RuneStart(label[end]) {
		end--
	}
	return label[:end]
}

// cursor is a place in an owner's list: after the session that has this creation
// and id. The zero cursor is the beginning.
type cursor struct {
	created time.Time
	id      string
}

func (c cursor) String() string { return strconv.FormatInt(c.created.UnixMicro(), 36) + "." + c.id }

func parseCursor(text string) (c cursor, ok bool) {
	if text == "" {
		return cursor{created: maxTime}, true
	}
	micros, id, ok := strings.Cut(text, ".")
	n, err := strconv.ParseInt(micros, 36, 64)
	return cursor{time.UnixMicro(n).UTC(), id}, ok && err == nil
}

// noteRow is what is noted about a session.
type noteRow struct {
	key  string
	info session.SessionInfo
}

// page returns up to limit living sessions of an owner after a place. Rows that
// say nothing any more are deleted on the way.
func (o *owners) page(ctx context.Context, s *Store, owner string, at cursor, limit int) ([]session.SessionInfo, error) {
	page := []session.SessionInfo{}
	old := time.Now().Add(-inFlight)
	for {
		rows, err := o.rows(ctx, s, owner, at)
		if err != nil || len(rows) == 0 {
			return page, err
		}
		keys := make([]string, len(rows))
		for i, r := range rows {
			keys[i] = r.key
		}
		states, err := o.lookUp(ctx, s, owner, keys)
		if err != nil {
			return nil, err
		}
		var stale []any
		for _, r := range rows {
			state := states[r.key]
			if state.living {
				r.info.Expires = state.expires
				page = append(page, r.info)
			} else if !state.mine && r.info.LastSeen.Before(old) {
				stale = append(stale, r.key)
			}
		}
		if len(stale) > 0 {
			_, err := s.in(ctx, "DELETE FROM "+o.quoted+" WHERE owner = ? AND last_seen < ? AND session_key IN (", []any{s.ownerArg(owner), s.timeArg(old)}, stale)
			if err != nil {
				return nil, err
			}
		}
		if len(page) >= limit || len(rows) < s.opts.CleanupBatch {
			return page[:min(limit, len(page))], nil
		}
		last := rows[len(rows)-1].info
		at = cursor{last.Created, last.ID}
	}
}

// rows returns a batch of what is noted about an owner.
func (o *owners) rows(ctx context.Context, s *Store, owner string, at cursor) ([]noteRow, error) {
	created := s.timeArg(at.created)
	args := []any{s.ownerArg(owner), created, created, idPrefix + at.id}
	return collect(ctx, s, &o.list, args, func(rows *sql.Rows) (r noteRow, err error) {
		created, seen := s.dbTime(), s.dbTime()
		err = rows.Scan(&r.key, &r.info.ID, &r.info.Label, &created, &seen)
		r.info.ID = strings.TrimPrefix(r.info.ID, idPrefix)
		r.info.Owner, r.info.Created, r.info.LastSeen = owner, created.Time, seen.Time
		return r, err
	})
}

// state is what the table of sessions says about one.
type state struct {
	present bool // expired or not
	mine    bool // it is the owner's
	living  bool // and not expired
	expires time.Time
}

// lookUp returns what the sessions themselves say. They are looked up by key: a
// join would need the same collation in both tables, which one that Django made
// does not have.
func (o *owners) lookUp(ctx context.Context, s *Store, owner string, keys []string) (map[string]state, error) {
	args := make([]any, len(keys))
	for i, key := range keys {
		args[i] = key
	}
	states := make(map[string]state, len(keys))
	now := time.Now()
	st := &statement{db: s.db, text: o.stored + s.dialect.placeholders(1, len(keys)) + ")", alone: true}
	_, err := collect(ctx, s, st, args, func(rows *sql.Rows) (struct{}, error) {
		var key, text string
		expires := s.dbTime()
		if err := rows.Scan(&key, &text, &expires); err != nil {
			return struct{}{}, err
		}
		st := state{present: true, mine: s.mayBelong(text, owner), expires: expires.Time}
		st.living = st.mine && now.Before(st.expires)
		states[key] = st
		return struct{}{}, nil
	})
	return states, err
}

// mayBelong reports whether the owner of a session is the given one, as far as
// its session_data can be read.
func (s *Store) mayBelong(text, owner string) bool {
	has, ok := s.ownerIn(text)
	return !ok || has == owner
}

// ownerIn returns the owner that session_data names, and false if it cannot be
// read.
func (s *Store) ownerIn(text string) (owner string, ok bool) {
	data := []byte(text)
	if s.opts.Encoding != nil {
		var err error
		if data, err = s.opts.Encoding.Decode(text); err != nil {
			return "", false
		}
	}
	return session.OwnerOf(data)
}

// present looks up which sessions are in the table, expired or not.
func (s *Store) present(ctx context.Context, keys []any) (map[any]bool, error) {
	st := &statement{db: s.db, text: s.sql.expiries + s.dialect.placeholders(1, len(keys)) + ")", alone: true}
	there, err := collect(ctx, s, st, keys, func(rows *sql.Rows) (key string, err error) {
		var expires any
		err = rows.Scan(&key, &expires)
		return key, err
	})
	found := make(map[any]bool)
	for _, key := range there {
		found[key] = true
	}
	return found, err
}

// findExpired returns the keys of the rows that expired at now or earlier, a
// batch of them, after the one that is given by its moment and its key.
func (o *owners) findExpired(ctx context.Context, s *Store, from any, after string, now any) (keys []any, last any, err error) {
	keys, last, err = s.collectExpired(ctx, &o.expired, []any{from, from, after, now})
	for i, key := range keys {
		if b, ok := key.([]byte); ok {
			keys[i] = string(b)
		}
	}
	return keys, last, err
}

// deleteExpired deletes the rows whose session has expired and is gone. One
// whose session was extended without it stays.
func (o *owners) deleteExpired(ctx context.Context, s *Store, from, now any) error {
	for after := ""; ; {
		keys, last, err := o.findExpired(ctx, s, from, after, now)
		if err != nil || len(keys) == 0 {
			return err
		}
		found, err := s.present(ctx, keys)
		if err != nil {
			return err
		}
		from, after = last, keys[len(keys)-1].(string)
		batch := len(keys)
		if gone := slices.DeleteFunc(keys, func(key any) bool { return found[key] }); len(gone) > 0 {
			st := &statement{
				db:    s.db,
				text:  "DELETE FROM " + o.table.quoted(s.dialect) + " WHERE expire_date <= " + s.dialect.placeholder(1) + " AND session_key IN (" + s.dialect.placeholders(2, len(gone)+1) + ")",
				alone: true,
			}
			if _, err := s.exec(ctx, st, append([]any{now}, gone...)...); err != nil {
				return err
			}
		}
		if batch < s.opts.CleanupBatch {
			return nil
		}
	}
}
