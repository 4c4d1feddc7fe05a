package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good = "kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="

func TestWhatIsAroundASecretIsNoPartOfIt(t *testing.T) {
	for _, text := range []string{good, good + "\n", good + "\r\n", "\ufeff" + good, "\ufeff" + good + "\r\n", " \t" +
		good + " \n\n", "\n\n" + good} {
		if got := Trim([]byte(text)); string(got) != good {
			t.Errorf("Trim(%q) is %q", text, got)
		}
		if got, err := Parse([]byte(text), "text"); err != nil || len(got) != 1 || string(got[0]) != good {
			t.Errorf("Parse(%q) is %q, %v", text, got, err)
		}
	}
	// Random bytes are as they are.
	for _, b := range []string{"\x01\xf2\x83" + good + "\xff\n", "\n\x00" + good, good + "\xff "} {
		if got := Trim([]byte(b)); string(got) != b {
			t.Errorf("Trim(%q) is %q", b, got)
		}
		if got, err := Parse([]byte(b), "text"); err != nil || len(got) != 1 || string(got[0]) != b {
			t.Errorf("Parse(%q) is %q, %v", b, got, err)
		}
	}
}

func TestSecretsInLines(t *testing.T) {
	raw := []byte{0xfb, 0xff, 1, 2, 3}
	for text, encoding := range map[string]string{
		"\ufeffone two\r\n\r\n third\n": "text",
		"+/8BAgM=\n-_8BAgM\n":           "base64",
		"fbff010203\r\nFBFF010203":      "hex",
	} {
		got, err := Parse([]byte(text), encoding)
		if err != nil || len(got) != 2 {
			t.Fatalf("%s: %q, %v", encoding, got, err)
		}
		if encoding == "text" {
			if string(got[0]) != "one two" || string(got[1]) != "third" {
				t.Errorf("%q", got)
			}
		} else if !bytes.Equal(got[0], raw) || !bytes.Equal(got[1], raw) {
			t.Errorf("%s: %x", encoding, got)
		}
	}
	for text, want := range map[string]string{
		"":                         "there is no secret",
		"\ufeff\r\n \n":            "there is no secret",
		"\xff\xfea\x00b\x00":       "UTF-16",
		"ok==\n" + "no base64 !\n": "secret 2 is not base64",
	} {
		if _, err := Parse([]byte(text), "base64"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want %q", text, err, want)
		}
	}
}

