package bench

import (
	"fmt"
	"slices"
	"strings"

	"sessionengine/dbstore/sqlite"
	"sessionengine/signedcookie"
)

// Engines returns the engines that come with this module, in the order of the
// tables. The names are:
//
//   - signedcookie: cookies signed by securecookie, package signedcookie's
//     default
//   - sealed: signedcookie with its scheme Sealed
//   - signedcookie+revocation: signedcookie behind package revocation, whose list
//     is in an SQLite file: cookies that can be ended, at the price of queries
//   - dbstore: rows in an SQLite file, as package sqlite sets it up by default
//   - dbstore-sync: the same, waiting for the disk at each commit
//   - dbstore-mem: rows in an SQLite database in memory
func Engines() []Engine {
	return []Engine{
		cookieEngine("signedcookie", signedcookie.Options{}),
		cookieEngine("sealed", signedcookie.Options{Scheme: signedcookie.Sealed}),
		revocableEngine("signedcookie+revocation"),
		rowEngine("dbstore", "sessions.db", sqlite.Options{}),
		rowEngine("dbstore-sync", "sessions.db", sqlite.Options{SyncFull: true}),
		rowEngine("dbstore-mem", ":memory:", sqlite.Options{}),
	}
}

// DefaultEngines are the names of the engines that are compared unless others
// are asked for.
func DefaultEngines() []string { return []string{"signedcookie", "dbstore"} }

// EnginesNamed returns the engines of these names, in the order of the names.
func EnginesNamed(names ...string) ([]Engine, error) {
	all := Engines()
	var engines []Engine
	for _, name := range names {
		i := slices.IndexFunc(all, func(e Engine) bool { return e.Name == name })
		if i < 0 {
			var known []string
			for _, e := range all {
				known = append(known, e.Name)
			}
			return nil, fmt.Errorf("no engine %q; there are %s", name, strings.Join(known, ", "))
		}
		if slices.ContainsFunc(engines, func(e Engine) bool { return e.Name == name }) {
			return nil, fmt.Errorf("engine %q is there twice", name)
		}
		engines = append(engines, all[i])
	}
	return engines, nil
}
