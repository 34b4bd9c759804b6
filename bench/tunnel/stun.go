package main

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// A STUN server (RFC 8489) with two addresses, of which each tells the other (RFC 5780, section 7.4).
const (
	stunCookie        = 0x2112a442
	stunRequest       = 0x0001
	stunSuccess       = 0x0101
	attrXORMapped     = 0x0020
	attrOtherAddress  = 0x802c
	stunHeader        = 20
	stunAddressLength = 8 // of an IPv4 address in an attribute
)

// serveSTUN answers at both addresses until one of them fails.
func serveSTUN(addrs ...string) error {
	failed := make(chan error, len(addrs))
	for i, addr := range addrs {
		conn, err := net.ListenPacket("udp4", addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		other, err := netip.ParseAddrPort(addrs[(i+1)%len(addrs)])
		if err != nil {
			return err
		}
		go func() { failed <- answer(conn.(*net.UDPConn), other) }()
	}
	return <-failed
}

func answer(conn *net.UDPConn, other netip.AddrPort) error {
	buffer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return err
		}
		if reply := bindingResponse(buffer[:n], from, other); reply != nil {
			conn.WriteToUDPAddrPort(reply, from)
		}
	}
}

// bindingResponse tells the sender of a request where it came from; nil if it is none.
func bindingResponse(request []byte, from, other netip.AddrPort) []byte {
	if len(request) < stunHeader || binary.BigEndian.Uint16(request) != stunRequest || binary.BigEndian.Uint32(request[4:]) != stunCookie {
		return nil
	}
	reply := binary.BigEndian.AppendUint16(nil, stunSuccess)
	reply = binary.BigEndian.AppendUint16(reply, 2*(4+stunAddressLength))
	reply = append(reply, request[4:stunHeader]...)
	reply = appendAddress(reply, attrXORMapped, from, stunCookie)
	return appendAddress(reply, attrOtherAddress, other, 0)
}

// appendAddress appends an attribute with an IPv4 endpoint, in which every bit of mask is turned.
func appendAddress(to []byte, attribute uint16, at netip.AddrPort, mask uint32) []byte {
	ip := at.Addr().Unmap().As4()
	to = binary.BigEndian.AppendUint16(to, attribute)
	to = binary.BigEndian.AppendUint16(to, stunAddressLength)
	to = append(to, 0, 1)
	to = binary.BigEndian.AppendUint16(to, at.Port()^uint16(mask>>16))
	return binary.BigEndian.AppendUint32(to, binary.BigEndian.Uint32(ip[:])^mask)
}
