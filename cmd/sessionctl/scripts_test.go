package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/django"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// TestScripts runs testdata/script. Besides the usual commands, a script has
//
//	secret [-base64] FILE NAME…            writes a secret for each name, one a line
//	dos FROM TO                            copies a text as Windows writes it
//	paste FILE FORMAT TOKENFILE            writes a token with something around it
//	setenv VARIABLE FILE                   sets a variable to what is in the file
//	key DATABASE FILE                      writes the session_key of the only row
//	save KIND WHERE FILE JSON [LIFE]       stores a session and writes its token
//	own [-raw] DATABASE OWNER LABEL NAME   stores a session of an owner, writes its token
//	                                       into NAME.txt, and sets NAME to its ID
//	own -expired DATABASE OWNER LABEL NAME does so for one that is expired, without the ID
//	count DATABASE TABLE N                 checks how many rows a table has
//
// For save, KIND is row, rawrow or djangorow, in the SQLite database WHERE; or
// signed, encrypted, sealed, dictionary or django, made with the first secret in
// the file WHERE. Rows of Django are made with the secret in django.txt, and
// those with a dictionary with the one in dictionary.txt.
func TestScripts(t *testing.T) {
	command := func(f func(ts *testscript.TestScript, args []string) error) func(*testscript.TestScript, bool,
		[]string) {
		return func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("! does not fit here")
			}
			ts.Check(f(ts, args))
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"secret": command(scriptSecret),
			"dos": command(func(ts *testscript.TestScript, args []string) error {
				text := "\ufeff" + strings.ReplaceAll(ts.ReadFile(args[0]), "\n", "\r\n")
				return os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600)
			}),
			"paste": command(func(ts *testscript.TestScript, args []string) error {
				return os.WriteFile(ts.MkAbs(args[0]), fmt.Appendf(nil, args[1]+"\r\n", firstLine(ts, args[2])), 0o600)
			}),
			"setenv": command(func(ts *testscript.TestScript, args []string) error {
				ts.Setenv(args[0], ts.ReadFile(args[1]))
				return nil
			}),
			"key":   command(scriptKey),
			"save":  command(scriptSave),
			"own":   command(scriptOwn),
			"count": command(scriptCount),
		},
	})
}

func scriptSecret(ts *testscript.TestScript, args []string) error {
	inBase64 := args[0] == "-base64"
	if inBase64 {
		args = args[1:]
	}
	var text strings.Builder
	for _, name := range args[1:] {
		secret := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
		if inBase64 {
			secret = base64.StdEncoding.EncodeToString([]byte(secret))
		}
		fmt.Fprintln(&text, secret)
	}
	return os.WriteFile(ts.MkAbs(args[0]), []byte(text.String()), 0o600)
}

func scriptKey(ts *testscript.TestScript, args []string) error {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	if err != nil {
		return err
	}
	defer db.Close()
	var key string
	if err := db.QueryRow("SELECT session_key FROM django_session").Scan(&key); err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(args[1]), []byte(key), 0o600)
}

func scriptOwn(ts *testscript.TestScript, args []string) (err error) {
	opts := dbstore.Options{Owners: true}
	life := time.Hour
	switch args[0] {
	case "-raw":
		opts.RawKeys, args = true, args[1:]
	case "-expired":
		life, args = -time.Hour, args[1:]
	}
	path, owner, label, name := ts.MkAbs(args[0]), args[1], args[2], args[3]
	if unquoted, err := strconv.Unquote(label); err == nil {
		label = unquoted
	}
	store, err := sqlite.Open(context.Background(), path, sqlite.Options{Options: opts})
	if err != nil {
		return err
	}
	defer closeStore(store, &err)
	token, err := saveOwned(store, owner, label, life)
	if err != nil {
		return err
	}
	infos, err := allSessions(context.Background(), store, owner)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(infos, func(info session.SessionInfo) bool { return info.Label == label })
	switch listed := i >= 0; {
	case listed != (life > 0):
		return fmt.Errorf("that the session is listed is %t", listed)
	case listed:
		ts.Setenv(name, infos[i].ID)
	}
	return os.WriteFile(ts.MkAbs(name+".txt"), []byte(token+"\n"), 0o600)
}

