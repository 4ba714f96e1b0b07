package main

import (
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// Result is what a run measured; times are in seconds.
type Result struct {
	Calls      int     `json:"calls"`
	Errors     int     `json:"errors"`
	FirstError string  `json:"first_error"`
	Seconds    float64 `json:"seconds"`
	P50        float64 `json:"p50"`
	P99        float64 `json:"p99"`
	Max        float64 `json:"max"`
}

// share is one client's part of a run.
type share struct {
	latencies []time.Duration
	errors    int
	first     error
}

var lastID int64 // ids are never used again, so that sessions may be shared and runs follow each other

func measure(plan Plan, clients Clients, duration time.Duration) Result {
	shares := make([]share, len(clients))
	begun := time.Now()
	var group sync.WaitGroup
	for index := range clients {
		group.Add(1)
		go func(index int) {
			defer group.Done()
			times := asFastAsAnswered
			if plan.Rate > 0 {
				gap := time.Duration(float64(time.Second) * float64(len(clients)) / plan.Rate)
				times = atRate(begun.Add(gap*time.Duration(index)/time.Duration(len(clients))), gap)
			}
			shares[index] = callUntil(begun.Add(duration), clients[index], newCall(plan.Answer, plan.Argument), plan, times)
		}(index)
	}
	group.Wait()
	return summary(shares, time.Since(begun))
}

func callUntil(end time.Time, client Client, call *Call, plan Plan, times func() time.Time) share {
	var own share
	for {
		begun := times()
		if !begun.Before(end) {
			return own
		}
		id := int(atomic.AddInt64(&lastID, 1))
		answer, err := client.Call(id, call.message(id))
		if err == nil {
			err = check(answer, id, plan.Answer)
		}
		if err != nil {
			if own.errors++; own.first == nil {
				own.first = err
			}
			time.Sleep(10 * time.Millisecond) // whoever refuses at once would fill the run with errors
			continue
		}
		own.latencies = append(own.latencies, time.Since(begun))
	}
}

// asFastAsAnswered begins each call when the one before is answered.
func asFastAsAnswered() time.Time { return time.Now() }

// atRate begins calls at fixed times. A call that had to wait for the answer before it counts from when it was due;
// one that begins late because the sleep was long counts from its real beginning.
func atRate(first time.Time, gap time.Duration) func() time.Time {
	due := first.Add(-gap)
	return func() time.Time {
		due = due.Add(gap)
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			return time.Now()
		}
		return due
	}
}

func summary(shares []share, elapsed time.Duration) Result {
	result := Result{Seconds: elapsed.Seconds()}
	var all []time.Duration
	for _, part := range shares {
		all = append(all, part.latencies...)
		result.Errors += part.errors
		if part.first != nil && result.FirstError == "" {
			result.FirstError = part.first.Error()
		}
	}
	result.Calls = len(all)
	if len(all) == 0 {
		return result
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	result.P50 = all[len(all)/2].Seconds()
	result.P99 = all[len(all)*99/100].Seconds()
	result.Max = all[len(all)-1].Seconds()
	return result
}
