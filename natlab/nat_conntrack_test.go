package natlab

import "testing"

func TestLinuxFollowsTheStateOfAConnection(t *testing.T) {
	const open = `
		A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN
		S:80 > X:4000 SYN+ACK seq=500 ack=101 -> S:80 > A:4000 SYN+ACK
		A:4000 > S:80 ACK seq=101 ack=501 -> X:4000 > S:80 ACK
	`
	playAll(t, []scriptCase{
		{"three-way handshake and close", Linux(), open + `
			A:4000 > S:80 ACK seq=101 ack=501 len=1000 -> X:4000 > S:80 ACK
			S:80 > X:4000 ACK seq=501 ack=1101 len=10 -> S:80 > A:4000 ACK
			A:4000 > S:80 FIN+ACK seq=1101 ack=511 -> X:4000 > S:80 FIN+ACK
			S:80 > X:4000 FIN+ACK seq=511 ack=1102 -> S:80 > A:4000 FIN+ACK
			A:4000 > S:80 ACK seq=1102 ack=512 -> X:4000 > S:80 ACK
			S:80 > X:4000 SYN seq=9000 -> drop # a new connection, from outside
		`},
		{"a challenge is not the last acknowledgment", Linux(), open + `
			A:4000 > S:80 FIN+ACK seq=101 ack=501 -> X:4000 > S:80 FIN+ACK
			S:80 > X:4000 FIN+ACK seq=501 ack=102 -> S:80 > A:4000 FIN+ACK
			A:4000 > S:80 SYN seq=90000 -> X:4000 > S:80 SYN
			S:80 > X:4000 ACK seq=502 ack=102 -> S:80 > A:4000 ACK
			+31s
			S:80 > X:4000 ACK seq=502 ack=102 -> drop # LAST_ACK ended after 30 s, TIME_WAIT would not
		`},
		{"simultaneous open", Linux(), `
			A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN seq=500 -> S:80 > A:4000 SYN
			A:4000 > S:80 SYN+ACK seq=100 ack=501 -> X:4000 > S:80 SYN+ACK
			S:80 > X:4000 SYN+ACK seq=500 ack=101 -> S:80 > A:4000 SYN+ACK
			A:4000 > S:80 ACK seq=101 ack=501 len=7 -> X:4000 > S:80 ACK
			S:80 > X:4000 ACK seq=501 ack=108 len=7 -> S:80 > A:4000 ACK
		`},
		{"simultaneous open, SYN+ACK from outside first", Linux(), `
			A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN seq=500 -> S:80 > A:4000 SYN
			S:80 > X:4000 SYN+ACK seq=500 ack=101 -> S:80 > A:4000 SYN+ACK
			A:4000 > S:80 SYN+ACK seq=100 ack=501 -> X:4000 > S:80 SYN+ACK
			S:80 > X:4000 ACK seq=501 ack=101 -> S:80 > A:4000 ACK
			A:4000 > S:80 ACK seq=101 ack=501 -> X:4000 > S:80 ACK
		`},
		{"what cannot occur is not let in", Linux(), `
			A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN
			S:80 > X:4000 FIN+ACK seq=500 ack=101 -> drop
			A:4000 > S:80 ACK seq=101 ack=501 -> drop # no SYN+ACK yet
			S:80 > X:4000 FIN+SYN seq=500 -> drop
			S:80 > X:4000 SYN+ACK seq=500 ack=101 -> S:80 > A:4000 SYN+ACK
			A:4000 > S:80 ACK seq=101 ack=501 -> X:4000 > S:80 ACK
			S:80 > X:4000 SYN seq=500 -> drop
			A:4000 > S:80 SYN+ACK seq=100 ack=501 -> drop
		`},
		{"a refused segment is answered as unsolicited", LinuxReject(), open + `
			S:80 > X:4000 SYN seq=900 -> X:4000 > S:80 RST+ACK ack=901
		`},
		{"a SYN out of order passes and brings both ends in line", Linux(), open + `
			A:4000 > S:80 SYN seq=90000 -> X:4000 > S:80 SYN # A has started anew
			S:80 > X:4000 ACK seq=501 ack=101 -> S:80 > A:4000 ACK # challenge
			A:4000 > S:80 RST seq=101 -> X:4000 > S:80 RST
			A:4000 > S:80 SYN seq=90000 -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN+ACK seq=7000 ack=90001 -> S:80 > A:4000 SYN+ACK
			A:4000 > S:80 ACK seq=90001 ack=7001 -> X:4000 > S:80 ACK
		`},
		{"an ignored SYN that is acknowledged", Linux(), open + `
			A:4000 > S:80 SYN seq=90000 -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN+ACK seq=7000 ack=90001 -> S:80 > A:4000 SYN+ACK # S has started anew, too
			A:4000 > S:80 ACK seq=90001 ack=7001 -> X:4000 > S:80 ACK
			S:80 > X:4000 ACK seq=7001 ack=90001 len=100 -> S:80 > A:4000 ACK
		`},
	})
}

