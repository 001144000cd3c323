//go:build unix

package embedpg

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
)

// instance is the private PostgreSQL of one state folder, as one command sees it.
type instance struct {
	layout
	cfg     Config
	log     *slog.Logger
	account account
}

// startOrJoin joins the running server or starts one. If there is no data folder, it makes one first. The caller holds
// the control lock.
func (in *instance) startOrJoin(ctx context.Context) (major int, r running, err error) {
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

// accountFor chooses the server's account and checks that it can reach its data. Major 0 means that there is no data yet.
func (in *instance) accountFor(major int) (account, error) {
	dataDir := ""
	if major != 0 {
		dataDir = in.data(major)
	}
	a, err := chooseAccount(dataDir, in.log)
	if err != nil {
		return account{}, err
	}
	if err := a.checkReach(string(in.layout)); err != nil {
		return account{}, fmt.Errorf("%w: set RELABEL_STATE_DIR to a folder it can reach, such as %s", err, rootStateDir(runtime.GOOS))
	}
	return a, nil
}

// binaries finds or downloads the programs for the data folder. Data of another major version is never converted. It is
// also never left aside for an empty database, which would look like the loss of everything.
func (in *instance) binaries(ctx context.Context, major int) (binaries, error) {
	f := in.finder()
	bin, others, err := f.find(ctx, major)
	if err != nil || bin.dir != "" {
		return bin, err
	}
	if len(others) > 0 {
		return binaries{}, in.otherMajor(major, others)
	}
	in.log.Info("no PostgreSQL on this machine: downloading the server's binaries, 15 to 30 MB", "into", f.cache)
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
	return &finder{search: *s, cache: filepath.Join(string(in.layout), "binaries"), account: in.account}
}

// notes lists why folders were skipped, for the end of an error.
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
