package dbstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sessionengine/session"
)

// SessionInfo is what [Store.Sessions] tells about one session of an owner.
type SessionInfo struct {
	ID       string    // names the session to [Store.EndSession]; it is no secret, and no token
	Owner    string    // as given to session.Session.SetOwner
	Label    string    // as given to session.Session.SetLabel
	Created  time.Time // when the owner was first noted; a renewed session keeps it
	LastSeen time.Time // when the session was last saved or extended
	Expires  time.Time
}

// Sessions returns the living sessions of an owner, the one seen last first. It
// needs [Options.Owners].
func (s *Store) Sessions(ctx context.Context, owner string) ([]SessionInfo, error) {
	if err := s.beginOwners(owner); err != nil {
		return nil, err
	}
	defer s.end()
	listed, err := s.owners.sessions(ctx, s, owner)
	if err != nil {
		return nil, s.failure(ctx, "sessions", err)
	}
	infos := []SessionInfo{}
	for _, o := range listed {
		if o.living {
			infos = append(infos, o.info)
		}
	}
	return infos, nil
}

// EndSession ends one of the owner's sessions, under its present key if it was
// renewed since it was listed. That there is no such session, or that it is
// somebody else's, is no error. It needs [Options.Owners].
func (s *Store) EndSession(ctx context.Context, owner, id string) error {
	if err := s.beginOwners(owner); err != nil {
		return err
	}
	defer s.end()
	_, err := s.endOwned(ctx, owner, func(listed []owned, ended int64) []owned {
		i := slices.IndexFunc(listed, func(o owned) bool { return o.info.ID == id })
		if i < 0 || ended > 0 {
			return nil
		}
		if listed[i].living {
			return listed[i : i+1]
		}
		// If it was renewed, it is the one that was created at the same moment.
		created := listed[i].info.Created
		return slices.DeleteFunc(listed, func(o owned) bool { return !o.info.Created.Equal(created) })
	})
	if err != nil {
		return s.failure(ctx, "end session", err)
	}
	return nil
}

// EndSessions ends all of the owner's sessions but the one that exceptToken
// stands for, or all of them if that is empty, and returns their number. A
// session that is renewed while it runs ends nevertheless, the one to keep
// included; one that begins meanwhile may stay. It needs [Options.Owners].
func (s *Store) EndSessions(ctx context.Context, owner, exceptToken string) (int64, error) {
	if err := s.beginOwners(owner); err != nil {
		return 0, err
	}
	defer s.end()
	var except string
	if exceptToken != "" {
		key, ok := storedKey(exceptToken, s.opts.RawKeys)
		if !ok {
			return 0, fmt.Errorf("dbstore: end sessions: the token to keep: %w", session.ErrInvalidToken)
		}
		except = key
	}
	// Created comes from the clocks of all machines that write to the table.
	var last time.Time
	ended, err := s.endOwned(ctx, owner, func(listed []owned, _ int64) []owned {
		if last.IsZero() {
			last = time.Now()
			for _, o := range listed {
				if o.info.Created.After(last) {
					last = o.info.Created
				}
			}
		}
		return slices.DeleteFunc(listed, func(o owned) bool { return o.key == except || o.info.Created.After(last) })
	})
	if err != nil {
		return ended, s.failure(ctx, "end sessions", err)
	}
	return ended, nil
}

// endRounds is how often the sessions of an owner are looked for before giving
// up on those that change faster than they can be ended.
const endRounds = 10

var errBusy = errors.New("sessions of the owner kept changing while they were to be ended")

// endOwned ends the living ones of the sessions that pick leaves of those
// listed, given how many were ended so far, and returns their number.
//
// A session that is renewed while it runs goes on under another key. That key
// was written down before, with the old one's Created, so it is in the list that
// is read next. So nothing is left once no session that is picked is living, and
// none is listed that the lists before did not have.
func (s *Store) endOwned(ctx context.Context, owner string, pick func(listed []owned, ended int64) []owned) (ended int64, err error) {
	seen := make(map[string]bool)
	for range endRounds {
		listed, err := s.owners.sessions(ctx, s, owner)
		if err != nil {
			return ended, err
		}
		done := true
		for _, o := range pick(listed, ended) {
			if o.living || !seen[o.key] {
				done = false
			}
			seen[o.key] = true
			if !o.living {
				continue
			}
			// As it was found only: it may have become somebody else's since.
			n, err := s.exec(ctx, s.deleteUnchanged, o.key, o.text, s.now())
			if err != nil {
				return ended, err
			}
			ended += n
		}
		if done {
			return ended, nil
		}
	}
	return ended, errBusy
}

