package dbstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	if err := s.beginOwners(); err != nil {
		return nil, err
	}
	defer s.end()
	found, err := s.owners.sessions(ctx, s, owner)
	if err != nil {
		return nil, s.failure(ctx, "sessions", err)
	}
	infos := make([]SessionInfo, len(found))
	for i, f := range found {
		infos[i] = f.info
	}
	return infos, nil
}

// EndSession ends one of the owner's sessions. That there is no such session,
// or that it is somebody else's, is no error. It needs [Options.Owners].
func (s *Store) EndSession(ctx context.Context, owner, id string) error {
	if err := s.beginOwners(); err != nil {
		return err
	}
	defer s.end()
	found, err := s.owners.sessions(ctx, s, owner)
	if err != nil {
		return s.failure(ctx, "end session", err)
	}
	for _, f := range found {
		if f.info.ID != id {
			continue
		}
		if _, err := s.exec(ctx, s.delete, f.key); err != nil {
			return s.failure(ctx, "end session", err)
		}
	}
	return nil
}

// EndSessions ends all of the owner's sessions but the one that exceptToken
// stands for, or all of them if that is empty, and returns their number. A
// session that begins while it runs may stay. It needs [Options.Owners].
func (s *Store) EndSessions(ctx context.Context, owner, exceptToken string) (int64, error) {
	if err := s.beginOwners(); err != nil {
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
	found, err := s.owners.sessions(ctx, s, owner)
	if err != nil {
		return 0, s.failure(ctx, "end sessions", err)
	}
	var ended int64
	for _, f := range found {
		if f.key == except {
			continue
		}
		n, err := s.exec(ctx, s.delete, f.key)
		if err != nil {
			return ended, s.failure(ctx, "end sessions", err)
		}
		ended += n
	}
	return ended, nil
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

func (s *Store) beginOwners() error {
	if s.owners == nil {
		return errors.New("dbstore: owners are not kept: set Options.Owners")
	}
	if !s.begin() {
		return session.ErrClosed
	}
	return nil
}

// owners keeps who the sessions belong to in a table beside the sessions'.
//
// A row there says something only as long as its session is there. It is
// written before the session is, so that no session with an owner lacks its
// row; one whose session was not saved, or is deleted, says nothing, and goes
// with the cleanup.
type owners struct {
	table tableName

	note, renew, forget, list, expired *statement
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
	upsert := " ON CONFLICT (session_key) DO UPDATE SET owner = excluded.owner, label = excluded.label, last_seen = excluded.last_seen, expire_date = excluded.expire_date"
	if s.dialect == MySQL {
		upsert = " ON DUPLICATE KEY UPDATE owner = VALUES(owner), label = VALUES(label), last_seen = VALUES(last_seen), expire_date = VALUES(expire_date)"
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
	o.renew = make("INSERT INTO " + t + columns + "SELECT " + selected + " FROM " + t + " WHERE session_key = ?")
	o.forget = make("DELETE FROM " + t + " WHERE session_key = ?")
	o.list = make("SELECT session_key, label, " + text("created") + ", " + text("last_seen") + " FROM " + t + " WHERE owner = ? ORDER BY last_seen DESC, session_key")
	o.expired = make(fmt.Sprintf("SELECT session_key, %s FROM %s WHERE expire_date >= ? AND expire_date <= ? ORDER BY expire_date LIMIT %d", text("expire_date"), t, s.opts.CleanupBatch))
	return o, nil
}

func (o *owners) statements() []*statement {
	return []*statement{o.note, o.renew, o.forget, o.list, o.expired}
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
		err := s.define(ctx, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (session_key varchar(40) NOT NULL PRIMARY KEY,"+
			" owner %s NOT NULL, label %s NOT NULL, created %[4]s NOT NULL, last_seen %[4]s NOT NULL, expire_date %[4]s NOT NULL)%[5]s",
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
	_, err := s.exec(ctx, s.owners.note, key, s.ownerArg(rec.Owner), rec.Label, now, now, s.dialect.timeArg(rec.Expires))
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
	_, err := s.exec(ctx, s.owners.renew, newKey, s.ownerArg(rec.Owner), rec.Label, now, now, s.dialect.timeArg(rec.Expires), key)
	return err
}

// forgetOwner deletes what is written down about a session that had an owner,
// and was saved without one. That it fails is no failure of saving.
func (s *Store) forgetOwner(ctx context.Context, key, oldText string, rec *session.Record) {
	if s.owners == nil || rec.Owner != "" {
		return
	}
	old := []byte(oldText)
	if s.opts.Encoding != nil {
		var err error
		if old, err = s.opts.Encoding.Decode(oldText); err != nil {
			return
		}
	}
	if !bytes.Contains(old, []byte(`"_session_owner"`)) {
		return
	}
	if _, err := s.exec(ctx, s.owners.forget, key); err != nil {
		s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "a session is still listed under the owner that it had", slog.Any("err", s.failure(ctx, "forget owner", err)))
	}
}

// ownerArg returns the value that stands for an owner in a statement.
func (s *Store) ownerArg(owner string) any {
	if s.dialect == MySQL {
		return []byte(owner)
	}
	return owner
}

// errOwnerTooLong does not contain the owner.
var errOwnerTooLong = fmt.Errorf("the owner has more than %d bytes", maxOwner)

func checkOwner(owner string) error {
	if len(owner) > maxOwner {
		return errOwnerTooLong
	}
	return nil
}

// owned is a session of an owner.
type owned struct {
	key  string
	info SessionInfo
}

// sessions returns the living sessions of an owner. What the table of owners
// says is looked up in the one of sessions by key: a join would need the same
// collation in both, which a table that Django made does not have.
func (o *owners) sessions(ctx context.Context, s *Store, owner string) ([]owned, error) {
	rows, err := o.list.query(ctx, []any{s.ownerArg(owner)})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []owned
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
		found = append(found, f)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()

	expires := make(map[string]time.Time, len(found))
	for chunk := range slices.Chunk(found, s.opts.CleanupBatch) {
		if err := s.expiries(ctx, chunk, expires); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	living := found[:0]
	for _, f := range found {
		if f.info.Expires = expires[f.key]; now.Before(f.info.Expires) {
			living = append(living, f)
		}
	}
	return living, nil
}

// expiries looks up when sessions expire, as far as they are in the table.
func (s *Store) expiries(ctx context.Context, found []owned, expires map[string]time.Time) error {
	keys := make([]any, len(found))
	for i, f := range found {
		keys[i] = f.key
	}
	rows, err := s.db.QueryContext(ctx, s.sql.expiries+s.dialect.placeholders(1, len(keys))+")", keys...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var t dbTime
		if err := rows.Scan(&key, &t); err != nil {
			return err
		}
		expires[key] = t.Time
	}
	return rows.Err()
}

// deleteExpired deletes the rows whose session has expired and is gone. One
// whose session was extended without it stays.
func (o *owners) deleteExpired(ctx context.Context, s *Store, from, now any) error {
	for {
		keys, last, err := s.findExpiredOnce(ctx, o.expired, from, now)
		if err != nil || len(keys) == 0 {
			return err
		}
		found := make([]owned, len(keys))
		for i, key := range keys {
			found[i].key = key.(string)
		}
		living := make(map[string]time.Time)
		if err := s.expiries(ctx, found, living); err != nil {
			return err
		}
		gone := slices.DeleteFunc(slices.Clone(keys), func(key any) bool { _, ok := living[key.(string)]; return ok })
		if len(gone) > 0 {
			st := &statement{
				db:    s.db,
				text:  "DELETE FROM " + o.table.quoted(s.dialect) + " WHERE expire_date <= " + s.dialect.placeholder(1) + " AND session_key IN (" + s.dialect.placeholders(2, len(gone)+1) + ")",
				alone: true,
			}
			if _, err := s.exec(ctx, st, append([]any{now}, gone...)...); err != nil {
				return err
			}
		}
		if len(keys) < s.opts.CleanupBatch || last == from {
			return nil
		}
		from = last
	}
}