func TestAHoleIsBoundToTheSYNThatOpenedItWhereWindowsAreChecked(t *testing.T) {
	const low = `
		A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN
		S:80 > X:4000 SYN seq=500 -> S:80 > A:4000 SYN
	`
	liberal := Linux()
	liberal.Checking = CheckStates
	playAll(t, []scriptCase{
		{"a listener answers with another number", Linux(), low + `
			A:4000 > S:80 SYN+ACK seq=1600000 ack=501 -> drop
		`},
		{"a new SYN opens it anew", Linux(), `
			A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN
			A:4000 > S:80 SYN seq=1600000 -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN seq=500 -> S:80 > A:4000 SYN
			A:4000 > S:80 SYN+ACK seq=1600000 ack=501 -> X:4000 > S:80 SYN+ACK
			S:80 > X:4000 SYN+ACK seq=500 ack=1600001 -> S:80 > A:4000 SYN+ACK
		`},
		{"states only", liberal, low + `
			A:4000 > S:80 SYN+ACK seq=1600000 ack=501 -> X:4000 > S:80 SYN+ACK
			S:80 > X:4000 ACK seq=501 ack=1600001 -> S:80 > A:4000 ACK
		`},
		{"nothing", PortRestrictedCone(), low + `
			A:4000 > S:80 SYN+ACK seq=1600000 ack=501 -> X:4000 > S:80 SYN+ACK
			S:80 > X:4000 URG seq=7 -> S:80 > A:4000 URG
			S:80 > X:4000 FIN+SYN seq=7 -> S:80 > A:4000 FIN+SYN
		`},
	})
}

