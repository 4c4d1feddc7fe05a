package mysql_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"sessionengine/dbstore"
	"sessionengine/dbstore/internal/storetest"
	"sessionengine/dbstore/mysql"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

// virtual is an address that leads to one server after the other: to the next
// one where nobody answers.
type virtual struct {
	servers []*testserver.Server
	current atomic.Int64
}

// register makes the address known to the driver, as network(address).
func (v *virtual) register(network string) {
	mysqldriver.RegisterDialContext(network, func(ctx context.Context, _ string) (net.Conn, error) {
		var conn net.Conn
		var err error
		for i := range v.servers {
			server := v.servers[(int(v.current.Load())+i)%len(v.servers)]
			if conn, err = new(net.Dialer).DialContext(ctx, "tcp", server.Addr); err == nil {
				break
			}
		}
		return conn, err
	})
}

// Two servers swap their roles while the store's connections live.
func TestSaveFindsTheNewPrimaryWhenRolesAreSwapped(t *testing.T) {
	ctx := t.Context()
	first, second := server.Start(t), syncing.Start(t)
	admin1, admin2 := first.Open(t), second.Open(t)
	opts := mysql.Options{Options: dbstore.Options{Table: "swapped"}, MaxConns: 16}
	for _, s := range []*testserver.Server{first, second} {
		if err := open(t, s.URL, opts).Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		// Who may do all is not held up by read_only.
		for _, statement := range []string{"CREATE USER IF NOT EXISTS app@'%'", "GRANT ALL ON test.* TO app@'%'"} {
			if _, err := s.Open(t).Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	address := &virtual{servers: []*testserver.Server{first, second}}
	address.register("swapped")
	store := open(t, "app@swapped(x)/test", opts)
	defer admin1.Exec("SET GLOBAL read_only = 0")
	storetest.RunSwap(t, store, "swapped", admin2, func() {
		if _, err := admin1.Exec("SET GLOBAL read_only = 1"); err != nil {
			t.Fatal(err)
		}
		// Where there is no other server, the error says why.
		rec := &session.Record{Data: []byte(`{}`), Expires: time.Now().Add(time.Hour)}
		if _, err := store.Save(ctx, "", rec); err == nil || !strings.Contains(err.Error(), "1290") {
			t.Errorf("on a read-only server: %v, want error 1290", err)
		}
		address.current.Store(1)
	})
}

// The server ends connections while statements wait, or for they were idle.
func TestEndedConnections(t *testing.T) {
	for name, server := range both {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			admin := server.Start(t).Open(t)
			store := open(t, server.URL+"?wait_timeout=1", mysql.Options{Options: dbstore.Options{Table: "ended"}})
			token, _ := storetest.Begin(t, store, "0")
			storetest.FillPool(t, store, token)
			time.Sleep(2500 * time.Millisecond)
			for range 20 {
				if _, err := store.Load(ctx, token); err != nil {
					t.Fatalf("Load after the connections were idle for too long: %v", err)
				}
			}

			lock, err := admin.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			if _, err := lock.ExecContext(ctx, "LOCK TABLES ended WRITE"); err != nil {
				t.Fatal(err)
			}
			storetest.RunEnded(t, store, token, func() {
				var waiting []int
				for len(waiting) < 2 {
					waiting = nil
					rows, err := admin.Query("SELECT id FROM information_schema.processlist " +
						"WHERE state LIKE 'Waiting for table%lock'")
					if err != nil {
						t.Fatal(err)
					}
					for rows.Next() {
						var id int
						if err := rows.Scan(&id); err != nil {
							t.Fatal(err)
						}
						waiting = append(waiting, id)
					}
					if err := rows.Err(); err != nil {
						t.Fatal(err)
					}
				}
				for _, id := range waiting {
					if _, err := admin.Exec("KILL " + strconv.Itoa(id)); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := lock.ExecContext(ctx, "UNLOCK TABLES"); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// onCluster is backend on a Galera cluster, with each store and each connection
// on another node than the one before.
func onCluster(t *testing.T) storetest.Backend {
	for _, node := range galera {
		node.Start(t)
	}
	var next atomic.Int64
	elsewhere := func(place string) string {
		return strings.Replace(place, galera[0].Addr, galera[next.Add(1)%int64(len(galera))].Addr, 1)
	}
	b := backend
	b.Place = func(testing.TB) string { return galera[0].URL }
	b.Open = func(t testing.TB, place string, opts dbstore.Options) *dbstore.Store {
		return open(t, elsewhere(place), mysql.Options{Options: opts})
	}
	b.Connector = func(t testing.TB, place string) driver.Connector {
		return backend.Connector(t, elsewhere(place)+"?wsrep_sync_wait=7")
	}
	return b
}

func TestGalera(t *testing.T) {
	b := onCluster(t)
	t.Run("store", func(t *testing.T) {
		if testing.Short() {
			t.Skip("it takes long, and the code is that of TestStore")
		}
		storetest.Run(t, b)
	})
	t.Run("parallel writers on different nodes", func(t *testing.T) {
		ctx := t.Context()
		opts := mysql.Options{Options: dbstore.Options{Table: "nodes", Owners: true}}
		stores := make([]*dbstore.Store, len(galera))
		for i, node := range galera {
			stores[i] = open(t, node.URL, opts)
		}
		if err := stores[0].Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		token, err := stores[0].Save(ctx, "", &session.Record{Data: []byte("0"), Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 2 * len(stores) {
			wg.Go(func() {
				if err := storetest.Increment(ctx, stores[i%len(stores)], token); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i, store := range stores {
			rec, err := store.Load(ctx, token)
			if want := strconv.Itoa(2 * len(stores) * storetest.Increments); err != nil || string(rec.Data) != want {
				t.Errorf("on node %d the session holds %s, %v; want %s", i, rec.Data, err, want)
			}
		}
	})
	t.Run("of many who renew one token on different nodes one wins", func(t *testing.T) {
		ctx := t.Context()
		stores := make([]*dbstore.Store, len(galera))
		for i, node := range galera {
			stores[i] = open(t, node.URL, mysql.Options{Options: dbstore.Options{Table: "nodes", Owners: true}})
		}
		for range 20 {
			rec := &session.Record{Data: []byte("0"), Expires: time.Now().Add(time.Hour)}
			token, err := stores[0].Save(ctx, "", rec)
			if err != nil {
				t.Fatal(err)
			}
			var won atomic.Int64
			var wg sync.WaitGroup
			for _, store := range stores {
				wg.Go(func() {
					rec := *rec
					switch _, err := store.Renew(ctx, token, &rec); {
					case err == nil:
						won.Add(1)
					case !errors.Is(err, session.ErrGone) && !errors.Is(err, session.ErrConflict):
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Fatalf("%d have renewed the token", won.Load())
			}
		}
	})
	t.Run("a node outside its cluster is left", func(t *testing.T) {
		ctx := t.Context()
		address := &virtual{servers: galera}
		address.register("outside")
		store := open(t, "root@outside(x)/test", mysql.Options{Options: dbstore.Options{Table: "nodes"}, MaxConns: 16})
		rec := &session.Record{Data: []byte("0"), Expires: time.Now().Add(time.Hour)}
		token, err := store.Save(ctx, "", rec)
		if err != nil {
			t.Fatal(err)
		}
		storetest.FillPool(t, store, token)
		admin, err := galera[0].Open(t).Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		if _, err := admin.ExecContext(ctx, "SET GLOBAL wsrep_reject_queries = ALL"); err != nil {
			t.Fatal(err)
		}
		defer admin.ExecContext(ctx, "SET GLOBAL wsrep_reject_queries = NONE")
		if _, err := store.Load(ctx, token); err == nil || !strings.Contains(err.Error(), "1047") {
			t.Errorf("Load from a node outside its cluster: %v, want error 1047", err)
		}
		address.current.Store(1)
		for range 20 {
			if _, err := store.Load(ctx, token); err != nil {
				t.Fatalf("Load from another node: %v", err)
			}
			rec.Data = append(rec.Data, '0')
			if _, err := store.Save(ctx, token, rec); err != nil {
				t.Fatalf("Save on another node: %v", err)
			}
		}
	})
	t.Run("a node that is killed loses no acknowledged save", func(t *testing.T) {
		address := &virtual{servers: galera}
		address.register("killed")
		b := b
		b.Place = func(testing.TB) string { return "root@killed(x)/test" }
		storetest.RunFailover(t, b, func() {
			galera[0].Kill(t)
			galera[0].Restart(t)
		})
	})
}
