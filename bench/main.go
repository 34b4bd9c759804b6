// Package bench is what the measuring commands below it have in common: they work in a lab, and end early when they are told to.
package bench

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// Main is the rest of a command's main, once the command line is read. It enters natlab, calls run with a context that ends at the
// first interrupt, prints an error of it after the command's name, and ends the process with 1 for that.
//
// Outside natlab the same command line is read a second time: nothing may have been printed before. See natlab.Enter.
func Main(name string, run func(context.Context) error) {
	err := natlab.Enter()
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx)
		stop()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}