func TestSegmentsOutsideTheWindowAreRefused(t *testing.T) {
	const open = `
		A:4000 > S:80 SYN seq=100 win=1000 -> X:4000 > S:80 SYN
		S:80 > X:4000 SYN+ACK seq=500 ack=101 win=2000 -> S:80 > A:4000 SYN+ACK
		A:4000 > S:80 ACK seq=101 ack=501 win=1000 -> X:4000 > S:80 ACK
	`
	playAll(t, []scriptCase{
		{"beyond what the receiver has room for", Linux(), open + `
			S:80 > X:4000 ACK seq=1501 ack=101 win=2000 -> S:80 > A:4000 ACK
			S:80 > X:4000 ACK seq=1502 ack=101 win=2000 len=2000 -> drop
			S:80 > X:4000 ACK seq=90000 ack=101 win=2000 -> drop
		`},
		{"an acknowledgment of what was not sent", Linux(), open + `
			S:80 > X:4000 ACK seq=501 ack=102 -> drop
			A:4000 > S:80 ACK seq=101 ack=501 len=10 -> X:4000 > S:80 ACK
			S:80 > X:4000 ACK seq=501 ack=102 -> S:80 > A:4000 ACK
		`},
		{"old data passes", Linux(), open + `
			A:4000 > S:80 ACK seq=101 ack=501 len=1400 -> X:4000 > S:80 ACK
			S:80 > X:4000 ACK seq=501 ack=1501 win=2000 -> S:80 > A:4000 ACK
			A:4000 > S:80 ACK seq=1501 ack=501 len=1400 -> X:4000 > S:80 ACK
			S:80 > X:4000 ACK seq=501 ack=2901 win=2000 -> S:80 > A:4000 ACK
			A:4000 > S:80 ACK seq=101 ack=501 len=1 -> X:4000 > S:80 ACK
		`},
		{"windows are scaled if both sides offer it", Linux(), `
			A:4000 > S:80 SYN seq=100 win=1000 scale=7 -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN+ACK seq=500 ack=101 win=1000 scale=7 -> S:80 > A:4000 SYN+ACK
			A:4000 > S:80 ACK seq=101 ack=501 win=1000 -> X:4000 > S:80 ACK
			S:80 > X:4000 ACK seq=128501 ack=101 -> S:80 > A:4000 ACK
			S:80 > X:4000 ACK seq=300000 ack=101 -> drop
		`},
		{"windows are not scaled if one side does not offer it", Linux(), `
			A:4000 > S:80 SYN seq=100 win=1000 scale=7 -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN+ACK seq=500 ack=101 win=1000 -> S:80 > A:4000 SYN+ACK
			A:4000 > S:80 ACK seq=101 ack=501 win=1000 -> X:4000 > S:80 ACK
			S:80 > X:4000 ACK seq=128501 ack=101 -> drop
		`},
		{"sequence numbers wrap around", Linux(), `
			A:4000 > S:80 SYN seq=4294967295 win=1000 -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN+ACK seq=4294967290 ack=0 win=2000 -> S:80 > A:4000 SYN+ACK
			A:4000 > S:80 ACK seq=0 ack=4294967291 len=100 -> X:4000 > S:80 ACK
			S:80 > X:4000 ACK seq=4294967291 ack=100 len=100 -> S:80 > A:4000 ACK
			A:4000 > S:80 ACK seq=100 ack=95 -> X:4000 > S:80 ACK
		`},
	})
}

