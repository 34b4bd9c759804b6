package bodkin_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// An ssh server on one node, and a client on another, both by golang.org/x/crypto/ssh. The session is encrypted and proven
// twice, which costs little and keeps all that ssh offers. The programs ssh and sshd need no code at all: see the command
// "bodkin connect".
func Example_ssh() {
	ada, ben, stop := exampleNodes()
	defer stop()
	hostKey, userKey := newSigner(), newSigner()

	listener, err := ben.Listen("ssh")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveSSH(conn, hostKey, userKey.PublicKey())
		}
	}()

	ctx, cancel := exampleContext()
	defer cancel()
	conn, err := ada.Dial(ctx, "ben", "ssh")
	if err != nil {
		log.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(exampleTime))
	transport, channels, requests, err := ssh.NewClientConn(conn, "ben", &ssh.ClientConfig{
		User:            "ada",
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(userKey)},
		HostKeyCallback: ssh.FixedHostKey(hostKey.PublicKey()),
	})
	if err != nil {
		log.Fatal(err)
	}
	client := ssh.NewClient(transport, channels, requests)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		log.Fatal(err)
	}
	output, err := session.Output("whoami")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(output))
	// Output:
	// ada ran whoami on ben
}

// serveSSH lets the holder of user in, and answers each command with a line.
func serveSSH(conn net.Conn, host ssh.Signer, user ssh.PublicKey) {
	defer conn.Close()
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) != string(user.Marshal()) {
				return nil, fmt.Errorf("unknown key")
			}
			return nil, nil
		},
	}
	config.AddHostKey(host)
	login, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		if channel.ChannelType() != "session" {
			channel.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		stream, requests, err := channel.Accept()
		if err != nil {
			return
		}
		for request := range requests {
			if request.Type != "exec" {
				request.Reply(false, nil)
				continue
			}
			var exec struct{ Command string }
			ssh.Unmarshal(request.Payload, &exec)
			request.Reply(true, nil)
			fmt.Fprintf(stream, "%s ran %s on ben\n", login.User(), exec.Command)
			stream.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, 0))
			stream.Close()
		}
	}
}

func newSigner() ssh.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		log.Fatal(err)
	}
	return signer
}
