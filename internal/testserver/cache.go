package testserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// fromCache returns the folder of that name in the cache, which has what a newer
// Debian has in its root, and the command of a program in it: with the loader and
// the libraries of that folder, and without its root.
func fromCache(name, program string) (root string, command []string, err error) {
	root, ok := cached(name)
	if !ok {
		return "", nil, fmt.Errorf("%s is %w", name, errUnavailable)
	}
	loader, err := find(root+"/usr/lib/*-linux-gnu/ld-linux-*.so.*", root+"/lib/*-linux-gnu/ld-linux-*.so.*")
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", name, err)
	}
	var libraries []string
	for _, pattern := range []string{"/lib/*-linux-gnu", "/usr/lib/*-linux-gnu", "/usr/lib/mysql/private"} {
		found, _ := filepath.Glob(root + pattern)
		libraries = append(libraries, found...)
	}
	return root, []string{loader, "--library-path", strings.Join(libraries, ":"), filepath.Join(root, program)}, nil
}