func TestSourceOfSecrets(t *testing.T) {
	none := func(string) string { return "" }
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("\ufeff"+good+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Source{Encoding: "text", Variable: "V"}
	if _, err := s.Read(none); err != ErrNone {
		t.Errorf("nothing: %v", err)
	}
	if got, err := s.Read(func(string) string { return good + "\n" }); err != nil || string(got[0]) != good {
		t.Errorf("from the environment: %q, %v", got, err)
	}
	s.File = path
	if got, err := s.Read(none); err != nil || len(got) != 1 || string(got[0]) != good {
		t.Errorf("from a file: %q, %v", got, err)
	}
	// Django takes the line break for a part of its SECRET_KEY.
	if got, lines, err := s.ReadKeys(none); err != nil || lines != 1 || len(got) != 2 || string(got[1]) != "\ufeff"+
		good+"\r\n" {
		t.Errorf("keys from a file: %q, %v", got, err)
	}
	s.File = "/dev/zero"
	if _, err := os.Stat(s.File); err == nil {
		if _, err := s.Read(none); err == nil || !strings.Contains(err.Error(), "more than 65536 bytes") {
			t.Errorf("a file without an end: %v", err)
		}
	}
	s.File = filepath.Join(t.TempDir(), "none")
	if _, err := s.Read(none); err == nil || strings.Count(err.Error(), s.File) != 1 {
		t.Errorf("a file that is not there: %v", err)
	}
}

// Placeholders and examples as they stand in manuals, templates and issues.
var placeholders = []string{
	"ThisIsASecretKeyThatShouldBeChanged!",
	"my-secret-key-1 my-secret-key-1 ",
	"my-secret-key-1 my-secret-key-2 my-secret-key-3",
	"a secret of at least 32 random bytes",
	"12345678901234567890123456789012",
	"01234567890123456789012345678901",
	"0123456789abcdef0123456789abcdef",
	"0123456789abcdefghijklmnopqrstuvwxyz",
	"abcdefghijklmnopqrstuvwxyz123456",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345",
	"zyxwvutsrqponmlkjihgfedcba9876543210",
	"aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffffgggggggghhhhhhhh",
	"qwertyuiopasdfghjklzxcvbnm123456",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9",
	"keyboard cat keyboard cat keyboard cat",
	"your-256-bit-secret-your-256-bit-secret",
	"your-secret-key-must-be-at-least-32-characters-long",
	"CHANGE_ME_TO_A_LONG_RANDOM_STRING",
	"changeme-changeme-changeme-changeme!",
	"supersecretsupersecretsupersecret1",
	"a-very-secret-key-that-is-32-bytes!",
	"passphrasewhichneedstobe32bytes!",
	"the-key-has-to-be-32-bytes-long!",
	"_insert_your_secret_key_here_please_",
	"dev-secret-do-not-use-in-production",
	"development-secret-key-not-for-production-use",
	"put-your-own-random-secret-string-here",
	"ReplaceThisWithASecureRandomStringOf32Chars",
	"s3cr3t_k3y_p4ssw0rd_ch4ng3_m3_n0w!!",
	"todo-todo-replace-this-default-password",
	"correct horse battery staple correct horse battery staple",
	"django-insecure-x7)d9k$2m!q8w@z4r^t6y&u1i(o3p-a5s=d0f+g2h#j4k*l6",
	"00000000-0000-0000-0000-000000000000",
	"${SESSION_SECRET_FROM_THE_ENVIRONMENT_OF_Zk3v0qJ8}",
	"{{ vault_session_secret_Zk3v0qJ8xH2nT5b }}",
	"<Zk3v0qJ8xH2nT5bW7yR1mC4pL6sD9fGa>",
	`"` + good + `"`,
	"'" + good + "'",
	good[:20] + "\n" + good[20:],
	good + good,
	good[:31],
}

func TestPlaceholdersAreRefused(t *testing.T) {
	for _, s := range placeholders {
		problem := Weakness([]byte(s))
		if problem == "" {
			t.Errorf("%q passes, with %d pieces", s, pieces([]byte(s)))
		} else if strings.Contains(problem, s) {
			t.Errorf("%q is quoted", s)
		}
	}
}

func TestRandomSecretsAreNotRefused(t *testing.T) {
	encodings := map[string]func([]byte) []byte{
		"bytes":     bytes.Clone,
		"hex":       func(b []byte) []byte { return hex.AppendEncode(nil, b) },
		"short hex": func(b []byte) []byte { return hex.AppendEncode(nil, b[:16]) },
		"HEX":       func(b []byte) []byte { return bytes.ToUpper(hex.AppendEncode(nil, b[:16])) },
		"base64":    func(b []byte) []byte { return base64.StdEncoding.AppendEncode(nil, b) },
		"base64url": func(b []byte) []byte { return base64.RawURLEncoding.AppendEncode(nil, b[:24]) },
		"letters and digits": func(b []byte) []byte {
			for i, c := range b {
				b[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[c%36]
			}
			return b
		},
	}
	for name, encode := range encodings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 100_000
			if testing.Short() || !strings.Contains("short hex, base64", name) {
				n = 5000
			}
			random := rand.NewChaCha8([32]byte([]byte("the same secrets in each run ...")))
			least := 1000
			for range n {
				b := make([]byte, 32)
				random.Read(b)
				secret := encode(b)
				if len(secret) < 64 {
					least = min(least, pieces(secret))
				}
				if problem := Weakness(Trim(secret)); problem != "" {
					t.Fatalf("%q %s", secret, problem)
				}
			}
			// So that it is not luck.
			if least < minPieces+2 {
				t.Errorf("one of %d has %d pieces, and %d are needed", n, least, minPieces)
			}
		})
	}
}
