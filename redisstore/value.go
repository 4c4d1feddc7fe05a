package redisstore

import (
	"strings"
	"time"

	"sessionengine/session"
)

// The parts of a value, see the package's documentation. The scripts count from
// the same places.
const (
	format     = '1'
	versionAt  = 1
	versionLen = 16
	expiresAt  = versionAt + versionLen
	timeLen    = 15
	lengthAt   = expiresAt + timeLen
	lengthLen  = 3
	headerLen  = lengthAt + lengthLen

	ownerAt      = headerLen
	ownerLen     = 24
	generationAt = ownerAt + ownerLen
	genLen       = 12
	createdAt    = generationAt + genLen
	seenAt       = createdAt + timeLen
	labelAt      = seenAt + timeLen

	// maxMeta is the most that is read of a value to learn all but its JSON.
	maxMeta = labelAt + session.MaxLabelBytes
)

// meta is what a value says of a session besides its data.
type meta struct {
	version string
	expires time.Time

	// If the session has an owner that was noted:
	owner, generation, label string
	created, seen            time.Time
}

// parseValue reads a value, or as much of one as has its label. The data is a part
// of it. It reports false for what is no session, such as the mark that one leaves
// which was ended.
func parseValue(value []byte) (m meta, data []byte, ok bool) {
	if len(value) < headerLen || value[0] != format {
		return meta{}, nil, false
	}
	n := 0
	for _, c := range value[lengthAt:headerLen] {
		if c < '0' || c > '9' {
			return meta{}, nil, false
		}
		n = 10*n + int(c-'0')
	}
	m.version = string(value[versionAt:expiresAt])
	if m.expires, ok = parseTime(value[expiresAt:lengthAt]); !ok {
		return meta{}, nil, false
	}
	if n > 0 {
		if n < labelAt-headerLen || headerLen+n > min(len(value), maxMeta) {
			return meta{}, nil, false
		}
		m.owner, m.generation = string(value[ownerAt:generationAt]), string(value[generationAt:createdAt])
		m.label = string(value[labelAt : headerLen+n])
		var ok1, ok2 bool
		m.created, ok1 = parseTime(value[createdAt:seenAt])
		m.seen, ok2 = parseTime(value[seenAt:labelAt])
		if !ok1 || !ok2 {
			return meta{}, nil, false
		}
	}
	return m, value[headerLen+n : len(value) : len(value)], true
}

// appendValue is the inverse of parseValue.
func appendValue(b []byte, m meta, data []byte) []byte {
	b = append(b, format)
	b = append(b, m.version...)
	b = appendTime(b, m.expires)
	if m.owner == "" {
		return append(append(b, "000"...), data...)
	}
	n := labelAt - headerLen + len(m.label)
	b = append(b, byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
	b = append(append(b, m.owner...), m.generation...)
	b = appendTime(appendTime(b, m.created), m.seen)
	return append(append(b, m.label...), data...)
}

// A time is in milliseconds since 1970, from 1970 to the year 33658.
const maxMilli = 999_999_999_999_999

func appendTime(b []byte, t time.Time) []byte {
	var text [timeLen]byte
	for i, n := timeLen-1, min(max(0, t.UnixMilli()), maxMilli); i >= 0; i, n = i-1, n/10 {
		text[i] = byte('0' + n%10)
	}
	return append(b, text[:]...)
}

func timeText(t time.Time) string { return string(appendTime(nil, t)) }

func parseTime(text []byte) (time.Time, bool) {
	var n int64
	for _, c := range text {
		if c < '0' || c > '9' {
			return time.Time{}, false
		}
		n = 10*n + int64(c-'0')
	}
	return time.UnixMilli(n).UTC(), true
}

// recordVersion is the Version of a record: the stored version, and of a session
// with an owner what the next save has to know of it.
func (m meta) recordVersion() string {
	if m.owner == "" {
		return m.version
	}
	return m.version + m.owner + m.generation + timeText(m.created)
}

const ownedVersionLen = versionLen + ownerLen + genLen + timeLen

// parseVersion is the inverse of recordVersion. A text that is no version gives one
// that no session has.
func parseVersion(text string) (m meta) {
	switch len(text) {
	case versionLen:
		return meta{version: text}
	case ownedVersionLen:
		created, ok := parseTime([]byte(text[ownedVersionLen-timeLen:]))
		if ok {
			return meta{
				version:    text[:versionLen],
				owner:      text[versionLen : versionLen+ownerLen],
				generation: text[versionLen+ownerLen : versionLen+ownerLen+genLen],
				created:    created,
			}
		}
	}
	return meta{version: strings.Repeat("?", versionLen)}
}
