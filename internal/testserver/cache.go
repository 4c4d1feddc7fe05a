package testserver

import (
	"os"
	"path/filepath"
)

// cacheVariable names the environment variable that says where .ci/run keeps
// what it has unpacked for the tests: databases and Djangos that the machine's
// own packages do not have.
const cacheVariable = "SESSIONENGINE_CACHE"

// cached returns the folder of that name in the cache, and whether there is
// one. Without the variable, the cache is the folder sessionengine of the
// user's cache, or of the machine's.
func cached(name string) (dir string, ok bool) {
	places := []string{os.Getenv(cacheVariable)}
	if places[0] == "" {
		places = []string{"/var/cache/sessionengine"}
		if user, err := os.UserCacheDir(); err == nil {
			places = []string{filepath.Join(user, "sessionengine"), places[0]}
		}
	}
	for _, place := range places {
		dir := filepath.Join(place, name)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, true
		}
	}
	return "", false
}
