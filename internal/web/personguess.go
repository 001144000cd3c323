package web

import (
	"encoding/base64"
	"fmt"
	"hash/maphash"
	"time"
)

const (
	// roleNames counts guesses at all people's passwords together, by address: nobody may
	// try one password with every name.
	roleNames Role = "names"

	// nameGroups bounds what wrong guesses at names take. Names that nobody has are
	// counted like others, so that nobody can find out which ones there are.
	nameGroups = 1024
)

// personRole stands for one person's password where others stand for a shared one.
func personRole(name string) Role {
	return Role("person-" + base64.RawURLEncoding.EncodeToString([]byte(name)))
}

// nameGroup is what guesses at a name's password are counted by.
func (l *loginLimiter) nameGroup(name string) Role {
	return Role(fmt.Sprintf("group-%d", maphash.String(l.seed, name)%nameGroups))
}

// beginPerson is begin for a person's own password. The guess counts for the name, and
// for all names.
func (l *loginLimiter) beginPerson(g guesser, name string) (wait time.Duration) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	key, known := g.key(personRole(name))
	group, one := l.guessesOf(l.nameGroup(name), key, now)
	all, each := l.guessesOf(roleNames, key, now)
	wait = max(one.wait(now, freeGuesses, longestWait), each.wait(now, 2*freeGuesses, longestWait))
	if !known {
		wait = max(wait, group.all.wait(now, freeGuessesAll, longestWaitAll), all.all.wait(now, freeGuessesAll, longestWaitAll))
	}
	if wait > 0 {
		return wait
	}
	for _, w := range []*wrongGuesses{one, each} {
		w.add(now)
	}
	if !known {
		group.all.add(now)
		all.all.add(now)
	}
	return 0
}

// succeedPerson takes back what beginPerson counted. It forgets the wrong guesses at the
// person's own name, not those at others.
func (l *loginLimiter) succeedPerson(g guesser, name string) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	key, known := g.key(personRole(name))
	group, _ := l.guessesOf(l.nameGroup(name), key, now)
	delete(group.by, key)
	all, each := l.guessesOf(roleNames, key, now)
	each.n = max(each.n-1, 0)
	if !known {
		group.all.n, all.all.n = max(group.all.n-1, 0), max(all.all.n-1, 0)
	}
}
