package main

import (
	"log/slog"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"
)

// States of a service, as sd_notify(3) has them.
const (
	serviceReady     = daemon.SdNotifyReady
	serviceReloading = daemon.SdNotifyReloading
	serviceStopping  = daemon.SdNotifyStopping
)

// notify tells systemd how this process stands. Where nobody has asked for that (NOTIFY_SOCKET), it does nothing.
func notify(log *slog.Logger, states ...string) {
	text := strings.Join(states, "\n")
	if states[0] == serviceReloading {
		text += "\n" + daemon.SdNotifyMonotonicUsec() // of Type=notify-reload
	}
	if _, err := daemon.SdNotify(false, text); err != nil {
		log.Warn("the service manager was not told", "err", err)
	}
}
