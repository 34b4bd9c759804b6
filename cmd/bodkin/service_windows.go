package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

// serviceRestart is how long after a failure the service is started again.
const serviceRestart = 5 * time.Second

func installWindows(c *cobra.Command, s systemService, force bool) error {
	m, err := mgr.Connect()
	if err != nil {
		return noAdministrator(err)
	}
	defer m.Disconnect()
	if old, err := m.OpenService(windowsName); err == nil {
		defer old.Close()
		return differsFrom(old, s, force)
	}
	service, err := m.CreateService(windowsName, s.program, mgr.Config{
		DisplayName: "Bodkin", Description: "Bodkin node: direct TCP connections to the other machines of a room",
		StartType: mgr.StartAutomatic, DelayedAutoStart: true, ServiceStartName: windowsAccount,
	}, windowsArgs(s.home)...)
	if err != nil {
		return noAdministrator(err)
	}
	defer service.Close()
	again := []mgr.RecoveryAction{{Type: mgr.ServiceRestart, Delay: serviceRestart}}
	err = errors.Join(service.SetRecoveryActions(again, uint32((time.Hour).Seconds())), service.SetRecoveryActionsOnNonCrashFailures(true))
	if err != nil {
		return err
	}
	eventlog.InstallAsEventCreate(windowsName, eventlog.Info|eventlog.Warning|eventlog.Error) // fails if it is there from before
	fmt.Fprintf(c.OutOrStdout(), "the service %s is installed\n%s\n", windowsName, s.hint)
	if _, err := os.Stat(s.home + `\` + membershipFile); err != nil {
		return nil // there is no room to be in
	}
	return service.Start()
}

// differsFrom tells whether a service that is there is the one that would be made, and changes nothing of it.
func differsFrom(old *mgr.Service, s systemService, force bool) error {
	config, err := old.Config()
	if err != nil {
		return err
	}
	want := windows.ComposeCommandLine(append([]string{s.program}, windowsArgs(s.home)...))
	if strings.EqualFold(config.BinaryPathName, want) {
		return nil
	}
	if !force {
		return fail("--force changes it to "+want, "the service %s is there, and runs %s", windowsName, config.BinaryPathName)
	}
	config.BinaryPathName = want
	return old.UpdateConfig(config)
}

func uninstallWindows(c *cobra.Command, s systemService) error {
	m, err := mgr.Connect()
	if err != nil {
		return noAdministrator(err)
	}
	defer m.Disconnect()
	service, err := m.OpenService(windowsName)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return fail("`bodkin service install` makes one", "there is no service %s", windowsName)
	}
	if err != nil {
		return noAdministrator(err)
	}
	defer service.Close()
	service.Control(svc.Stop) // fails if it does not run
	if err := service.Delete(); err != nil {
		return err
	}
	eventlog.Remove(windowsName)
	_, err = fmt.Fprintf(c.OutOrStdout(), "the service %s is removed\n", windowsName)
	return err
}

func noAdministrator(err error) error {
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return &failure{code: exitFailed, err: err, text: "only an administrator may change services", hint: "run it in a console that was started as administrator"}
	}
	return err
}

// mainOfService runs the program for the service manager, and tells whether that is who has started it.
func mainOfService() bool {
	if is, err := svc.IsWindowsService(); err != nil || !is {
		return false
	}
	svc.Run(windowsName, serviceHandler{runService}) // the manager hears of a failure by the exit code
	return true
}

// serviceHandler does what the service manager asks for.
type serviceHandler struct {
	run func(context.Context, io.Writer) int // until ctx ends; returns the exit code
}

func runService(ctx context.Context, errs io.Writer) int {
	return run(ctx, os.Args[1:], strings.NewReader(""), io.Discard, errs)
}

// Execute implements svc.Handler.
func (h serviceHandler) Execute(_ []string, asked <-chan svc.ChangeRequest, tell chan<- svc.Status) (own bool, code uint32) {
	var errs io.Writer = io.Discard
	if log, err := eventlog.Open(windowsName); err == nil {
		defer log.Close()
		errs = eventWriter{log}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	ended := make(chan int, 1)
	go func() { ended <- h.run(ctx, errs) }()
	running := svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	tell <- running
	for {
		select {
		case code := <-ended:
			return true, uint32(code)
		case request := <-asked:
			switch request.Cmd {
			case svc.Interrogate:
				tell <- request.CurrentStatus
			case svc.Stop, svc.Shutdown:
				tell <- svc.Status{State: svc.StopPending}
				cancel(interruption{syscall.SIGTERM})
				<-ended
				return true, 0
			}
		}
	}
}

// An eventWriter writes lines to the event log.
type eventWriter struct{ log *eventlog.Log }

// Write implements io.Writer.
func (w eventWriter) Write(p []byte) (int, error) {
	return len(p), w.log.Info(1, strings.TrimSpace(string(p)))
}
