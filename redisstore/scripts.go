package redisstore

// The scripts. Positions in a value are one more than in value.go, since Lua
// counts from 1; GETRANGE and SETRANGE count from 0. ARGV[1] is the version that
// was loaded and ARGV[2] the time by the caller's clock.
//
// check sets h to the version and the expiry if the session is there and alive, as
// it was loaded. Otherwise it returns.
const check = `
local h=redis.call('GETRANGE',KEYS[1],1,31)
if string.sub(h,1,16)~=ARGV[1] or string.sub(h,17,31)<=ARGV[2] then
`

const whyNot = `
  if h=='' or string.sub(h,17,31)<=ARGV[2] then return -1 end
  return 0
end
`

var (
	// ARGV[3] is the new value, ARGV[4] how long it lives in milliseconds. If the
	// version in it is the stored one, this very script has run before.
	saveScript = newScript(check + `
  if h~='' and string.sub(h,1,16)==string.sub(ARGV[3],2,17) then return 1 end` + whyNot + `
redis.call('SET',KEYS[1],ARGV[3],'PX',ARGV[4])
return 1`)

	// KEYS[2] is the new key.
	renewScript = newScript(check + `
  if redis.call('GETRANGE',KEYS[2],1,16)==string.sub(ARGV[3],2,17) then return 1 end` + whyNot + `
if not redis.call('SET',KEYS[2],ARGV[3],'PX',ARGV[4],'NX') then return -2 end
redis.call('DEL',KEYS[1])
return 1`)

	// ARGV[3] is the new expiry.
	touchScript = newScript(check + whyNot + `
redis.call('SETRANGE',KEYS[1],17,ARGV[3])
if redis.call('GETRANGE',KEYS[1],32,34)~='000' then redis.call('SETRANGE',KEYS[1],86,ARGV[2]) end
redis.call('PEXPIRE',KEYS[1],ARGV[4])
return 1`)

	deleteUnchangedScript = newScript(check + whyNot + `
redis.call('DEL',KEYS[1])
return 1`)
)