func TestResetsDoWhatTheBehaviorSays(t *testing.T) {
	with := func(r ResetEffect) Behavior {
		b := PortRestrictedCone()
		b.Reset = r
		return b
	}
	const refusedSYN = `
		A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN
		S:80 > X:4000 RST+ACK seq=0 ack=101 -> S:80 > A:4000 RST+ACK
	`
	const open = `
		A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN
		S:80 > X:4000 SYN+ACK seq=500 ack=101 -> S:80 > A:4000 SYN+ACK
		A:4000 > S:80 ACK seq=101 ack=501 -> X:4000 > S:80 ACK
	`
	playAll(t, []scriptCase{
		{"closes", with(ResetCloses), refusedSYN + `
			+239s
			S:80 > X:4000 SYN -> S:80 > A:4000 SYN # still open
		`},
		{"closes in the end", with(ResetCloses), refusedSYN + `
			+240s
			S:80 > X:4000 SYN -> drop
		`},
		{"removes", with(ResetRemoves), refusedSYN + `
			S:80 > X:4000 SYN -> drop
		`},
		{"removes an established connection", with(ResetRemoves), open + `
			A:4000 > S:80 RST seq=101 -> X:4000 > S:80 RST
			S:80 > X:4000 ACK seq=501 ack=101 -> drop
		`},
		{"is ignored", with(ResetIgnored), open + `
			S:80 > X:4000 RST seq=501 -> S:80 > A:4000 RST
			+123m
			S:80 > X:4000 ACK seq=501 ack=101 -> S:80 > A:4000 ACK
		`},
		{"Linux removes an entry whose only answer it is", Linux(), refusedSYN + `
			S:80 > X:4000 SYN -> drop
			A:4000 > S:80 SYN seq=9000 -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN -> S:80 > A:4000 SYN
		`},
		{"Linux closes an answered connection for 10 s", Linux(), open + `
			S:80 > X:4000 RST seq=501 -> S:80 > A:4000 RST
			S:80 > X:4000 SYN seq=900 -> drop # after a reset only the inside may open it anew
			+10s
			S:80 > X:4000 ACK seq=501 ack=101 -> drop
			A:4000 > S:80 SYN seq=9000 -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN seq=900 -> S:80 > A:4000 SYN
		`},
		{"Linux lets the side that reset it open it anew", Linux(), open + `
			A:4000 > S:80 RST seq=101 -> X:4000 > S:80 RST
			A:4000 > S:80 SYN seq=9000 -> X:4000 > S:80 SYN
			S:80 > X:4000 SYN seq=900 -> S:80 > A:4000 SYN
		`},
		{"Linux does not believe a reset that does not fit", Linux(), open + `
			S:80 > X:4000 ACK seq=501 ack=101 len=10 -> S:80 > A:4000 ACK
			A:4000 > S:80 ACK seq=101 ack=511 -> X:4000 > S:80 ACK
			S:80 > X:4000 RST seq=400 -> drop # before what is acknowledged
			S:80 > X:4000 RST seq=700 -> S:80 > A:4000 RST # may meet a challenge
			+1m
			A:4000 > S:80 ACK seq=101 ack=511 len=1 -> X:4000 > S:80 ACK
			S:80 > X:4000 ACK seq=511 ack=102 -> S:80 > A:4000 ACK
		`},
		{"a reset for another SYN is not believed", Linux(), `
			A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN
			S:80 > X:4000 RST+ACK seq=0 ack=999 -> drop
			S:80 > X:4000 SYN+ACK seq=500 ack=101 -> S:80 > A:4000 SYN+ACK
		`},
	})
}

func TestSimultaneousOpenMayBeRefused(t *testing.T) {
	b := PortRestrictedCone()
	b.RefuseSimultaneousOpen = true
	linux := Linux()
	linux.RefuseSimultaneousOpen = true
	reset := b
	reset.Unsolicited = UnsolicitedReset
	const crossing = `
		A:4000 > S:80 SYN seq=100 -> X:4000 > S:80 SYN
		S:80 > X:4000 SYN seq=500 -> drop
		S:80 > X:4000 SYN+ACK seq=500 ack=101 -> S:80 > A:4000 SYN+ACK
		A:4000 > S:80 ACK seq=101 ack=501 -> X:4000 > S:80 ACK
	`
	playAll(t, []scriptCase{{"cone", b, crossing}, {"linux", linux, crossing}})
}

func TestConnectionsArePickedUpFromInsideIfTheBehaviorSays(t *testing.T) {
	without := Linux()
	without.PickUp = false
	playAll(t, []scriptCase{
		{"Linux", Linux(), `
			A:4000 > S:80 ACK seq=5000 ack=7000 len=10 -> X:4000 > S:80 ACK
			S:80 > X:4000 ACK seq=7000 ack=5010 len=1000 -> S:80 > A:4000 ACK
			A:4000 > S:80 FIN+ACK seq=5010 ack=8000 -> X:4000 > S:80 FIN+ACK
		`},
		{"not from outside", Linux(), `
			S:80 > X:4000 ACK seq=7000 ack=5010 len=10 -> drop
		`},
		{"not with other segments", Linux(), `
			A:4000 > S:80 FIN+ACK seq=5010 ack=10000 -> drop
			A:4000 > S:80 RST seq=5010 -> drop
			A:4000 > S:80 SYN+ACK seq=5010 ack=10000 -> drop
		`},
		{"not if the behavior does not say so", without, `
			A:4000 > S:80 ACK seq=5000 ack=7000 len=10 -> drop
		`},
	})
}
