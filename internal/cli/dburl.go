package cli

import (
	"context"
	"errors"
	"fmt"

	"relabel/internal/embedpg"
)

// dbURL keeps the server running until a signal: the address is valid only while the
// server runs.
func (a *app) dbURL(ctx context.Context, cfg embedpg.Config) error {
	s, err := embedpg.Open(ctx, cfg)
	if err != nil {
		return err
	}
	if a.json {
		err = a.result.print(urlJSON{s.URL()})
	} else {
		_, err = fmt.Fprintln(a.Out, s.URL())
	}
	if err == nil {
		a.note("it runs until you press Ctrl-C")
		<-ctx.Done()
	}
	return errors.Join(err, closeServer(s))
}
