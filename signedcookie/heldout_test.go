package signedcookie_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"sessionengine/signedcookie"
)

const heldOutDir = "../bench/testdata/corpus/heldout"

// heldOutKinds returns the shapes that the built-in dictionary was not made
// with: see the README of the corpus.
func heldOutKinds(t testing.TB) (kinds []string) {
	t.Helper()
	files, err := os.ReadDir(heldOutDir)
	if err != nil || len(files) < 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		kinds = append(kinds, strings.TrimSuffix(file.Name(), ".jsonl"))
	}
	return kinds
}

// publicWords are the words of held-out sessions that the dictionary has because
// they are public facts, and that it would have without those sessions.
var publicWords = strings.Fields(`
	Bearer access_token expires_at expires_in openid refresh_token scope token_type
	_csrf _csrf_token claims customer email picture tenant users
	again created error example false flash https index message street success
	chuyển không đường
`)

// The dictionary has no word of a held-out shape that is not known from
// elsewhere.
func TestTheDictionaryHasNothingOfHeldOutShapes(t *testing.T) {
	notLetter := func(r rune) bool { return r != '_' && !unicode.IsLetter(r) }
	found := make(map[string]bool)
	for _, kind := range heldOutKinds(t) {
		for _, session := range corpus(t, "heldout/"+kind) {
			text, _, ok := signedcookie.Pack(session) // without what is random
			if !ok {
				text = session
			}
			for _, word := range strings.FieldsFunc(string(text), notLetter) {
				if len(word) < 5 || found[word] || !strings.Contains(signedcookie.BuiltinWords, word) {
					continue
				}
				found[word] = true
				if !slices.Contains(publicWords, word) {
					t.Errorf("%s: the dictionary has %q", kind, word)
				}
			}
		}
	}
	for _, word := range publicWords {
		if !found[word] {
			t.Errorf("%q is not in the dictionary and in a session: take it from the list", word)
		}
	}
}
