package people

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// The parameters of Hash: OWASP's minimum for argon2id, some 30 ms on a small server.
const (
	memoryKB = 19 << 10
	rounds   = 2
	threads  = 1
	saltSize = 16
	keySize  = 32
)

// The highest parameters of a hash in the file. A dashboard shares its machine with workers,
// so a login must not use up the machine's memory.
const (
	maxMemoryKB = 256 << 10
	maxRounds   = 16
	maxThreads  = 16
	maxBcrypt   = 15 // 2 s or so
	maxBytes    = 64 // of a salt or key
)

// MinPassword is the least length of a password in characters. Because failed logins are
// slowed down, guessing one takes years.
const MinPassword = 8

// Hash returns the argon2id hash of a password as a PHC string.
func Hash(password string) string {
	h := argon{memory: memoryKB, rounds: rounds, threads: threads, salt: make([]byte, saltSize)}
	_, _ = rand.Read(h.salt) // never fails
	h.key = h.derive(password, keySize)
	return h.String()
}

// Line returns the line of a person for the file.
func Line(name string, r Role, hash string) string { return name + ":" + string(r) + ":" + hash }

// hash is a password's hash of either kind.
type hash interface{ matches(password string) bool }

func parseHash(text string) (hash, error) {
	if strings.HasPrefix(text, "$argon2id$") {
		return parseArgon(text)
	}
	cost, err := bcrypt.Cost([]byte(text))
	switch {
	case err != nil || len(text) != 60: // bcrypt itself ignores what follows
		return nil, errors.New("the hash is neither argon2id ($argon2id$…) nor bcrypt ($2b$…); `relabel user hash NAME` makes one")
	case cost > maxBcrypt:
		return nil, fmt.Errorf("the hash takes too long: bcrypt's cost is %d at most, not %d", maxBcrypt, cost)
	}
	return bcryptHash(text), nil
}

type bcryptHash string

func (h bcryptHash) matches(password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(h), []byte(password)) == nil
}

// argon is an argon2id hash with its parameters.
type argon struct {
	memory, rounds uint32 // memory in KB
	threads        uint8
	salt, key      []byte
}

func (h argon) derive(password string, size uint32) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.rounds, h.memory, h.threads, size)
}

func (h argon) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.key, h.derive(password, uint32(len(h.key)))) == 1
}

// String returns the PHC string.
func (h argon) String() string {
	text := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.rounds, h.threads, text(h.salt), text(h.key))
}

func parseArgon(text string) (h argon, err error) {
	wrong := errors.New("the argon2id hash is damaged: its form is $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY")
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, wrong
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.rounds, &h.threads); err != nil {
		return h, wrong
	}
	var saltErr, keyErr error
	h.salt, saltErr = base64.RawStdEncoding.DecodeString(parts[4])
	h.key, keyErr = base64.RawStdEncoding.DecodeString(parts[5])
	switch {
	case saltErr != nil, keyErr != nil, h.String() != text, len(h.salt) < 8, len(h.salt) > maxBytes, len(h.key) < 16, len(h.key) > maxBytes:
		return h, wrong
	case h.threads < 1 || h.rounds < 1 || h.memory < 8*uint32(h.threads): // argon2 panics at 0
		return h, wrong
	case h.memory > maxMemoryKB || h.rounds > maxRounds || h.threads > maxThreads:
		return h, fmt.Errorf("the hash takes too long: argon2id has m=%d,t=%d,p=%d at most", maxMemoryKB, maxRounds, maxThreads)
	}
	return h, nil
}
