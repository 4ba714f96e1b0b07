package main

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"time"
)

// sseClient is a client of the transport of 2024-11-05: calls go out on one connection, answers come on another.
type sseClient struct {
	stream, posts *Line
	events        *bufio.Reader
	path          string
}

func openSSE(target *url.URL, patience time.Duration) (Client, error) {
	client := &sseClient{stream: newLine(target, patience), posts: newLine(target, patience)}
	if err := client.open(target.RequestURI()); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

func (s *sseClient) open(path string) error {
	reply, err := s.stream.Listen(path)
	if err != nil {
		return err
	}
	if reply.Status != 200 {
		return fmt.Errorf("%w %d of the event stream", errStatus, reply.Status)
	}
	s.events = bufio.NewReaderSize(reply.Stream, 64<<10)
	endpoint, err := s.next()
	if err != nil {
		return err
	}
	place, err := url.Parse(string(endpoint))
	if err != nil {
		return err
	}
	s.path = s.stream.target.ResolveReference(place).RequestURI()
	if _, err := s.Call(0, []byte(initialize)); err != nil {
		return fmt.Errorf("initialize: %w", err)
	}
	return s.send([]byte(initialized))
}

func (s *sseClient) send(message []byte) error {
	reply, err := s.posts.Post(s.path, "", message)
	if err == nil && reply.Status >= 300 {
		err = fmt.Errorf("%w %d: %s", errStatus, reply.Status, short(reply.Body))
	}
	return err
}

// next gives the data of the next event.
func (s *sseClient) next() ([]byte, error) {
	for {
		line, err := s.events.ReadBytes('\n')
		if err != nil {
			if err == io.EOF {
				err = fmt.Errorf("the event stream ended")
			}
			return nil, err
		}
		if data, found := dataOf(line); found {
			return data, nil
		}
	}
}

func (s *sseClient) Call(id int, message []byte) ([]byte, error) {
	if now := time.Now(); now.After(s.stream.renew) {
		s.stream.conn.SetReadDeadline(now.Add(s.stream.patience + time.Second))
		s.stream.renew = now.Add(time.Second)
	}
	if err := s.send(message); err != nil {
		return nil, err
	}
	for {
		data, err := s.next()
		if err != nil {
			return nil, err
		}
		if answered, ok := idOf(data); ok && answered == id {
			return data, nil
		}
	}
}

func (s *sseClient) Close() {
	s.stream.Close()
	s.posts.Close()
}
