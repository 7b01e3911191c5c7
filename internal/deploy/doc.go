// Package deploy is the pure core of naru: it decides what should happen to a service and does nothing itself.
//
// A step is a picture of the world plus a gate. Rolling, BlueGreen and Canary are three ways to write a list of
// steps; a way back is a list of steps too; a service at rest is its last picture held for ever. Two functions
// carry everything:
//
//	Advance(rollout, observation) -> rollout       which picture do we want now?
//	Converge(picture, observation) -> []Action     what brings the world closer to it?
//
// Decide joins them for one service. The engine observes, calls Decide, saves the returned State and then carries
// out the actions; every action may be repeated, so a controller killed between any two of these steps goes on
// where it was, once State.Resumed has told it that nobody watched meanwhile. Begin, Apply, Scale and Remove are what
// people ask for; Events says in words what has changed. There is no clock, goroutine or I/O here: time comes in as Observation.Now.
package deploy
