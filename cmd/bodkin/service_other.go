//go:build !windows

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

var errNotWindows = errors.New("this is not Windows")

func installWindows(*cobra.Command, systemService, bool) error { return errNotWindows }

func uninstallWindows(*cobra.Command, systemService) error { return errNotWindows }

// mainOfService is for Windows alone: other managers start a program as a person does.
func mainOfService() bool { return false }
