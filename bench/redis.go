package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/internal/openredis"
	"sessionengine/redisstore"
	"sessionengine/session"
)

// redisEngines returns package redisstore on a server, or servers, of the user's own,
// by itself and behind a near cache.
//
// Each site, and each floor, has keys with a prefix of its own, which are deleted
// when it is closed. Prefixes are "sessionengine_bench_" and some random characters.
func redisEngines(server openredis.Server) []Engine {
	r := redisServer{server}
	e := Engine{
		Name:   "redisstore",
		Remote: true,
		Open: func(ctx context.Context, _ string, count *Counter) (Site, error) {
			store, release, err := r.store(ctx, count)
			if err != nil {
				return nil, err
			}
			return NewSite(store, release)
		},
		Floor: func(ctx context.Context, _ string, s Session) (*Floor, error) { return r.floor(ctx, s) },
	}
	return []Engine{e, withNearCache(e, r.store)}
}

// redisServer is one of the user's own. It is safe for concurrent use.
type redisServer struct{ openredis.Server }

// open connects, and returns a new prefix of keys and what deletes them in the end.
func (r redisServer) open(ctx context.Context, count *Counter) (client redis.UniversalClient, prefix string,
	release func() error, err error) {
	if client, err = r.Client(); err != nil {
		return nil, "", nil, err
	}
	if count != nil {
		client.AddHook(countingHook{count})
	}
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, "", nil, errors.Join(r.Error(err), client.Close())
	}
	prefix = "sessionengine_bench_" + strings.ToLower(rand.Text()[:12])
	release = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), deleteTimeout)
		defer cancel()
		return errors.Join(r.Error(openredis.DeleteKeys(ctx, client, prefix)), client.Close())
	}
	return client, prefix, release, nil
}

// deleteTimeout bounds how long the keys of a run are looked for, on a server that
// may have many millions of others.
const deleteTimeout = 2 * time.Minute

// store opens a store, and returns what closes it and deletes its keys.
func (r redisServer) store(ctx context.Context, count *Counter) (session.SessionStore, func() error, error) {
	client, prefix, release, err := r.open(ctx, count)
	if err != nil {
		return nil, nil, err
	}
	store, err := redisstore.New(client, redisstore.Options{Prefix: prefix})
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return store, func() error { return errors.Join(store.Close(), release()) }, nil
}

// floor returns a bare GET, and the same followed by the script without which no
// save can tell whether the value is still the one that was read.
func (r redisServer) floor(ctx context.Context, s Session) (*Floor, error) {
	client, prefix, release, err := r.open(ctx, nil)
	if err != nil {
		return nil, err
	}
	f := &redisFloor{client: client, data: string(s.JSON())}
	if err := f.fill(ctx, prefix); err != nil {
		return nil, errors.Join(r.Error(err), release())
	}
	return &Floor{Read: f.read, Write: f.write, Close: release}, nil
}

type redisFloor struct {
	client  redis.UniversalClient
	keys    []string
	next    int
	data    string
	value   []byte // what was read last
	written int
}

// floorVersion is how many characters of a value tell it from others.
const floorVersion = 16

// compareAndSet stores a value that lives for so many milliseconds if the one that
// is there begins with that version.
var compareAndSet = redis.NewScript(`
if redis.call('GETRANGE',KEYS[1],0,` + strconv.Itoa(floorVersion-1) + `)~=ARGV[1] then return 0 end
redis.call('SET',KEYS[1],ARGV[2],'PX',ARGV[3])
return 1`)

const floorLife = time.Hour

func (f *redisFloor) fill(ctx context.Context, prefix string) error {
	for i := range ring {
		key := fmt.Sprintf("%s:{%s}:%d", prefix, rand.Text()[:12], i)
		if err := f.client.Set(ctx, key, f.version()+f.data, floorLife).Err(); err != nil {
			return err
		}
		f.keys = append(f.keys, key)
	}
	return nil
}

func (f *redisFloor) version() string { return rand.Text()[:floorVersion] }

func (f *redisFloor) read() (err error) {
	f.next = (f.next + 1) % len(f.keys)
	f.value, err = f.client.Get(context.Background(), f.keys[f.next]).Bytes()
	return err
}

// write makes the text longer by what the requests write, with other digits each
// time.
func (f *redisFloor) write() error {
	if err := f.read(); err != nil {
		return err
	}
	f.written++
	value := f.version() + f.data + CountKey + strconv.Itoa(firstCount+f.written)
	done, err := compareAndSet.Run(context.Background(), f.client, f.keys[f.next:f.next+1],
		f.value[:floorVersion], value, floorLife.Milliseconds()).Int()
	if err == nil && done != 1 {
		err = errors.New("somebody else has changed a key of the floor")
	}
	return err
}

// countingHook counts what a client sends: a command, a script, and what is sent
// together, as a pipeline or a transaction, is a round trip each.
type countingHook struct{ count *Counter }

func (h countingHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h countingHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.count.Add(1)
		return next(ctx, cmd)
	}
}

func (h countingHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.count.Add(1)
		return next(ctx, cmds)
	}
}
