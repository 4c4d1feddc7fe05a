package signedcookie

// BuiltinWords is the built-in dictionary.
const NumRepeats = maxRepeats

var (
	BuiltinWords = builtinWords
	Unpack       = unpack
)

// Pack returns the packed form of data, or false if there is nothing to pack.
func Pack(data []byte) (text, raw []byte, ok bool) {
	var p packer
	ok = p.pack(data)
	return p.text, p.raw, ok
}

// SealPayload returns a cookie's value with any payload, protected as the store
// protects its own.
func SealPayload(s *Store, payload []byte) (string, error) {
	sealed, err := s.codec.envelopes[0].seal(new(scratch), s.cookie, append([]byte(nil), payload...))
	return base64URL.EncodeToString(sealed), err
}

// OpenPayload returns the payload of a cookie's value.
func OpenPayload(s *Store, value string) (payload []byte, ok bool) {
	work := new(scratch)
	sealed, ok := work.decodeBase64(value)
	if !ok {
		return nil, false
	}
	return s.codec.envelopes[0].open(work, s.cookie, sealed)
}

// WithoutPayloads returns a store like s that panics when it gets to the payload
// of a cookie.
func WithoutPayloads(s *Store) *Store {
	blind := *s
	c := s.codec
	blind.codec = &codec{envelopes: c.envelopes}
	blind.cache = nil
	return &blind
}

// CacheLen returns how many cookies a store's cache has.
func CacheLen(s *Store) int {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	return s.cache.cookies.Len()
}

// Decompressed inflates the DEFLATE data of a payload that has nothing else, and
// returns how many bytes that gave.
func Decompressed(payload []byte, limit int) (n int, ok bool) {
	var f inflater
	_, ok = f.inflate(payload[5:], []byte(builtinWords), limit)
	return len(f.text), ok
}
