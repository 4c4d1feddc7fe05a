package testserver

import (
	"os"
	"os/exec"
	"path/filepath"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Postgres returns a PostgreSQL server that has not been started yet. Its
// database is "postgres", in UTF-8, and accepts the user "postgres" without a
// password.
//
// It does not wait for the disk: what it has committed survives SIGKILL, but no
// power loss. Settings, such as "fsync=on", take precedence.
func Postgres(settings ...string) *Server {
	binary := func(name string) (string, error) {
		return find(name, "/usr/lib/postgresql/*/bin/"+name, "/usr/pgsql-*/bin/"+name, "/opt/homebrew/opt/postgresql*/bin/"+name)
	}
	return &Server{kind: kind{
		name: "PostgreSQL",
		user: "postgres",
		setUp: func(dir string, user *credential) error {
			initdb, err := binary("initdb")
			if err != nil {
				return err
			}
			return runAs(user, dir, initdb, "--pgdata="+filepath.Join(dir, "data"), "--username=postgres", "--auth=trust",
				"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
		},
		run: func(dir, host, port string) (*exec.Cmd, error) {
			postgres, err := binary("postgres")
			if err != nil {
				return nil, err
			}
			cmd := exec.Command(postgres, "-D", filepath.Join(dir, "data"), "-h", host, "-p", port, "-k", dir, "-N", "200", "-c", "fsync=off")
			for _, s := range settings {
				cmd.Args = append(cmd.Args, "-c", s)
			}
			return cmd, nil
		},
		open: func(addr string) (string, string) {
			return "pgx", "postgres://postgres@" + addr + "/postgres?sslmode=disable"
		},
	}}
}

// MySQL returns a MariaDB or MySQL server that has not been started yet. Its
// database is "test", and accepts the user "root" without a password.
//
// It does not wait for the disk: what it has committed survives SIGKILL, but no
// power loss. Settings, such as "innodb-flush-log-at-trx-commit=1", take
// precedence.
func MySQL(settings ...string) *Server {
	return &Server{kind: kind{
		name: "MariaDB",
		user: "mysql",
		setUp: func(dir string, user *credential) error {
			if _, err := find("mariadbd", "/usr/sbin/mariadbd"); err != nil {
				return err
			}
			install, err := find("mariadb-install-db", "/usr/bin/mariadb-install-db")
			if err != nil {
				return err
			}
			data := filepath.Join(dir, "data")
			args := []string{"--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal"}
			if err = runAs(user, dir, install, args...); err != nil {
				// On a machine under heavy load it has failed without a cause
				// that its output tells, and succeeded when it was run again.
				if err := os.RemoveAll(data); err != nil {
					return err
				}
				err = runAs(user, dir, install, args...)
			}
			return err
		},
		run: func(dir, host, port string) (*exec.Cmd, error) {
			mariadbd, err := find("mariadbd", "/usr/sbin/mariadbd")
			if err != nil {
				return nil, err
			}
			cmd := exec.Command(mariadbd, "--no-defaults", "--datadir="+filepath.Join(dir, "data"), "--bind-address="+host, "--port="+port,
				"--socket="+filepath.Join(dir, "socket"), "--pid-file="+filepath.Join(dir, "pid"), "--max-connections=200",
				"--innodb-flush-log-at-trx-commit=2", "--skip-name-resolve")
			for _, s := range settings {
				cmd.Args = append(cmd.Args, "--"+s)
			}
			return cmd, nil
		},
		open: func(addr string) (string, string) { return "mysql", "root@tcp(" + addr + ")/test" },
	}}
}
