package dbstore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"sessionengine/dbstore"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

// Each commit waits for the disk.
var syncing = testserver.Postgres("fsync=on")

// BenchmarkSharedStatement compares saves on PostgreSQL that share statements,
// when they have to wait for a connection, with saves that do not. Both take turns
// in each iteration, so that what else the machine does concerns both:
//
//	go test -run=^$ -bench=SharedStatement -benchtime=14x ./dbstore
func BenchmarkSharedStatement(b *testing.B) {
	for _, conns := range []int{16, 4} {
		for _, par := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("conns=%d/par=%d", conns, par), func(b *testing.B) { compareShared(b, conns, par) })
		}
	}
}

func compareShared(b *testing.B, conns, par int) {
	config, err := pgx.ParseConfig(syncing.Start(b).URL)
	if err != nil {
		b.Fatal(err)
	}
	var stores [2]*dbstore.Store // with, and without
	for i := range stores {
		db := stdlib.OpenDB(*config)
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		if stores[i], err = dbstore.New(db, dbstore.Postgres,
			dbstore.Options{OwnDB: true, NoPrepare: true}); err != nil {
			b.Fatal(err)
		}
		defer stores[i].Close()
		if err := stores[i].Migrate(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	stores[1].DoNotShare()
	recs, tokens := make([]session.Record, par), make([]string, par)
	data := strings.Repeat("x", 500)
	for i := range recs {
		recs[i] = session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)}
		if tokens[i], err = stores[0].Save(b.Context(), "", &recs[i]); err != nil {
			b.Fatal(err)
		}
	}
	saves := min(100*par, 1600)
	round := func(store *dbstore.Store) time.Duration {
		start := time.Now()
		var wg sync.WaitGroup
		for i := range par {
			wg.Go(func() {
				for n := range saves / par {
					recs[i].Data = fmt.Append(nil, data, n)
					if _, err := store.Save(context.Background(), tokens[i], &recs[i]); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		return time.Since(start) / time.Duration(saves)
	}
	round(stores[0])
	round(stores[1])
	var took [2][]time.Duration
	for b.Loop() {
		first := len(took[0])
		for i := range stores {
			i = (i + first) % 2
			took[i] = append(took[i], round(stores[i]))
		}
	}
	for i, name := range []string{"shared", "alone"} {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][0].Microseconds()), name+"-fastest-µs/save")
		b.ReportMetric(float64(took[i][len(took[i])/2].Microseconds()), name+"-median-µs/save")
	}
	b.ReportMetric(float64(took[0][0])/float64(took[1][0]), "fastest-ratio")
	b.ReportMetric(float64(took[0][len(took[0])/2])/float64(took[1][len(took[1])/2]), "median-ratio")
	b.ReportMetric(0, "ns/op")
}
