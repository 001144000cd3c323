package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"

	"relabel/db"
	"relabel/internal/config"
	"relabel/internal/intake"
	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/siteread"
	"relabel/internal/text"
	"relabel/internal/usecase"
	"relabel/internal/webflow"
)

// use gives a command the use cases.
func (a *app) use(s *session) *usecase.Service {
	return &usecase.Service{DB: s.DB, Site: a.realSite, CallTimeout: a.cfg.CallTimeout, Logger: a.log}
}

// actor is who runs this command, as far as the system knows.
func actor() usecase.Actor {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return usecase.Actor{Name: name, Via: usecase.ViaCommandLine}
}

// audited records a change that is no use case of its own.
func (a *app) audited(ctx context.Context, s *session, e records.AuditEntry, act func(context.Context) (rows int64, err error)) error {
	return a.use(s).Record(ctx, actor(), e, act)
}

// notice prints what a use case has to say beside its result: a warning, unless it only
// announces what it does.
func (a *app) notice(err error) {
	show := a.warn
	_, reads := errors.AsType[*usecase.ReadFirstError](err)
	if reads || errors.Is(err, usecase.ErrOld) || errors.Is(err, usecase.ErrExpected) {
		show = a.note
	}
	show("%s", err.Error()+advice(err))
}

// explain gives the exit code and the text of an error of a use case.
func explain(err error) (code int, line string) {
	notDone, mapping, read := (*usecase.NotDoneError)(nil), (*usecase.MapError)(nil), (*usecase.ReadError)(nil)
	api, setting, pooler := (*webflow.Error)(nil), (*usecase.SettingError)(nil), (*pg.PoolerError)(nil)
	switch {
	case errors.As(err, &pooler):
		return exitUsage, err.Error()
	case errors.As(err, &setting):
		return exitUsage, setting.For(argumentOf(setting.Setting))
	case errors.As(err, &notDone) && errors.Is(err, context.Canceled):
		return exitError, "interrupted: " + notDone.What
	case errors.As(err, &mapping):
		return exitUsage, "--map: " + mapping.Err.Error()
	case errors.As(err, &read) && errors.As(err, &api) && api.Kind == webflow.KindUnauthorized:
		return exitParked, err.Error() + ": the API refuses the token (401); `relabel site check` tries it"
	}
	for _, wrong := range []error{config.ErrBadToken, pg.ErrURL, intake.ErrSourceURL} {
		if errors.Is(err, wrong) {
			return exitUsage, err.Error()
		}
	}
	return exitError, err.Error() + advice(err)
}

// argumentOf is the flag of a setting, or the argument in its place.
func argumentOf(setting string) string {
	if setting == "name" || setting == "source" {
		return strings.ToUpper(setting)
	}
	return "--" + setting
}

// advice is what a person can do about an error, in the command line's words.
func advice(err error) string {
	plan, ended, site := (*usecase.IsPlanError)(nil), (*usecase.EndedError)(nil), (*siteread.NoSiteError)(nil)
	refused, unknown, sheet := (*usecase.RefusedError)(nil), (*db.LoadUnknownError)(nil), (*usecase.SheetNotice)(nil)
	used := (*db.SiteUsedError)(nil)
	switch {
	case errors.As(err, &used):
		return removalAdvice(used)
	case errors.Is(err, db.ErrSiteStays):
		return ": `relabel prune` deletes what has ended"
	case errors.As(err, &sheet):
		return "; --sheet reads another one"
	case errors.As(err, &refused):
		return ": fix " + text.ItThem(refused.Rows) + ", or load the others with --skip-invalid" + ambiguousAdvice(*refused)
	case errors.As(err, &plan):
		return fmt.Sprintf("; `relabel apply %d` sends it, `relabel batch cancel %d` discards it", plan.Batch, plan.Batch)
	case errors.As(err, &ended):
		return ": enqueue the new rows without --replace"
	case errors.As(err, &site):
		return report.SiteIDAdvice(site.Site)
	case errors.As(err, &unknown):
		return fmt.Sprintf("; `relabel status %[1]d` shows batch %[1]d if it was", unknown.Batch)
	case usecase.IsKeptNames(err):
		return "; --names-in-locales drop or refuse prevents that"
	case errors.Is(err, db.ErrNotPlanned):
		return "; `relabel plan SOURCE` makes one"
	case errors.Is(err, db.ErrNoBefore):
		return "; `relabel plan`, `run --plan` and --snapshot save them"
	case errors.Is(err, db.ErrNothingSent):
		return "; --status, --since and --until choose rows"
	}
	return lookup(err)
}

func ambiguousAdvice(e usecase.RefusedError) string {
	if e.Ambiguous == 0 {
		return ""
	}
	return "; --ambiguous all renames all assets of a name, --ambiguous skip leaves out such rows"
}

// lookup names the command that lists what exists, after an error about a name or a
// number that does not.
func lookup(err error) string {
	_, noBatch := errors.AsType[db.NoBatchError](err)
	switch {
	case errors.Is(err, db.ErrNoSite):
		return "; `relabel site list` shows those that exist"
	case errors.Is(err, records.ErrNoRename):
		return "; `relabel rows list` shows those that exist"
	case noBatch:
		return "; `relabel status` lists those that exist"
	case errors.Is(err, db.ErrNoRule):
		return "; `relabel rule list` shows those that exist"
	case errors.Is(err, db.ErrRuleExists):
		return "; --overwrite replaces it"
	case errors.Is(err, db.ErrNoToken):
		return "; `relabel token list` shows those that exist"
	case errors.Is(err, db.ErrTokenExists):
		return "; `relabel token revoke` ends it"
	case errors.Is(err, scheduledb.ErrNoSchedule):
		return "; `relabel schedule list` shows those that exist"
	case errors.Is(err, scheduledb.ErrExists):
		return "; `relabel schedule edit` changes it"
	}
	return ""
}
