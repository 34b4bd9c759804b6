package netwatch

import (
	"errors"
	"syscall"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// listen returns a channel that holds an element when rtnetlink told of a link, an address or a default route.
func listen(within netspace.Space) (events <-chan struct{}, stop func(), err error) {
	var socket *nl.NetlinkSocket
	err = within.Do(func() (err error) {
		socket, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK,
			unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	told, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			messages, _, err := socket.Receive()
			switch {
			case err == nil && !anyMatters(messages):
				continue
			case err != nil && !errors.Is(err, unix.ENOBUFS): // closed. ENOBUFS: messages were lost, which may have mattered
				return
			}
			select {
			case told <- struct{}{}:
			default:
			}
		}
	}()
	return told, func() { socket.Close(); <-ended }, nil
}

func anyMatters(messages []syscall.NetlinkMessage) bool {
	for _, m := range messages {
		if matters(m.Header.Type, m.Data) {
			return true
		}
	}
	return false
}

// matters passes over routes other than the default one: a router may have any number that come and go.
func matters(kind uint16, data []byte) bool {
	if kind != unix.RTM_NEWROUTE && kind != unix.RTM_DELROUTE {
		return true
	}
	const destinationLength = 1 // offset of rtm_dst_len in struct rtmsg
	return len(data) > destinationLength && data[destinationLength] == 0
}
