// Package pgdsn reads the ways to name a PostgreSQL database.
package pgdsn

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"sessionengine/internal/opendb/quiet"
)

// Parse is pgx.ParseConfig. Errors quote nothing of the connection string, nor
// of the environment and the files that belong to it. The secrets are what must
// not be shown of a later error either.
func Parse(connString string) (config *pgx.ConnConfig, secrets []string, err error) {
	isURL := strings.HasPrefix(connString, "postgres://") || strings.HasPrefix(connString, "postgresql://")
	if isURL {
		if secrets, err = quiet.URLPassword(connString); err != nil {
			return nil, nil, err
		}
		_, query, _ := strings.Cut(connString, "?")
		options, _ := url.ParseQuery(query)
		secrets = append(secrets, options.Get("password"), options.Get("sslpassword"))
		if at := queryPassword.FindStringIndex(query); at != nil { // with an & in it, it may go on to the end
			rest, _ := url.QueryUnescape(query[at[1]:])
			secrets = append(secrets, query[at[1]:], rest)
		}
	} else {
		secrets = passwords(connString)
	}
	config, err = pgx.ParseConfig(connString)
	if err != nil {
		return nil, nil, fault(err.Error(), isURL)
	}
	return config, append(secrets, config.Password), nil
}

var (
	queryPassword = regexp.MustCompile(`(?:^|&)(?:ssl)?password=`)
	passwordKey   = regexp.MustCompile(`(?i)(?:^|\s)(?:ssl)?password\s*=\s*`)
	// keyword is an option of libpq or pgx, and what follows it is not part of
	// a password that should have been quoted.
	keyword = regexp.MustCompile(`\s(?:host|hostaddr|port|dbname|database|user|passfile|service|servicefile|sslmode|sslcert|sslkey|` +
		`sslrootcert|sslpassword|password|connect_timeout|target_session_attrs|application_name|options|` +
		`default_query_exec_mode|statement_cache_capacity|description_cache_capacity)\s*=`)
)

// passwords returns what the author of a list of keywords and values may have
// meant as passwords: all up to the next keyword.
func passwords(connString string) (secrets []string) {
	for _, at := range passwordKey.FindAllStringIndex(connString, -1) {
		value := connString[at[1]:]
		if end := keyword.FindStringIndex(value); end != nil {
			value = value[:end[0]]
		}
		secrets = append(secrets, strings.TrimSpace(value))
	}
	return secrets
}

// faults are what pgx says, and what is said in its place: its messages may
// quote any part of the connection string, and do so of files and environment.
var faults = []struct{ pgx, ours string }{
	{"NUL byte", "there is a NUL byte in the connection string"},
	{"invalid port", "the port is no number from 1 to 65535"},
	{"sslmode is invalid", "sslmode is none of disable, allow, prefer, require, verify-ca and verify-full"},
	{`both "sslcert" and "sslkey"`, "sslcert and sslkey need each other"},
	{"unknown sslcertmode", "sslcertmode is none of disable, allow and require"},
	{"unable to read CA file", "the file of sslrootcert cannot be read"},
	{"unable to add CA", "the file of sslrootcert has no certificate"},
	{"unable to read sslkey", "the file of sslkey cannot be read"},
	{"failed to decode sslkey", "the file of sslkey has no key"},
	{"unable to find sslpassword", "the key of sslkey is encrypted, and there is no sslpassword"},
	{"unable to decrypt key", "sslpassword does not open the key of sslkey"},
	{"unable to read cert", "the file of sslcert cannot be read"},
	{"unable to load cert", "sslcert and sslkey have no certificate and its key"},
	{"failed to read service", "the service, or the file that should have it, cannot be read"},
	{"connect_timeout", "connect_timeout is no number of seconds"},
	{"target_session_attrs",
		"target_session_attrs is none of any, read-write, read-only, primary, standby and prefer-standby"},
	{"default_query_exec_mode", "default_query_exec_mode is none of pgx's modes"},
	{"statement_cache_capacity", "statement_cache_capacity is no number"},
	{"description_cache_capacity", "description_cache_capacity is no number"},
	{"protocol version", "a protocol version is none that there is"},
}

func fault(message string, isURL bool) error {
	for _, f := range faults {
		// The message follows the connection string, which may contain anything.
		if _, after, _ := strings.Cut(message, "`: "); strings.Contains(after, f.pgx) {
			return errors.New(f.ours)
		}
	}
	if isURL {
		return errors.New("the URL is malformed: it is postgres://user:password@host:5432/database?option=value, " +
			"and characters that mean something in a URL are percent-encoded in it")
	}
	return errors.New("the connection string is malformed: it is a URL, postgres://user:password@host/database, " +
		"or user=… password=… host=… dbname=…, where values with spaces stand between single quotes")
}