func scriptCount(ts *testscript.TestScript, args []string) error {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	if err != nil {
		return err
	}
	defer db.Close()
	var n int
	if err := db.QueryRow("SELECT COUNT(*) FROM " + args[1]).Scan(&n); err != nil {
		return err
	}
	if fmt.Sprint(n) != args[2] {
		return fmt.Errorf("the table %s has %d rows, want %s", args[1], n, args[2])
	}
	return nil
}

func scriptSave(ts *testscript.TestScript, args []string) (err error) {
	kind, where, tokenFile, data := args[0], args[1], ts.MkAbs(args[2]), args[3]
	life := time.Hour
	if len(args) > 4 {
		if life, err = time.ParseDuration(args[4]); err != nil {
			return err
		}
	}
	var token string
	switch kind {
	case "row":
		token, err = saveRow(ts.MkAbs(where), dbstore.Options{}, data, life)
	case "rawrow":
		token, err = saveRow(ts.MkAbs(where), dbstore.Options{RawKeys: true}, data, life)
	case "djangorow":
		opts, err := django.Rows(firstLine(ts, "django.txt"), django.Options{})
		if err != nil {
			return err
		}
		if token, err = saveRow(ts.MkAbs(where), opts, data, life); err != nil {
			return err
		}
	case "django":
		store, err := django.NewCookieStore(firstLine(ts, where), django.Options{})
		if err != nil {
			return err
		}
		if token, err = saveIn(store, data, life); err != nil {
			return err
		}
	case "dictionary":
		opts := signedcookie.Options{Scheme: signedcookie.Sealed, Dictionary: []byte(ts.ReadFile("dictionary.txt"))}
		token, err = saveCookie(opts, firstLine(ts, where), data, life)
	case "context":
		opts := signedcookie.Options{Scheme: signedcookie.Sealed, Context: "shop"}
		token, err = saveCookie(opts, firstLine(ts, where), data, life)
	case "signed":
		token, err = saveCookie(signedcookie.Options{}, firstLine(ts, where), data, life)
	case "encrypted":
		token, err = saveCookie(signedcookie.Options{Scheme: signedcookie.Encrypted}, firstLine(ts, where), data, life)
	case "sealed":
		token, err = saveCookie(signedcookie.Options{Scheme: signedcookie.Sealed}, firstLine(ts, where), data, life)
	default:
		err = fmt.Errorf("there is no kind %q", kind)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(tokenFile, []byte(token+"\n"), 0o600)
}

func firstLine(ts *testscript.TestScript, file string) string {
	line, _, _ := strings.Cut(ts.ReadFile(file), "\n")
	return line
}

func saveRow(path string, opts dbstore.Options, data string, life time.Duration) (token string, err error) {
	store, err := sqlite.Open(context.Background(), path, sqlite.Options{Options: opts})
	if err != nil {
		return "", err
	}
	defer closeStore(store, &err)
	return saveIn(store, data, life)
}

func saveCookie(opts signedcookie.Options, secret, data string, life time.Duration) (token string, err error) {
	store, err := signedcookie.New([]byte(secret), opts)
	if err != nil {
		return "", err
	}
	return saveIn(store, data, life)
}

func saveIn(store session.SessionStore, data string, life time.Duration) (token string, err error) {
	return store.Save(context.Background(), "", &session.Record{Data: []byte(data), Expires: time.Now().Add(life)})
}

// saveOwned saves a session as the middleware does, with the owner in its data.
func saveOwned(store *dbstore.Store, owner, label string, life time.Duration) (token string, err error) {
	rec := &session.Record{Data: fmt.Appendf(nil, `{"a":1,"_session_owner":%q}`, owner), Expires: time.Now().Add(life),
		Owner: owner, Label: label}
	return store.Save(context.Background(), "", rec)
}
