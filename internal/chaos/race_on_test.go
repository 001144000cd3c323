//go:build unix && race

package chaos

const raceEnabled = true
