package recent_test

import (
	"fmt"
	"testing"

	"sessionengine/internal/recent"
)

func TestWhatIsUsedStaysAndTheRestGoes(t *testing.T) {
	const size = 100
	c := recent.New(size, func(_ string, n int) int { return n })
	c.Put("in use", 7)
	for i := range 1000 {
		if n, ok := c.Get("in use"); !ok || n != 7 {
			t.Fatalf("after %d: %d, %v", i, n, ok)
		}
		key := fmt.Sprint(i)
		c.Put(key, 1+i%5)
		if n, ok := c.Get(key); !ok || n != 1+i%5 {
			t.Fatalf("after %d: %d, %v", i, n, ok)
		}
	}
	sum := 0
	for i := range 1000 {
		if n, ok := c.Get(fmt.Sprint(i)); ok {
			sum += n
		}
	}
	if sum > size || sum < size/4 {
		t.Errorf("entries of %d together are there, of %d", sum, size)
	}
	if _, ok := c.Get("0"); ok {
		t.Error("the oldest entry is there")
	}
}

func TestEntriesAreReplacedAndForgotten(t *testing.T) {
	c := recent.New(100, func(_ string, n int) int { return n })
	has := func(key string, want int) {
		t.Helper()
		if n, ok := c.Get(key); n != want || ok != (want != 0) {
			t.Errorf("%s: %d, %v, want %d", key, n, ok, want)
		}
	}
	has("a", 0)
	for range 100 { // what is replaced does not count
		c.Put("a", 20)
		c.Put("b", 30)
	}
	has("a", 20)
	has("b", 30)
	c.Put("c", 40) // a and b are older now
	c.Put("a", 10)
	has("a", 10)
	c.Put("too large", 51)
	has("too large", 0)
	c.Delete("a")
	c.Delete("b")
	c.Delete("d")
	has("a", 0)
	has("b", 0)
	if n := c.Len(); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
	c.Clear()
	has("c", 0)
	c.Put("c", 50)
	has("c", 50)
}
