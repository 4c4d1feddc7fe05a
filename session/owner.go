package session

import "strings"

// SetOwner says whose session this is: the application's name for the user,
// given at login, "" for nobody. Engines that can list ([OwnerLister]) or end
// ([OwnerEnder]) the sessions of an owner go by it: dbstore with Options.Owners
// does both, revocation ends them. With others it is kept in the session and
// does nothing, and [Session.EndOthers] and the like say that they cannot.
func (s *Session) SetOwner(owner string) { s.setText(ownerKey, owner) }

// SetLabel says what the owner should see the session called in a list of their
// sessions, the device for example; "" for nothing. What is not valid UTF-8 in
// it, as in a User-Agent that somebody made up, is left out.
func (s *Session) SetLabel(label string) { s.setText(labelKey, strings.ToValidUTF8(label, "")) }

// Owner returns what [Session.SetOwner] said last, or "".
func (s *Session) Owner() string { return s.getText(ownerKey) }

// Label returns what [Session.SetLabel] said last, or "".
func (s *Session) Label() string { return s.getText(labelKey) }

func (s *Session) setText(key, text string) {
	raw, err := encodeValue(key, text)
	s.mu.Lock()
	defer s.mu.Unlock()
	if text == "" {
		s.accessed = true
		s.deleteRaw(key)
		return
	}
	s.set(key, raw, err)
}

func (s *Session) getText(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accessed = true
	return s.text(key)
}

// text returns the string under a reserved key.
func (s *Session) text(key string) string {
	var text string
	if raw, ok := s.obj.get(key); ok && unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}
