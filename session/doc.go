// Package session keeps what a web application remembers of a visitor between
// requests.
package session
