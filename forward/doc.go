// Package forward carries other programs' connections over streams: [Splice] joins two connections, [Stdio] makes one
// of standard input and output, and [Expose] serves a listener by dialling a TCP target for each connection.
//
//	ssh -- stdin/stdout -- Stdio -- Splice -- stream ======== stream -- Splice -- TCP target
//	                       `bodkin connect PEER ssh`          `bodkin up --expose ssh=localhost:22`
//
// The end of input travels alone (half-close) both ways, and so does a failure: a connection that is reset on one side
// is reset on the other, so that nobody takes a broken transfer for a complete one. For that, a connection may have these
// methods, as *net.TCPConn and the connections of package bodkin do:
//
//	CloseWrite() error           tells its reader that nothing more comes; without it, Close does, and ends both directions
//	Abort() error                ends it so that the other side sees a failure; without it, Close, or a TCP reset
//	Refuse(reason string) error  tells the opener why it is not served; without it, Abort
package forward