// Count returns how many sessions in the table are living, and how many are
// expired and wait for the cleanup. It reads the whole index on expire_date.
func (s *Store) Count(ctx context.Context) (active, expired int64, err error) {
	if !s.begin() {
		return 0, 0, session.ErrClosed
	}
	defer s.end()
	var all int64
	err = s.reader.QueryRowContext(ctx, s.sql.count, s.now()).Scan(&active, &all)
	if err != nil {
		return 0, 0, s.failure(ctx, "count", err)
	}
	return active, all - active, nil
}

func (s *Store) beginOwners(owner string) error {
	if s.owners == nil {
		return errors.New("dbstore: owners are not kept: set Options.Owners")
	}
	if strings.Contains(owner, "\x00") {
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
// several saves at the same time is made. A row whose session was not saved, is
// deleted or has become somebody else's says nothing; it goes with the cleanup,
// once the session is gone.
type owners struct {
	table tableName

	note, renew, list, expired *statement

	// stored is followed by a list of placeholders and a bracket.
	stored string
}

// maxOwner is the width of the column.
const maxOwner = 255

func newOwners(s *Store) (*owners, error) {
	o := &owners{table: tableName{s.table.schema, s.table.name + "_owner"}}
	if _, err := parseTableName(o.table.name); err != nil {
		return nil, fmt.Errorf("dbstore: the name of the table is too long to have %q put after it", "_owner")
	}
	t := o.table.quoted(s.dialect)
	columns := " (session_key, owner, label, created, last_seen, expire_date) "
	upsert := " ON CONFLICT (session_key, owner) DO UPDATE SET label = excluded.label, last_seen = excluded.last_seen, expire_date = excluded.expire_date"
	if s.dialect == MySQL {
		upsert = " ON DUPLICATE KEY UPDATE label = VALUES(label), last_seen = VALUES(last_seen), expire_date = VALUES(expire_date)"
	}
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
	selected := "?, ?, ?, COALESCE(MAX(created), ?), ?, ?"
	if s.dialect == Postgres {
		const moment = "CAST(? AS timestamp with time zone)"
		selected = "CAST(? AS varchar), CAST(? AS varchar), CAST(? AS text), COALESCE(MAX(created), " + moment + "), " + moment + ", " + moment
	}
	make := func(q string) *statement {
		if s.dialect == Postgres {
			q = numbered(q)
		}
		return &statement{db: s.db, text: q, prepare: !s.opts.NoPrepare}
	}
	o.note = make("INSERT INTO " + t + columns + "VALUES (?, ?, ?, ?, ?, ?)" + upsert)
	o.renew = make("INSERT INTO " + t + columns + "SELECT " + selected + " FROM " + t + " WHERE session_key = ? AND owner = ?")
	o.list = make("SELECT session_key, label, " + text("created") + ", " + text("last_seen") + " FROM " + t + " WHERE owner = ? ORDER BY last_seen DESC, session_key")
	o.expired = make("SELECT session_key, " + text("expire_date") + " FROM " + t +
		" WHERE expire_date >= ? AND (expire_date > ? OR session_key > ?) AND expire_date <= ?" +
		" ORDER BY expire_date, session_key LIMIT " + strconv.Itoa(s.opts.CleanupBatch))
	o.stored = "SELECT session_key, session_data, " + text("expire_date") + " FROM " + s.table.quoted(s.dialect) + " WHERE session_key IN ("
	return o, nil
}

func (o *owners) statements() []*statement {
	return []*statement{o.note, o.renew, o.list, o.expired}
}

// migrate creates the table and its indexes where they are missing.
func (o *owners) migrate(ctx context.Context, s *Store) error {
	if ok, err := s.hasTable(ctx, o.table, "session_key, owner, label, created, last_seen, expire_date"); err != nil {
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
			" owner %s NOT NULL, label %s NOT NULL, created %[4]s NOT NULL, last_seen %[4]s NOT NULL, expire_date %[4]s NOT NULL,"+
			" PRIMARY KEY (session_key, owner))%[5]s",
			o.table.quoted(s.dialect), owner, text, datetime, options))
		if err != nil {
			return err
		}
	}
	for _, column := range []string{"owner", "expire_date"} {
		if err := s.migrateIndex(ctx, o.table, column); err != nil {
			return err
		}
	}
	return nil
}

