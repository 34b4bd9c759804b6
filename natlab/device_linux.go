package natlab

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	mtu = 1500 // of every interface, so that TCP's MSS is 1460 (RFC 9293, section 3.7.1)

	etherLen  = 14
	sockBytes = 16 << 20
)

// A device is the lab's end of a host's interface: what the host sends is read here, what is
// written here the host receives.
//
// It is a TUN device, or an AF_PACKET socket on the far end of a veth pair. Both carry a virtio-net
// header, so the kernel may hand over many TCP segments as one packet, as it does to a network card
// (segmentation offload): this is what lets one Go process carry gigabits. Segments have the same
// size on every link, only the system calls are fewer.
type device struct {
	file    *os.File
	ether   []byte // Ethernet header of what is written, without the type; empty for TUN
	scratch []byte
	pool    *frames
}

// openDevice gives the namespace an interface and returns the lab's end of it. wires is where the
// lab's ends of veth pairs are; nil means a TUN device.
func openDevice(s *space, wires *space, name string, pool *frames) (*device, error) {
	d := &device{pool: pool, scratch: make([]byte, virtioLen+etherLen+65600)}
	var err error
	if wires == nil {
		err = s.do(func() error { return d.openTUN(name) })
	} else {
		err = d.openVeth(s, wires, name)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (d *device) openTUN(name string) error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	if err := setUpTUN(fd, name); err != nil {
		unix.Close(fd)
		return fmt.Errorf("make TUN device %s: %w", name, err)
	}
	d.file = os.NewFile(uintptr(fd), "/dev/net/tun")
	return nil
}

func setUpTUN(fd int, name string) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return err
	}
	// The device goes with its namespace, which the kernel does aside. With the descriptor, it would
	// make close wait for 30 to 50 ms.
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return err
	}
	return unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4|unix.TUN_F_TSO6)
}

func (d *device) openVeth(s, wires *space, name string) error {
	var near netlink.Link
	err := s.do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU, attrs.TxQLen = name, mtu, 1000
		pair := netlink.NewVeth(attrs)
		pair.PeerName = fmt.Sprintf("wire%d", wires.ends.Add(1))
		pair.PeerNamespace = netlink.NsFd(wires.fd)
		if err := netlink.LinkAdd(pair); err != nil {
			return fmt.Errorf("make veth pair: %w", err)
		}
		var err error
		if near, err = netlink.LinkByName(name); err != nil {
			return err
		}
		return netlink.LinkSetARPOff(near)
	})
	if err != nil {
		return err
	}
	return wires.do(func() error { return d.openFarEnd(near) })
}

// openFarEnd opens the socket on the peer of near. The host resolves no addresses (its end has ARP
// off), so it sends to its own address, which keeps the kernel that has the far end from taking the
// packets for its own.
func (d *device) openFarEnd(near netlink.Link) error {
	far, err := netlink.LinkByIndex(near.Attrs().ParentIndex)
	if err != nil {
		return fmt.Errorf("find far end of %s: %w", near.Attrs().Name, err)
	}
	if err := netlink.LinkSetUp(far); err != nil {
		return err
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open packet socket: %w", err)
	}
	for _, option := range []struct{ level, name, value int }{
		{unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
		{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
		// The kernel gives a queue to an interface some time after it comes up, and loses what is
		// sent before.
		{unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1},
		{unix.SOL_SOCKET, unix.SO_RCVBUF, sockBytes}, // an ordinary user gets net.core.rmem_max
		{unix.SOL_SOCKET, unix.SO_SNDBUF, sockBytes},
	} {
		if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
			unix.Close(fd)
			return fmt.Errorf("set packet socket option %d: %w", option.name, err)
		}
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, sockBytes) // only for real root
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sockBytes)
	address := &unix.SockaddrLinklayer{Protocol: all, Ifindex: far.Attrs().Index}
	if err := unix.Bind(fd, address); err != nil {
		unix.Close(fd)
		return fmt.Errorf("bind packet socket: %w", err)
	}
	d.ether = append(append(d.ether, near.Attrs().HardwareAddr...), far.Attrs().HardwareAddr...)
	d.file = os.NewFile(uintptr(fd), "packet socket")
	return nil
}

func (d *device) linkLen() int {
	if len(d.ether) == 0 {
		return 0
	}
	return etherLen
}

// read waits for the next packet that the host sends. One goroutine at a time may read.
func (d *device) read() (*frame, error) {
	for {
		n, err := d.file.Read(d.scratch)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, io.EOF
		}
		if n <= virtioLen+d.linkLen() {
			continue
		}
		f := d.pool.clone(d.scratch[virtioLen+d.linkLen() : n])
		if acceptOffload(f, d.scratch[:virtioLen], d.linkLen()) {
			return f, nil
		}
		f.free()
	}
}

// write hands the host a packet and frees it. It does not wait: what the host cannot take is lost.
func (d *device) write(f *frame) {
	defer f.free()
	link := d.linkLen()
	buf := f.store[headroom-link-virtioLen : headroom+len(f.data)]
	requestOffload(f, buf[:virtioLen], link)
	if link > 0 {
		copy(buf[virtioLen:], d.ether)
		binary.BigEndian.PutUint16(buf[virtioLen+12:], etherType(f.data))
	}
	d.file.Write(buf) // an interface that is full, down or closed loses packets, as anywhere
}

func (d *device) close() error { return d.file.Close() }

func etherType(packet []byte) uint16 {
	if packet[0]>>4 == 6 {
		return unix.ETH_P_IPV6
	}
	return unix.ETH_P_IP
}
