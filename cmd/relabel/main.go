// Command relabel renames assets on Webflow sites in bulk.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"relabel/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)                            // restores the default: a second signal ends the process at once
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // when the reader ends (| head), writing returns an error instead
	os.Exit(cli.Run(ctx, cli.Params{
		Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, LookupEnv: os.LookupEnv,
	}))
}
