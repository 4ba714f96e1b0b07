package main

import (
	"bufio"
	"io"
	"sync"
)

// serveStdio answers line by line; what is waiting to be read is answered before anything is written out.
func serveStdio(server *Server, in io.Reader, out io.Writer) error {
	reader := bufio.NewReaderSize(in, 1<<20)
	writer := bufio.NewWriterSize(out, 1<<20)
	var lock sync.Mutex
	write := func(reply []byte, more bool) {
		lock.Lock()
		defer lock.Unlock()
		writer.Write(reply)
		writer.WriteByte('\n')
		if !more {
			writer.Flush()
		}
	}
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 1 {
			if server.Delay > 0 {
				go func() {
					if reply, _ := server.answer(line); reply != nil {
						write(reply, false)
					}
				}()
			} else if reply, _ := server.answer(line); reply != nil {
				write(reply, reader.Buffered() > 0)
			} else if reader.Buffered() == 0 {
				lock.Lock()
				writer.Flush()
				lock.Unlock()
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
