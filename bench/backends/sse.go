package main

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

// serveSSE speaks the transport of 2024-11-05: answers to what is POSTed come on the session's event stream.
func serveSSE(server *Server, address string) error {
	var last int64
	var streams sync.Map // of session to chan []byte
	http.HandleFunc("/sse", func(w http.ResponseWriter, r *http.Request) {
		session := strconv.FormatInt(atomic.AddInt64(&last, 1), 10)
		replies := make(chan []byte, 1024)
		streams.Store(session, replies)
		defer streams.Delete(session)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintf(w, "event: endpoint\ndata: /messages?session_id=%s\n\n", session)
		w.(http.Flusher).Flush()
		for {
			select {
			case reply := <-replies:
				fmt.Fprintf(w, "event: message\ndata: %s\n\n", reply)
				if len(replies) == 0 {
					w.(http.Flusher).Flush()
				}
			case <-r.Context().Done():
				return
			}
		}
	})
	http.HandleFunc("/messages", func(w http.ResponseWriter, r *http.Request) {
		replies, known := streams.Load(r.URL.Query().Get("session_id"))
		if !known {
			http.Error(w, "no such session", http.StatusNotFound)
			return
		}
		data, err := body(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		if reply, _ := server.answer(data); reply != nil {
			replies.(chan []byte) <- reply
		}
	})
	return http.ListenAndServe(address, nil)
}