// noteOwner writes down whose session rec is, before it is saved under key.
func (s *Store) noteOwner(ctx context.Context, key string, rec *session.Record) error {
	if s.owners == nil || rec.Owner == "" {
		return nil
	}
	if err := checkOwner(rec.Owner); err != nil {
		return err
	}
	now := s.now()
	_, err := s.exec(ctx, s.owners.note, key, s.ownerArg(rec.Owner), storedLabel(rec.Label), now, now, s.dialect.timeArg(rec.Expires))
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
	now := s.now()
	_, err := s.exec(ctx, s.owners.renew, newKey, s.ownerArg(rec.Owner), storedLabel(rec.Label), now, now, s.dialect.timeArg(rec.Expires), key, s.ownerArg(rec.Owner))
	return err
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
	errOwnerTooLong = fmt.Errorf("the owner has more than %d bytes", maxOwner)
	errOwnerNUL     = errors.New("the owner contains a NUL character")
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

// storedLabel returns what every database can hold of a label.
func storedLabel(label string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(label, ""), "\x00", "")
}

// owned is what is written down about a session of an owner.
type owned struct {
	key  string
	info SessionInfo

	living bool   // the session is there, and is the owner's
	text   string // of its session_data, if it is living
}

// sessions returns what is written down about an owner. The sessions are looked
// up by key: a join would need the same collation in both tables, which one that
// Django made does not have.
func (o *owners) sessions(ctx context.Context, s *Store, owner string) ([]owned, error) {
	rows, err := o.list.query(ctx, []any{s.ownerArg(owner)})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var listed []owned
	for rows.Next() {
		var f owned
		var created, seen dbTime
		if err := rows.Scan(&f.key, &f.info.Label, &created, &seen); err != nil {
			return nil, err
		}
		f.info.ID = f.key
		if s.opts.RawKeys { // the key is the token
			sum := sha256.Sum256([]byte(f.key))
			f.info.ID = hex.EncodeToString(sum[:20])
		}
		f.info.Owner, f.info.Created, f.info.LastSeen = owner, created.Time, seen.Time
		listed = append(listed, f)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()

	for chunk := range slices.Chunk(listed, s.opts.CleanupBatch) {
		if err := o.lookUp(ctx, s, owner, chunk); err != nil {
			return nil, err
		}
	}
	return listed, nil
}

// lookUp fills in what the sessions themselves say.
func (o *owners) lookUp(ctx context.Context, s *Store, owner string, listed []owned) error {
	keys := make([]any, len(listed))
	at := make(map[string]int, len(listed))
	for i, f := range listed {
		keys[i], at[f.key] = f.key, i
	}
	rows, err := s.db.QueryContext(ctx, o.stored+s.dialect.placeholders(1, len(keys))+")", keys...)
	if err != nil {
		return err
	}
	defer rows.Close()
	now := time.Now()
	for rows.Next() {
		var key, text string
		var expires dbTime
		if err := rows.Scan(&key, &text, &expires); err != nil {
			return err
		}
		if i, ok := at[key]; ok && now.Before(expires.Time) && s.mayBelong(text, owner) {
			f := &listed[i]
			f.living, f.text, f.info.Expires = true, text, expires.Time
		}
	}
	return rows.Err()
}

// mayBelong tells whether the owner of a session is the given one, as far as its
// session_data can be read.
func (s *Store) mayBelong(text, owner string) bool {
	data := []byte(text)
	if s.opts.Encoding != nil {
		var err error
		if data, err = s.opts.Encoding.Decode(text); err != nil {
			return true
		}
	}
	var object map[string]json.RawMessage // a struct's names would match in any case of letters
	if json.Unmarshal(data, &object) != nil {
		return true
	}
	var has string
	return json.Unmarshal(object["_session_owner"], &has) == nil && has == owner
}

// present looks up which sessions are in the table, expired or not.
func (s *Store) present(ctx context.Context, keys []any) (map[any]bool, error) {
	rows, err := s.db.QueryContext(ctx, s.sql.expiries+s.dialect.placeholders(1, len(keys))+")", keys...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[any]bool)
	for rows.Next() {
		var key string
		var expires any
		if err := rows.Scan(&key, &expires); err != nil {
			return nil, err
		}
		found[key] = true
	}
	return found, rows.Err()
}

// findExpired returns the keys of the rows that expired at now or earlier, a
// batch of them, after the one that is given by its moment and its key.
func (o *owners) findExpired(ctx context.Context, s *Store, from any, after string, now any) (keys []any, last any, err error) {
	rows, err := o.expired.query(ctx, []any{from, from, after, now})
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	var key string
	for rows.Next() {
		if err := rows.Scan(&key, &last); err != nil {
			return nil, nil, err
		}
		keys = append(keys, key)
	}
	switch v := last.(type) {
	case []byte:
		last = string(v)
	case time.Time:
		last = s.dialect.timeArg(v)
	}
	return keys, last, rows.Err()
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
