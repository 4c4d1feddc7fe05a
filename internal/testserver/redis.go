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
func Redis(settings ...string) *Server {
	return &Server{kind: kind{
		name: "Redis",
		user: "redis",
		setUp: func(string, *credential) error {
			_, err := find("redis-server", "/usr/bin/redis-server")
			return err
		},
		run: func(dir, host, port string) (*exec.Cmd, error) {
			redis, err := find("redis-server", "/usr/bin/redis-server")
			if err != nil {
				return nil, err
			}
			cmd := exec.Command(redis, "--bind", host, "--port", port, "--dir", dir, "--save", "", "--appendonly",
				"no", "--daemonize", "no")
			for _, s := range settings {
				cmd.Args = append(cmd.Args, "--"+s)
			}
			return cmd, nil
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
