//go:build unix && !race

package chaos

const raceEnabled = false
