package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var updateASVS = flag.Bool("update", false, "write ASVS.md anew")

// A row of ASVS.md: a requirement, in our words, what meets it with
// session.Options.Strict, where it cannot be met, what the application has to do,
// and the tests that show it, each as "folder: name".
type requirement struct {
	id, level, wants, meets, not, left string
	tests                              []string
}

const asvsHead = `# What a security review asks, and what answers it

Written by ` + "`go test . -run TestASVS -update`" + `; a test fails when it differs or when a test that it names is gone. The
requirements are those of OWASP ASVS 5.0 (chapters V3, V7 and V9) and of NIST SP 800-63B-4, section 5.1, in our words; the
originals count. All of it is with ` + "`session.Options.Strict`" + `. "Cookies" are those of ` + "`signedcookie`" + ` with the scheme
` + "`Sealed`" + `; "servers" are ` + "`dbstore` and `redisstore`" + `, "owners" their option of that name.

`

var asvs = []requirement{
	{"7.1.1", "2", "timeouts are documented, and deviations from NIST argued", "Strict asks for both", "", "the document",
		[]string{"session: TestStrictRefusesWeakOptions"}},
	{"7.1.2", "2", "a limit on an account's sessions is documented, and what happens beyond it",
		"`SessionsPerOwner`, `BeyondLimit`; servers with owners",
		"cookies, `revocation`, `combined`: refused when the Manager is built",
		"the number", []string{"session: TestSessionsPerOwner", "session: TestSessionsPerOwnerAtOnce",
			"session: TestSessionsPerOwnerNeedsAList"}},
	{"7.2.1", "1", "tokens are verified on the server", "every engine", "", "",
		[]string{"session: TestRule9_ATokenThatTheClientChoseIsNeverAdopted"}},
	{"7.2.2", "1", "tokens are made for each session", "every engine", "", "",
		[]string{"session: TestRule9_ATokenThatTheClientChoseIsNeverAdopted"}},
	{"7.2.3", "1", "reference tokens are random, with 128 bits or more",
		"`dbstore`: 165 bits; `redisstore`: 144", "",
		"", []string{"dbstore: TestTokensUseTheirAlphabetEvenly"}},
	{"7.2.4", "1", "a new token at authentication and re-authentication; the old one ends",
		"`SetOwner`, `SetAuthenticated` and `Renew`", "cookies without `revocation`: refused", "to call `SetAuthenticated`",
		[]string{"session: TestAnOwnerChangeRenews", "session: TestAuthenticated"}},
	{"7.3.1", "2", "an inactivity timeout", "`IdleTimeout`, on the server", "", "how long",
		[]string{"session: TestStrictTimeouts"}},
	{"7.3.2", "2", "an absolute timeout", "`AbsoluteTimeout`, on the server", "", "how long",
		[]string{"session: TestStrictTimeouts"}},
	{"7.4.1", "1", "logout and expiry end the session, and going back does not resume it",
		"`Flush`; `no-store`; `ClearSiteData`", "cookies without `revocation`: refused", "relying parties",
		[]string{"session: TestStrictCookieAndCaches", "session: TestStrictRefusesEngines"}},
	{"7.4.2", "1", "all sessions of an account end when it is disabled",
		"`EndSessions`: servers with owners, `revocation`", "",
		"to call it", []string{"revocation: TestConformance", "dbstore/sqlite: TestStore"}},
	{"7.4.3", "2", "the other sessions can be ended after a change of a factor", "`EndOthers`, likewise", "", "to offer it",
		[]string{"revocation: TestConformance", "dbstore/sqlite: TestStore"}},
	{"7.4.4", "2", "a logout on every page", "", "", "all of it", nil},
	{"7.4.5", "2", "administrators can end one user's or everybody's sessions",
		"`EndSessions`; `EndAllSessions`: `dbstore`", "everybody's in cookies: a new secret", "the page",
		[]string{"session: TestEndAllSessionsOfAManager"}},
	{"7.5.1", "2", "re-authentication before an account's factors change", "`RequireRecent`", "", "to use it",
		[]string{"session: TestRequireRecent"}},
	{"7.5.2", "2", "users see their sessions and end each", "`Sessions`, `EndSession`: servers with owners",
		"cookies, `revocation`, `combined`", "the page", []string{"dbstore/sqlite: TestStore"}},
	{"7.5.3", "3", "re-authentication before what matters most", "`RequireRecent` with methods", "", "to use it",
		[]string{"session: TestRequireRecent"}},
	{"3.3.1, 3.3.3", "1, 2", "Secure, and a name with `__Host-`", "`__Host-sessionid`", "", "",
		[]string{"session: TestStrictCookieAndCaches", "session: TestStrictRefusesWeakOptions"}},
	{"3.3.2", "2", "SameSite", "Lax or Strict", "", "", []string{"session: TestStrictRefusesWeakOptions"}},
	{"3.3.4", "2", "HttpOnly", "always", "", "not to put `Token` into pages",
		[]string{"session: TestStrictCookieAndCaches"}},
	{"3.3.5", "3", "at most 4096 bytes", "`TooLargeError`", "", "",
		[]string{"signedcookie: TestLimitIsExact", "session: TestATooLargeCookieIsAnErrorBeforeAnyHeader"}},
	{"3.5.1", "1", "requests that other sites forge are refused", "`CrossOrigin`, of the standard library", "",
		"that GET changes nothing; the Origin of WebSockets", []string{"session: TestStrictRefusesOtherSites"}},
	{"9.2.3, 9.2.4", "2", "tokens are for one audience",
		"`signedcookie.Options.Context`, and the cookie's name", "", "a context, or a secret, for each site",
		[]string{"signedcookie: TestCookieOfOneNameIsWorthNothingInAnother", "signedcookie: TestContextKeepsSitesApart"}},
	{"63B-4 5.1", "", "the secret expires on the server; no clear text about people in cookies",
		"timeouts; readable cookies are refused", "", "",
		[]string{"session: TestStrictTimeouts", "session: TestStrictRefusesEngines"}},
}

func TestASVS(t *testing.T) {
	var b strings.Builder
	b.WriteString(asvsHead)
	b.WriteString("| id | level | wants | met by | not possible with | left to the application | tests |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range asvs {
		var tests []string
		for _, name := range r.tests {
			folder, test, _ := strings.Cut(name, ": ")
			if !hasTest(t, folder, test) {
				t.Errorf("%s: %s has no test %s", r.id, folder, test)
			}
			tests = append(tests, "`"+folder+"`: `"+test+"`")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.id, r.level, r.wants, r.meets, r.not, r.left,
			strings.Join(tests, "; "))
	}
	if *updateASVS {
		if err := os.WriteFile("ASVS.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("ASVS.md"); err != nil || string(got) != b.String() {
		t.Errorf("ASVS.md is not what this test writes: run it with -update (%v)", err)
	}
}

func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(folder + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name+"(") {
			return true
		}
	}
	return false
}
