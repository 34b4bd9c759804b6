// Bodkin makes direct TCP connections between machines behind NATs.
//
// Each subcommand is a file of its own: flags in, library calls out. What goes wrong is said by explain, in one place,
// as what happened and what to do next; the exit codes are there too. Results go to stdout, everything else to stderr.
package main

import (
	"context"
	"io"
	"os"
	"syscall"
)

func main() {
	if !mainOfService() {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
}

// run runs the program until it is done, a signal comes or parent ends, and returns its exit code.
func run(parent context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	ctx, hangups, stop := withSignals(parent)
	defer stop()

	g := &globals{hangups: hangups}
	root := newRoot(g)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx) // what failed, failed because of the signal
	case isBrokenPipe(err):
		err = interruption{syscall.SIGPIPE} // before it was told of
	case err != nil && !g.started:
		err = usageError(err)
	}
	return report(errs, err)
}
