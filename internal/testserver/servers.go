package testserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

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
	return postgres("PostgreSQL", settings, func(dir string, user *credential) error {
		initdb, err := findPostgres("initdb")
		if err != nil {
			return err
		}
		return runAs(user, dir, initdb, "--pgdata="+filepath.Join(dir, "data"), "--username=postgres", "--auth=trust",
			"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	})
}

// PostgresStandby returns a hot standby of a server that [Postgres] has
// returned. The primary has to be started first. [Server.Promote] makes it a
// primary of its own.
func PostgresStandby(primary *Server, settings ...string) *Server {
	return postgres("a standby of PostgreSQL", settings, func(dir string, user *credential) error {
		backup, err := findPostgres("pg_basebackup")
		if err != nil {
			return err
		}
		host, port, err := net.SplitHostPort(primary.Addr)
		if err != nil {
			return fmt.Errorf("the primary is not running: %w", err)
		}
		return runAs(user, dir, backup, "--pgdata="+filepath.Join(dir, "data"), "--host="+host, "--port="+port,
			"--username=postgres", "--checkpoint=fast", "--no-sync", "--write-recovery-conf")
	})
}

func findPostgres(name string) (string, error) {
	return find(name, "/usr/lib/postgresql/*/bin/"+name, "/usr/pgsql-*/bin/"+name, "/opt/homebrew/opt/postgresql*/bin/"+
		name)
}

func postgres(name string, settings []string, setUp func(dir string, user *credential) error) *Server {
	return &Server{kind: kind{
		name:  name,
		user:  "postgres",
		setUp: setUp,
		run: func(dir, host, port string) (*exec.Cmd, error) {
			postgres, err := findPostgres("postgres")
			if err != nil {
				return nil, err
			}
			cmd := exec.Command(postgres, "-D", filepath.Join(dir, "data"), "-h", host, "-p", port, "-k", dir, "-N",
				"200", "-c", "fsync=off")
			for _, s := range settings {
				cmd.Args = append(cmd.Args, "-c", s)
			}
			return cmd, nil
		},
		open: func(addr string) (string, string) {
			return "pgx", "postgres://postgres@" + addr + "/postgres?sslmode=disable"
		},
		promote: func(dir string, user *credential) error {
			ctl, err := findPostgres("pg_ctl")
			if err != nil {
				return err
			}
			return runAs(user, dir, ctl, "promote", "--wait", "--pgdata="+filepath.Join(dir, "data"))
		},
	}}
}

// PgBouncer returns a pooler before a server that [Postgres] has returned,
// which has to be started first. It lends a connection to a client for one
// transaction at a time. Settings, such as "pool_mode=session", take precedence.
func PgBouncer(server *Server, settings ...string) *Server {
	return &Server{kind: kind{
		name: "pgbouncer",
		user: "postgres",
		setUp: func(dir string, user *credential) error {
			_, err := find("pgbouncer", "/usr/sbin/pgbouncer")
			return err
		},
		run: func(dir, host, port string) (*exec.Cmd, error) {
			bouncer, err := find("pgbouncer", "/usr/sbin/pgbouncer")
			if err != nil {
				return nil, err
			}
			serverHost, serverPort, err := net.SplitHostPort(server.Addr)
			if err != nil {
				return nil, fmt.Errorf("its server is not running: %w", err)
			}
			file := filepath.Join(dir, "pgbouncer.ini")
			lines := []string{
				"[databases]",
				"* = host=" + serverHost + " port=" + serverPort + " user=postgres",
				"[pgbouncer]",
				"listen_addr=" + host, "listen_port=" + port, "unix_socket_dir=",
				"auth_type=any", "pool_mode=transaction", "max_client_conn=200",
			}
			lines = append(lines, settings...)
			// The user has to read it, and it holds no secret.
			if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
				return nil, err
			}
			return exec.Command(bouncer, file), nil
		},
		open: func(addr string) (string, string) {
			return "pgx", "postgres://postgres@" + addr + "/postgres?sslmode=disable"
		},
	}}
}

// MySQL returns a MariaDB server that has not been started yet. Its
// database is "test", and accepts the user "root" without a password.
//
// It does not wait for the disk: what it has committed survives SIGKILL, but no
// power loss. Settings, such as "innodb-flush-log-at-trx-commit=1", take
// precedence.
func MySQL(settings ...string) *Server {
	return &Server{kind: kind{
		name:  "MariaDB",
		user:  "mysql",
		setUp: installMariaDB,
		run: func(dir, host, port string) (*exec.Cmd, error) {
			return mariaDB(dir, host, port, settings)
		},
		open: openMySQL,
	}}
}

func openMySQL(addr string) (driver, url string) { return "mysql", "root@tcp(" + addr + ")/test" }

func installMariaDB(dir string, user *credential) error {
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
}

func mariaDB(dir, host, port string, settings []string) (*exec.Cmd, error) {
	mariadbd, err := find("mariadbd", "/usr/sbin/mariadbd")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(mariadbd, "--no-defaults", "--datadir="+filepath.Join(dir, "data"), "--bind-address="+host,
		"--port="+port,
		"--socket="+filepath.Join(dir, "socket"), "--pid-file="+filepath.Join(dir, "pid"), "--max-connections=200",
		"--innodb-flush-log-at-trx-commit=2", "--skip-name-resolve")
	for _, s := range settings {
		cmd.Args = append(cmd.Args, "--"+s)
	}
	return cmd, nil
}

// Galera returns the nodes of a cluster of MariaDB servers, none of which has
// been started yet. The first has to be started before the others. Each has the
// database and the user of [MySQL].
func Galera(nodes int) []*Server {
	cluster := make([]*Server, nodes)
	peers := make([]string, nodes) // where the nodes talk to each other
	for i := range cluster {
		joins := i > 0
		cluster[i] = &Server{kind: kind{
			name: fmt.Sprintf("node %d of a Galera cluster", i),
			user: "mysql",
			setUp: func(dir string, user *credential) (err error) {
				if _, err := find("libgalera_smm.so", galeraLibrary); err != nil {
					return err
				}
				if _, err := find("rsync"); err != nil {
					return err
				}
				if !joins {
					for i := range peers {
						if peers[i], err = freeAddr(); err != nil {
							return err
						}
					}
				}
				return installMariaDB(dir, user)
			},
			run: func(dir, host, port string) (*exec.Cmd, error) {
				transfer, err := freeAddr()
				if err != nil {
					return nil, err
				}
				catchUp, err := freeAddr()
				if err != nil {
					return nil, err
				}
				address := "gcomm://"
				if joins {
					address += strings.Join(peers, ",")
				}
				return mariaDB(dir, host, port, []string{
					"wsrep-on=ON", "wsrep-provider=" + galeraLibrary, "wsrep-cluster-address=" + address,
					"wsrep-node-address=" + peers[i], "wsrep-node-incoming-address=" + net.JoinHostPort(host, port),
					"wsrep-sst-method=rsync", "wsrep-sst-receive-address=" + transfer,
					"wsrep-provider-options=gmcast.listen_addr=tcp://" + peers[i] + ";ist.recv_addr=" + catchUp +
						";gcache.size=16M;evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S",
					"binlog-format=ROW", "innodb-autoinc-lock-mode=2",
				})
			},
			open: openMySQL,
			ready: func(ctx context.Context, db *sql.DB) error {
				var name, state string
				err := db.QueryRowContext(ctx, "SHOW STATUS LIKE 'wsrep_local_state_comment'").Scan(&name, &state)
				if err == nil && state != "Synced" {
					return errors.New("its state is " + state)
				}
				joins = joins || err == nil // when it is started again
				return err
			},
		}}
	}
	return cluster
}

const galeraLibrary = "/usr/lib/galera/libgalera_smm.so"

// MySQL9 returns a server of Oracle's MySQL that has not been started yet, from
// a root folder of a newer Debian in the cache. Its database is "test", and
// accepts the user "root" without a password.
//
// It does not wait for the disk: what it has committed survives SIGKILL, but no
// power loss.
func MySQL9(settings ...string) *Server {
	command := func(dir string, args ...string) ([]string, error) {
		root, program, err := fromCache("mysql-9", "usr/sbin/mysqld")
		if err != nil {
			return nil, err
		}
		return slices.Concat(program, []string{
			"--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--lc-messages-dir=" + root + "/usr/share/mysql",
			"--character-sets-dir=" + root + "/usr/share/mysql/charsets", "--plugin-dir=" + root +
				"/usr/lib/mysql/plugin",
			"--innodb-redo-log-capacity=16M", "--innodb-buffer-pool-size=64M", "--skip-log-bin",
		}, args), nil
	}
	return &Server{kind: kind{
		name: "MySQL 9",
		user: "mysql",
		setUp: func(dir string, user *credential) error {
			cmd, err := command(dir, "--initialize-insecure", "--innodb-flush-method=nosync")
			if err != nil {
				return err
			}
			init := "CREATE DATABASE IF NOT EXISTS test;\nCREATE USER IF NOT EXISTS root@127.0.0.1;\n" +
				"GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION;\n"
			if err := os.WriteFile(filepath.Join(dir, "init.sql"), []byte(init), 0o644); err != nil {
				return err
			}
			return runAs(user, dir, cmd[0], cmd[1:]...)
		},
		run: func(dir, host, port string) (*exec.Cmd, error) {
			cmd, err := command(dir, "--bind-address="+host, "--port="+port, "--mysqlx=OFF", "--socket="+
				filepath.Join(dir, "socket"),
				"--pid-file="+filepath.Join(dir, "pid"), "--max-connections=200", "--innodb-flush-log-at-trx-commit=2",
				"--skip-name-resolve", "--secure-file-priv=NULL", "--init-file="+filepath.Join(dir, "init.sql"))
			if err != nil {
				return nil, err
			}
			for _, s := range settings {
				cmd = append(cmd, "--"+s)
			}
			return exec.Command(cmd[0], cmd[1:]...), nil
		},
		open: openMySQL,
	}}
}
