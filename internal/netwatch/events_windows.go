package netwatch

import (
	"unsafe"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
	"golang.org/x/sys/windows"
)

// listen returns a channel that holds an element when the system told of an interface, an address or a route.
//
// The runtime never frees a callback and has room for some 2000 in a process, which is one for each call.
func listen(netspace.Space) (events <-chan struct{}, stop func(), err error) {
	told := make(chan struct{}, 1)
	callback := windows.NewCallback(func(context, row uintptr, kind uint32) uintptr {
		select {
		case told <- struct{}{}:
		default:
		}
		return 0
	})
	var handles []windows.Handle
	stop = func() {
		for _, h := range handles {
			windows.CancelMibChangeNotify2(h) // waits for callbacks that are running
		}
	}
	for _, notify := range []func(uint16, uintptr, unsafe.Pointer, bool, *windows.Handle) error{
		windows.NotifyIpInterfaceChange, windows.NotifyUnicastIpAddressChange, windows.NotifyRouteChange2,
	} {
		var handle windows.Handle
		if err := notify(windows.AF_UNSPEC, callback, nil, false, &handle); err != nil {
			stop()
			return nil, nil, err
		}
		handles = append(handles, handle)
	}
	return told, stop, nil
}
