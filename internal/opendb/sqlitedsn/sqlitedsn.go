// Package sqlitedsn names the files of SQLite databases.
package sqlitedsn

import (
	"net/url"
	"strings"
)

// File returns the URI of the database in the file of that path, as
// https://www.sqlite.org/uri.html describes it. Every character of the path
// stands for itself, in particular those that mean something in a URI.
func File(path string, params url.Values) string {
	u := url.URL{Scheme: "file", RawQuery: params.Encode()}
	if strings.HasPrefix(path, "/") {
		// With an empty authority in front: a path that begins with two slashes
		// would be taken for one.
		u.Path = path
	} else {
		u.Opaque = (&url.URL{Path: path}).EscapedPath()
	}
	return u.String()
}
