// Package archtest holds the house to its plan: who may import whom, what may
// come from outside and who may end the process. Each rule carries its reason,
// which is what a failing build prints.
//
// The rules name rooms, not packages: a new package inside a known room needs
// no change here. A new room does, and that is a decision worth a review.
package archtest
