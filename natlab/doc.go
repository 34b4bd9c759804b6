// Package natlab is an internet on one Linux machine, for testing programs that have to get through
// NATs: hosts with the real kernel's TCP, joined by links with delay, loss and rate and by NATs
// that behave as RFC 4787 and RFC 5382 allow NATs to. It needs no root, no container and no set-up.
//
//	      host s                host r            each host is a network namespace: real sockets,
//	   203.0.113.10          203.0.113.11         real TCP, processes may run in it
//	        |                     |
//	        | Link                | Link          delay, jitter, loss, rate (of each flow, too), queue; may be cut
//	        |                     |
//	+-------+---------------------+-------+
//	|             internet                |       this process carries the packets, counts them and
//	+-------+---------------------+-------+       may log them or write them to a pcap file
//	        |                     |
//	   198.51.100.1          198.51.100.2
//	     NAT home              NAT cgn            Go code that follows a Behavior, or with KernelNAT
//	    10.1.0.1/24           10.2.0.1/24         a namespace in which nftables masquerades
//	     |       |                |
//	  host a   host b         10.2.0.2            NATs may be behind NATs
//	 10.1.0.2 10.1.0.3        NAT flat
//	                         10.3.0.1/24
//	                              |
//	                           host c
//	                          10.3.0.2
//
// # Getting in
//
// Making network namespaces takes privileges, which an ordinary user has in a user namespace of his
// own. A Go program cannot move into one while it runs, so it is started again inside: tests call
// Main from TestMain, other programs call Enter first thing in main. Where the machine forbids it
// the error wraps ErrUnavailable and says what to change; tests are skipped then, unless
// NATLAB=require is in the environment. Namespaces have no names and leave nothing behind: they end
// with the process, however it ends.
//
// # Building
//
// New, or Test in a test, makes a lab. Lab.Host, Lab.NAT and Lab.KernelNAT attach to the internet,
// the methods of the same names of a NAT to its inside. Everything is alive at once. One-way delays
// are given to links with Delay or Via, or to pairs of attachments with Lab.SetDelay, so that any
// triangle can be built. Links inside a NAT have none unless they are given one.
//
// # Running code on a host
//
// Host.Listen and Host.Dial make sockets, Host.Command starts processes. Host.Do runs any function
// in the host's namespace: the sockets that it opens are the host's for good, whoever uses them
// later. What holds is the thread that a socket is opened on, so goroutines that the function
// starts are not on the host. Package net opens sockets on the calling goroutine as long as
// addresses are literal; it looks up names and races several addresses on others.
//
// # Watching
//
// Lab.Flows tells which packets each network saw, and what became of them: so a test can state that
// bytes went directly (Lab.Payload), or that nobody but the peer was sent a SYN (Lab.SYNs). Lab.Log
// and Lab.Capture show every packet.
//
// # Playing faults
//
// Lab.Cut, Lab.CutBetween, Lab.SetLink, Lab.SetDelay and Lab.SetLoss change links, NAT.Reboot, NAT.Age and
// NAT.SetAddr what a NAT knows, Host.Move where a host is, and Lab.Reset breaks a connection.
// NAT.Traffic plays the neighbours behind the same NAT, whose connections use up its ports.
//
// # How true it is
//
// TCP is the kernel's, and the packets of every connection are of the size they would have on
// Ethernet: an MTU of 1500, an MSS of 1460. On their way many of them may be in one system call, as
// they are between a kernel and its network card; links that lose packets or have a rate take them
// apart. A packet is delivered about 0.1 ms after its delay, when the machine has a core to spare.
// The internet is a single router: it takes one hop, and answers with ICMP time exceeded. It
// carries no fragments, and nobody can send from an address that is not his. NATs answer no
// requests for port mappings. A NAT's inside is a switch without delay of its own.
package natlab
