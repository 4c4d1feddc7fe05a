// Package mysqldsn reads the ways to name a MySQL database.
package mysqldsn

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"sessionengine/internal/opendb/quiet"
)

// Parse reads a DSN of the driver, or a URL:
//
//	user:password@tcp(host:3306)/database?param=value
//	mysql://user:password@host:3306/database?param=value
//	mysql://user:password@/database?unix_socket=/run/mysqld/mysqld.sock
//
// In a URL the parts are percent-encoded as in every URL, and those that are
// missing are 127.0.0.1 and 3306. The parameters are the driver's; unix_socket
// is the path of a socket, as in SQLAlchemy. Errors quote nothing of it. The
// secrets are what must not be shown of a later error either.
func Parse(dsn string) (config *mysql.Config, secrets []string, err error) {
	if !strings.HasPrefix(dsn, "mysql://") {
		config, err := parseDSN(dsn)
		if err != nil {
			return nil, nil, fault(dsn[strings.LastIndex(dsn, "/")+1:])
		}
		secrets = []string{config.Passwd, dsnPassword(dsn)}
		if config.Net != "tcp" && config.Net != "unix" {
			secrets = append(secrets, config.Net) // the end of a password, maybe
		}
		return config, secrets, nil
	}
	if secrets, err = quiet.URLPassword(dsn); err != nil {
		return nil, nil, err
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, nil, errors.New("the URL is malformed") // the error quotes the URL, and so the password
	}
	params, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, nil, errors.New("the URL is malformed after its question mark")
	}
	socket := params.Get("unix_socket")
	params.Del("unix_socket")
	// The driver looks for the last slash and for commas that are not encoded.
	query := strings.ReplaceAll(params.Encode(), "%2C", ",")
	if config, err = parseDSN("/?" + query); err != nil {
		return nil, nil, fault("?" + query)
	}
	host, port := u.Hostname(), u.Port()
	if host == "" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "3306"
	}
	config.Net, config.Addr = "tcp", net.JoinHostPort(host, port)
	if socket != "" {
		config.Net, config.Addr = "unix", socket
	}
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.DBName = strings.TrimPrefix(u.Path, "/")
	return config, append(secrets, config.Passwd), nil
}

// parseDSN is mysql.ParseDSN, which panics for a parameter that it once had.
func parseDSN(dsn string) (config *mysql.Config, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("a parameter that the driver does not have any more")
		}
	}()
	return mysql.ParseDSN(dsn)
}

// dsnPassword returns what the author of a DSN may have meant as the password,
// whatever the driver takes it for.
func dsnPassword(dsn string) string {
	end := strings.LastIndex(dsn, "@")
	if end < 0 {
		if strings.HasPrefix(dsn, "tcp(") || strings.HasPrefix(dsn, "unix(") || strings.HasPrefix(dsn, "/") {
			return ""
		}
		end = len(dsn)
	}
	_, password, _ := strings.Cut(dsn[:end], ":")
	return password
}

// parameters are those of the driver whose values it checks.
var parameters = []string{
	"allowAllFiles", "allowCleartextPasswords", "allowFallbackToPlaintext", "allowNativePasswords", "allowOldPasswords",
	"checkConnLiveness", "clientFoundRows", "collation", "columnsWithAlias", "compress", "connectionAttributes",
	"interpolateParams", "loc", "maxAllowedPacket", "multiStatements", "parseTime", "readTimeout", "rejectReadOnly",
	"serverPubKey", "strict", "timeTruncate", "timeout", "tls", "writeTimeout",
}

// fault says what is wrong with a DSN, given what follows its last slash, in
// words of our own: the driver's may quote any part of it.
func fault(database string) error {
	_, query, _ := strings.Cut(database, "?")
	for param := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(param, "=")
		if _, err := parseDSN("/?" + param); err != nil && slices.Contains(parameters, name) {
			return fmt.Errorf("the value of the parameter %s is not one of its values", name)
		}
	}
	return errors.New("the data source name is malformed: it is user:password@tcp(host:3306)/database?param=value, " +
		"or a URL, mysql://user:password@host/database?param=value")
}
