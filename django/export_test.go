package django

// SignCookie signs any text as the value of a cookie, body and timestamp as
// they are.
func SignCookie(secretKey, body, timestamp string) string {
	return sign(cookieSalt, secretKey, body, timestamp)
}

// SignRow does so for a session_data.
func SignRow(secretKey, body, timestamp string) string {
	return sign(rowSalt, secretKey, body, timestamp)
}

func sign(salt, secretKey, body, timestamp string) string {
	value := body + ":" + timestamp
	return value + ":" + newSigner(salt, []string{secretKey}, false, 0).macs[0].signature(value)
}

var (
	Serialize   = serialize
	Deserialize = deserialize
)
