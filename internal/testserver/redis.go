package testserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"time"
)

// Redis returns a Redis server that has not been started yet. It accepts
// everybody without a password, and writes nothing to the disk: what it holds is
// gone when it ends. Settings, such as "maxmemory 1mb", take precedence.
func Redis(settings ...string) *Server { return redis7.server(nil, settings) }

// Valkey is like [Redis] for Valkey 8, from a folder of the cache.
func Valkey(settings ...string) *Server { return valkey8.server(nil, settings) }

// redisKind is what differs between Redis and Valkey.
type redisKind struct {
	name    string
	program func() (command []string, err error)
}

var (
	redis7 = redisKind{"Redis", func() ([]string, error) {
		path, err := find("redis-server", "/usr/bin/redis-server")
		return []string{path}, err
	}}
	valkey8 = redisKind{"Valkey 8", func() ([]string, error) {
		_, command, err := fromCache("valkey-8", "usr/bin/valkey-server")
		return command, err
	}}
)

// server returns a server of that kind. more, unless nil, returns further
// arguments; it is called each time that the server is started.
func (k redisKind) server(more func(dir, host, port string) ([]string, error), settings []string) *Server {
	return &Server{kind: kind{
		name: k.name,
		user: "redis",
		setUp: func(string, *credential) error {
			_, err := k.program()
			return err
		},
		run: func(dir, host, port string) (*exec.Cmd, error) {
			args, err := k.program()
			if err != nil {
				return nil, err
			}
			args = append(args, "--bind", host, "--port", port, "--dir", dir, "--save", "", "--appendonly", "no",
				"--daemonize", "no", "--repl-diskless-sync-delay", "0")
			if more != nil {
				further, err := more(dir, host, port)
				if err != nil {
					return nil, err
				}
				args = append(args, further...)
			}
			for _, s := range settings {
				args = append(args, "--"+s)
			}
			return exec.Command(args[0], args[1:]...), nil
		},
		open: func(addr string) (driver, url string) { return "", "redis://" + addr + "/0" },
		ping: pingRedis,
	}}
}

// pingRedis sends PING as an inline command of the Redis serialization protocol
// (https://redis.io/docs/latest/develop/reference/protocol-spec/#inline-commands).
func pingRedis(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprint(conn, "PING\r\n"); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && answer != "+PONG\r\n" {
		err = errors.New("it answers " + answer)
	}
	return err
}
