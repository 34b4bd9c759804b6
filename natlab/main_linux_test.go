package natlab

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// programEnv makes the test binary a program that enters, for the tests of Enter.
const programEnv = "NATLAB_TEST_PROGRAM"

func TestMain(m *testing.M) {
	name := os.Getenv(programEnv)
	if name == "" {
		Main(m)
	}
	if err := Enter(); err != nil {
		fmt.Println(err)
		os.Exit(5)
	}
	switch name {
	case "copy": // arguments and standard input to standard output
		fmt.Println(os.Args[1:])
		io.Copy(os.Stdout, os.Stdin)
		os.Exit(7)
	case "signal": // ends when asked to
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		fmt.Println("ready")
		fmt.Println(<-asked)
		os.Exit(3)
	case "crash": // ends of a signal
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "stay": // until killed; tells its process id
		fmt.Println(os.Getpid())
		bufio.NewReader(os.Stdin).ReadByte()
	}
	os.Exit(0)
}
