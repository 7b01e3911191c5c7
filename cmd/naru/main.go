// Command naru carries the users of a service from one version to the next without any of them noticing.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/naru-deploy/naru/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}
