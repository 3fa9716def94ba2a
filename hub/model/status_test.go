package model

import (
	"slices"
	"strings"
	"testing"
)

// The moves as they are promised to client applications: a row is the status
// now, and what it may become.
var promised = map[Status]string{
	Queued:    "sending sent delivered read failed held expired discarded",
	Sending:   "queued sent delivered read failed held expired discarded",
	Sent:      "delivered read failed",
	Delivered: "read",
	Read:      "",
	Failed:    "queued sent delivered read discarded", // a replay, a late outcome, a late receipt, an operator's word
	Held:      "queued sent delivered read failed expired discarded",
	Expired:   "sent delivered read",
	Discarded: "",
}

func TestEveryMove(t *testing.T) {
	if len(promised) != len(Statuses()) {
		t.Fatalf("%d statuses, the table has %d", len(Statuses()), len(promised))
	}
	for _, from := range Statuses() {
		want, ok := promised[from]
		if !ok {
			t.Errorf("%s has no row", from)
		}
		for _, to := range Statuses() {
			if got, want := from.CanMove(to), slices.Contains(strings.Fields(want), string(to)); got != want {
				t.Errorf("%s to %s: %v, want %v", from, to, got, want)
			}
		}
		if from.CanMove(from) {
			t.Errorf("%s may move to itself", from)
		}
		if from.CanMove("") || Status("").CanMove(from) || Status("nonsense").CanMove(from) {
			t.Errorf("%s moves to or from nothing", from)
		}
	}
}

// Between the statuses that follow each other there is no way back, over any
// number of moves that are receipts.
func TestReceiptsMoveForwardOnly(t *testing.T) {
	line := []Status{Sent, Delivered, Read}
	for i, from := range line {
		reached := map[Status]bool{}
		var walk func(Status)
		walk = func(s Status) {
			for _, to := range Statuses() {
				if s.CanMove(to) && !reached[to] && to != Queued { // a replay is no receipt
					reached[to] = true
					walk(to)
				}
			}
		}
		walk(from)
		for _, back := range line[:i] {
			if reached[back] {
				t.Errorf("%s is reached from %s", back, from)
			}
		}
	}
}

func TestFinal(t *testing.T) {
	for _, s := range Statuses() {
		want := !slices.Contains([]Status{Queued, Sending, Held}, s)
		if s.Final() != want {
			t.Errorf("%s: final %v, want %v", s, s.Final(), want)
		}
	}
	if Status("nonsense").Final() {
		t.Error("an unknown status is final")
	}
}
