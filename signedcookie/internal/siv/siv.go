// Package siv is deterministic authenticated encryption: AES-SIV (RFC 5297) with
// one string of associated data.
package siv

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"sync"
)

// Overhead is by how many bytes a ciphertext is longer than its plaintext.
const Overhead = aes.BlockSize

// A Cipher encrypts and decrypts with one key. It is safe for concurrent use.
type Cipher struct {
	mac, ctr cipher.Block
	// Subkeys of CMAC (RFC 4493, section 2.3), for a last block that is full and
	// for one that is padded.
	full, padded block
	// Where S2V begins (RFC 5297, section 2.4): the double of the CMAC of zeros.
	start block

	pool sync.Pool // of *work
}

type block [aes.BlockSize]byte

// work is what one call needs. It is kept, since what is handed to a
// cipher.Block is on the heap.
type work struct {
	x, d, iv block
	message  []byte
}

// New returns a cipher. The first half of the key, which has 32, 48, or 64 bytes
// in all, is for authentication, the other half for encryption.
func New(key []byte) (*Cipher, error) {
	switch len(key) {
	case 32, 48, 64:
	default:
		return nil, fmt.Errorf("siv: a key has 32, 48, or 64 bytes, and not %d", len(key))
	}
	mac, err := aes.NewCipher(key[:len(key)/2])
	if err != nil {
		return nil, err
	}
	ctr, err := aes.NewCipher(key[len(key)/2:])
	if err != nil {
		return nil, err
	}
	c := &Cipher{mac: mac, ctr: ctr}
	c.pool.New = func() any { return new(work) }
	w := new(work)
	mac.Encrypt(w.x[:], w.x[:])
	w.x.double()
	c.full = w.x
	w.x.double()
	c.padded = w.x
	w.x = block{}
	c.cmac(w, make([]byte, aes.BlockSize))
	w.x.double()
	c.start = w.x
	return c, nil
}

// Seal appends the ciphertext to dst. The same plaintext, associated data and
// key give the same ciphertext. dst may not overlap plaintext.
func (c *Cipher) Seal(dst, plaintext, associated []byte) []byte {
	w := c.pool.Get().(*work)
	defer c.pool.Put(w)
	c.s2v(w, plaintext, associated)
	dst = append(dst, w.x[:]...)
	from := len(dst)
	dst = append(dst, plaintext...)
	c.crypt(w, dst[from:])
	return dst
}

// Open appends the plaintext to dst. It reports false if the ciphertext was not
// sealed with this key and associated data, and then what is appended means
// nothing. dst may not overlap ciphertext.
func (c *Cipher) Open(dst, ciphertext, associated []byte) (plaintext []byte, ok bool) {
	if len(ciphertext) < Overhead {
		return dst, false
	}
	w := c.pool.Get().(*work)
	defer c.pool.Put(w)
	tag := ciphertext[:Overhead]
	copy(w.x[:], tag)
	from := len(dst)
	dst = append(dst, ciphertext[Overhead:]...)
	c.crypt(w, dst[from:])
	c.s2v(w, dst[from:], associated)
	if subtle.ConstantTimeCompare(w.x[:], tag) != 1 {
		clear(dst[from:])
		return dst[:from], false
	}
	return dst, true
}

// crypt encrypts or decrypts text with the synthetic IV in w.x (RFC 5297,
// sections 2.5 and 2.6).
func (c *Cipher) crypt(w *work, text []byte) {
	w.iv = w.x
	w.iv[8] &= 0x7f
	w.iv[12] &= 0x7f
	cipher.NewCTR(c.ctr, w.iv[:]).XORKeyStream(text, text)
}

// s2v leaves in w.x what S2V (RFC 5297, section 2.4) makes of two strings.
func (c *Cipher) s2v(w *work, text, associated []byte) {
	w.x = block{}
	c.cmac(w, associated)
	w.d = c.start
	subtle.XORBytes(w.d[:], w.d[:], w.x[:])
	w.message = append(w.message[:0], text...)
	if n := len(text); n >= aes.BlockSize {
		end := w.message[n-aes.BlockSize:]
		subtle.XORBytes(end, end, w.d[:])
	} else {
		w.message = append(append(w.message, 0x80), make([]byte, aes.BlockSize-1-n)...)
		w.d.double()
		subtle.XORBytes(w.message, w.message, w.d[:])
	}
	w.x = block{}
	c.cmac(w, w.message)
	clear(w.message)
}

// cmac leaves the CMAC of a message (RFC 4493, section 2.4) in w.x, which is zero
// before.
func (c *Cipher) cmac(w *work, message []byte) {
	for len(message) > aes.BlockSize {
		subtle.XORBytes(w.x[:], w.x[:], message[:aes.BlockSize])
		c.mac.Encrypt(w.x[:], w.x[:])
		message = message[aes.BlockSize:]
	}
	last := &c.full
	if len(message) < aes.BlockSize {
		last = &c.padded
		w.x[len(message)] ^= 0x80
	}
	subtle.XORBytes(w.x[:], w.x[:], message)
	subtle.XORBytes(w.x[:], w.x[:], last[:])
	c.mac.Encrypt(w.x[:], w.x[:])
}

// double multiplies by x in GF(2^128), in a time that does not depend on b (RFC
// 5297, section 2.3).
func (b *block) double() {
	carry := b[0] >> 7
	for i := range len(b) - 1 {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[len(b)-1] = b[len(b)-1]<<1 ^ 0x87&-carry
}
