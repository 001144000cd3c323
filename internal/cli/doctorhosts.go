package cli

import (
	"fmt"

	"relabel/internal/pg"
)

// examineHosts has a line for each host of a DATABASE_URL with several.
func examineHosts(hosts []pg.Host) (found []finding) {
	var newest int64
	for _, h := range hosts {
		newest = max(newest, h.Timeline)
	}
	for _, h := range hosts {
		found = append(found, examineHost(h, newest))
	}
	return found
}

func examineHost(h pg.Host, newest int64) finding {
	switch {
	case h.Err != nil:
		return finding{"host", false, fmt.Sprintf("%s: %v", h.Address, h.Err)}
	case h.Writable && h.Timeline < newest:
		return finding{"host", false, fmt.Sprintf("%s is an old primary (timeline %d, the newest is %d), which relabel does not use: stop it, and make it a standby with pg_rewind",
			h.Address, h.Timeline, newest)}
	case h.Writable:
		return finding{"host", true, h.Address + " is the primary"}
	}
	return finding{"host", true, h.Address + " is a standby"}
}
