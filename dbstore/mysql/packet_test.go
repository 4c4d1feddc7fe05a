package mysql_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/mysql"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

// A session that the server's max_allowed_packet does not let through is too
// large, and not a failure after which to try again.
func TestSessionAboveMaxAllowedPacket(t *testing.T) {
	small := testserver.MySQL("max_allowed_packet=1M")
	small.Start(t)
	defer small.Stop()
	ctx := context.Background()
	store, err := mysql.Open(ctx, small.URL, mysql.Options{Options: dbstore.Options{MaxBytes: 64 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{2 << 20, 20 << 20} {
		rec := &session.Record{Data: []byte(`"` + strings.Repeat("x", size) + `"`), Expires: time.Now().Add(time.Hour)}
		_, err = store.Save(ctx, "", rec)
		if _, ok := errors.AsType[*session.TooLargeError](err); !ok ||
			session.ErrorStatus(err) != http.StatusInternalServerError {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	// A change sends what was read, too.
	rec := &session.Record{Data: []byte(`"` + strings.Repeat("x", 600<<10) + `"`), Expires: time.Now().Add(time.Hour)}
	token, err := store.Save(ctx, "", rec)
	if err != nil {
		t.Fatal(err)
	}
	rec.Data = []byte(`"` + strings.Repeat("y", 600<<10) + `"`)
	_, err = store.Save(ctx, token, rec)
	if _, ok := errors.AsType[*session.TooLargeError](err); !ok {
		t.Errorf("a change of 600 KiB to 600 KiB: %v", err)
	}
	if _, err := store.Save(ctx, "", &session.Record{Data: []byte(`{}`),
		Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Errorf("a small session afterwards: %v", err)
	}
}
