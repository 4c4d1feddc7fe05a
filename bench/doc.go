// Package bench measures what keeping sessions costs a web application, for
// each engine, per request: time, allocations, store queries, and the bytes of
// cookies in both directions.
package bench
