package signedcookie

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"sessionengine/session"
)

// A payload is what a scheme protects: a session, its expiry, and how the
// session is written. Its first byte is the version and these flags. FORMAT.md
// has the whole of it.
const (
	payloadVersion = 1
	versionShift   = 5

	flagLongExpiry = 1 << 0 // the expiry has eight bytes instead of four
	flagPacked     = 1 << 1 // runs are packed: see pack.go
	flagDeflated   = 1 << 2 // the text is DEFLATE
	flagDictionary = 1 << 3 // with the dictionary whose id follows, and not the built-in one
	flagPadded     = 1 << 4 // there is padding at the end
)

// maxRawLenSize is the greatest size of the length of raw bytes, which gets them
// beyond what a cookie can hold.
const maxRawLenSize = 2

// defaultMaxDataBytes is the default of Options.MaxDataBytes.
const defaultMaxDataBytes = 64 << 10

// maxPadTo bounds Options.PadTo: what is more does not fit into a cookie.
const maxPadTo = 2 << 10

// payloads encodes and decodes payloads.
type payloads struct {
	compression Compression
	builtin     *dictionary
	writes      *dictionary   // that new payloads use
	reads       []*dictionary // those of the site, that payloads may name
	limit       int           // bytes of a session
	padTo       int           // a payload's length is a multiple of it; 0 and 1 mean any length
}

func newPayloads(opts Options) (*payloads, error) {
	p := &payloads{compression: opts.Compression, limit: opts.MaxDataBytes, padTo: opts.PadTo}
	if p.compression < CompressionDefault || p.compression > CompressionOff {
		return nil, fmt.Errorf("signedcookie: unknown Options.Compression %d", int(p.compression))
	}
	if p.limit == 0 {
		p.limit = defaultMaxDataBytes
	}
	if p.limit < 0 {
		return nil, fmt.Errorf("signedcookie: Options.MaxDataBytes is negative: %d", p.limit)
	}
	if p.padTo < 0 || p.padTo > maxPadTo {
		return nil, fmt.Errorf("signedcookie: Options.PadTo is %d; it can be up to %d", p.padTo, maxPadTo)
	}
	if p.padTo > 1 && opts.Scheme == Signed {
		return nil, errors.New("signedcookie: Options.PadTo hides nothing in cookies that can be read: set " +
			"Options.Scheme to Sealed or Encrypted")
	}
	p.builtin = builtinDictionary()
	p.writes = p.builtin
	for i, words := range append([][]byte{opts.Dictionary}, opts.FallbackDictionaries...) {
		what := "Dictionary"
		if i > 0 {
			what = fmt.Sprintf("FallbackDictionaries[%d]", i-1)
		} else if words == nil {
			continue
		}
		d, err := newDictionary(words)
		if err != nil {
			return nil, fmt.Errorf("signedcookie: Options.%s %w", what, err)
		}
		if p.find(d.id) != nil {
			return nil, fmt.Errorf("signedcookie: Options.%s has the same id as an earlier one", what)
		}
		p.reads = append(p.reads, d)
		if i == 0 {
			p.writes = d
		}
	}
	return p, nil
}

// maxExpiry is the last second of the year 9999, beyond which neither ISO 8601
// nor every language's dates go; time.Time itself overflows far later.
const maxExpiry = 253402300799

// encode returns the payload of a session. It is valid until s is used again.
func (p *payloads) encode(s *scratch, data []byte, expires time.Time) []byte {
	flags := byte(0)
	text := data
	if p.compression != CompressionOff {
		if s.packer.pack(data) {
			flags |= flagPacked
			text = s.packer.text
		}
		s.deflated = s.deflated[:0]
		p.writes.deflate(&s.deflated, text)
		cost := 0
		if p.writes != p.builtin {
			cost = dictionaryIDLen
		}
		if len(s.deflated)+cost < len(text) {
			flags |= flagDeflated
			if p.writes != p.builtin {
				flags |= flagDictionary
			}
			text = s.deflated
		}
	}
	// What is before 1970 has expired, and so has 1970.
	seconds := uint64(min(max(0, expires.Unix()), maxExpiry))
	if seconds > math.MaxUint32 {
		flags |= flagLongExpiry
	}
	if p.padTo > 1 {
		flags |= flagPadded
	}

	b := append(s.payload[:0], payloadVersion<<versionShift|flags)
	if flags&flagLongExpiry != 0 {
		b = binary.BigEndian.AppendUint64(b, seconds)
	} else {
		b = binary.BigEndian.AppendUint32(b, uint32(seconds))
	}
	if flags&flagDictionary != 0 {
		b = append(b, p.writes.id[:]...)
	}
	if flags&flagPacked != 0 {
		b = binary.AppendUvarint(b, uint64(len(s.packer.raw)))
		b = append(b, s.packer.raw...)
	}
	b = append(b, text...)
	if flags&flagPadded != 0 {
		b = append(b, 0x80)
		for len(b)%p.padTo != 0 {
			b = append(b, 0)
		}
	}
	s.payload = b
	return b
}

// decode returns what is in a payload that was authenticated. One that encode
// does not make, or whose session is too long, gives session.ErrInvalidToken.
func (p *payloads) decode(s *scratch, payload []byte) (data []byte, expires time.Time, err error) {
	data, seconds, ok := p.parse(s, payload)
	if !ok {
		return nil, time.Time{}, session.ErrInvalidToken
	}
	return data, time.Unix(seconds, 0).UTC(), nil
}

func (p *payloads) parse(s *scratch, b []byte) (data []byte, seconds int64, ok bool) {
	if len(b) == 0 || b[0]>>versionShift != payloadVersion {
		return nil, 0, false
	}
	flags := b[0] &^ (payloadVersion << versionShift)
	b = b[1:]
	if flags&flagPadded != 0 {
		end := len(b) - 1
		for end >= 0 && b[end] == 0 {
			end--
		}
		if end < 0 || b[end] != 0x80 {
			return nil, 0, false
		}
		b = b[:end]
	}
	if flags&flagLongExpiry != 0 {
		if len(b) < 8 {
			return nil, 0, false
		}
		seconds = int64(binary.BigEndian.Uint64(b))
		b = b[8:]
	} else {
		if len(b) < 4 {
			return nil, 0, false
		}
		seconds = int64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if seconds < 0 || seconds > maxExpiry {
		return nil, 0, false
	}
	dict := p.builtin
	if flags&flagDictionary != 0 {
		if len(b) < dictionaryIDLen || flags&flagDeflated == 0 {
			return nil, 0, false
		}
		if dict = p.find([dictionaryIDLen]byte(b)); dict == nil {
			return nil, 0, false
		}
		b = b[dictionaryIDLen:]
	}
	var raw []byte
	if flags&flagPacked != 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || size > maxRawLenSize || n > uint64(len(b)-size) {
			return nil, 0, false
		}
		raw = b[size : size+int(n)]
		b = b[size+int(n):]
	}
	if flags&flagDeflated != 0 {
		if b, ok = s.inflater.inflate(b, dict.words, p.limit); !ok {
			return nil, 0, false
		}
	}
	if flags&flagPacked != 0 {
		s.unpacked, ok = unpack(s.unpacked[:0], b, raw, p.limit)
		b = s.unpacked
		if !ok {
			return nil, 0, false
		}
	}
	if len(b) > p.limit {
		return nil, 0, false
	}
	return append(make([]byte, 0, len(b)), b...), seconds, true
}

func (p *payloads) find(id [dictionaryIDLen]byte) *dictionary {
	for _, d := range p.reads {
		if d.id == id {
			return d
		}
	}
	return nil
}
