package session

import (
	"strings"
	"unicode/utf8"
)

// What a session is given as its owner and its label is bounded, since both go
// into lists that live longer than a request.
const (
	MaxOwnerBytes = 255
	MaxLabelBytes = 255
)

// SetOwner says whose session this is: the application's name for the user,
// given at login, "" for nobody. One of more than [MaxOwnerBytes] or that is not
// valid UTF-8 is an error that [Session.Err] reports. Engines that can list
// ([OwnerLister]) or end ([OwnerEnder]) the sessions of an owner go by it: dbstore
// with Options.Owners does both, revocation ends them. With others it is kept in
// the session and does nothing, and [Session.EndOthers] and the like say that they
// cannot. A session that has an owner and no values is still empty, and not
// stored: see [Session.IsEmpty].
func (s *Session) SetOwner(owner string) {
	if len(owner) > MaxOwnerBytes {
		s.req.mu.Lock()
		defer s.req.mu.Unlock()
		s.fail(errOwner)
		return
	}
	s.setText(ownerKey, owner)
}

// SetLabel says what the owner should see the session called in a list of their
// sessions, the device for example; "" for nothing. What is not valid UTF-8 in
// it, as in a User-Agent that somebody made up, is left out, and what is beyond
// [MaxLabelBytes] is cut off, at the beginning of a character.
func (s *Session) SetLabel(label string) { s.setText(labelKey, CleanLabel(label)) }

// CleanLabel returns what is kept of a label, see [Session.SetLabel]. Engines that
// keep labels call it for records that have not come from the middleware.
func CleanLabel(label string) string {
	if len(label) > 4*MaxLabelBytes { // no need to look at all of a megabyte
		label = label[:4*MaxLabelBytes]
	}
	label = strings.ToValidUTF8(label, "")
	if len(label) > MaxLabelBytes {
		n := MaxLabelBytes
		for !utf8.RuneStart(label[n]) {
			n--
		}
		label = label[:n]
	}
	return label
}

// Owner returns what [Session.SetOwner] said last, or "".
func (s *Session) Owner() string { return s.getText(ownerKey) }

// Label returns what [Session.SetLabel] said last, or "".
func (s *Session) Label() string { return s.getText(labelKey) }

func (s *Session) setText(key, text string) {
	raw, err := encodeValue(key, text)
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	if text == "" {
		s.accessed = true
		s.deleteRaw(key)
		return
	}
	s.set(key, raw, err)
}

func (s *Session) getText(key string) string {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	return s.text(key)
}

// text returns the string under a reserved key.
func (s *Session) text(key string) string { return s.obj.text(key) }
