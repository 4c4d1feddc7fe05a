//go:build race

package signedcookie_test

// The race detector makes sync.Pool drop what is put into it.
func init() { raceDetector = true }
