// A smux v1 peer: "server PORT" echoes every stream; "client PORT" opens streams, sends and checks.
package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"github.com/xtaci/smux"
)

func must(err error) {
	if err != nil {
		fmt.Println("FAILED", err)
		os.Exit(1)
	}
}

func main() {
	conn, err := net.Dial("tcp", "127.0.0.1:"+os.Args[2])
	must(err)
	if os.Args[1] == "server" {
		session, err := smux.Server(conn, nil)
		must(err)
		for {
			stream, err := session.AcceptStream()
			if err != nil {
				return
			}
			go func() { io.Copy(stream, stream); stream.Close() }()
		}
	}
	session, err := smux.Client(conn, nil)
	must(err)
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			stream, err := session.OpenStream()
			must(err)
			data := make([]byte, 300000)
			rand.Read(data)
			go stream.Write(data)
			back := make([]byte, len(data))
			_, err = io.ReadFull(stream, back)
			must(err)
			if !bytes.Equal(data, back) {
				must(fmt.Errorf("other bytes"))
			}
			must(stream.Close())
		}()
	}
	all.Wait()
	fmt.Println("WHOLE")
}
