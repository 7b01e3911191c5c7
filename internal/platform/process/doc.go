//go:build linux

// Package process runs instances as processes of this machine.
//
// Between the controller and every program stands a shim: naru re-executing itself as `naru shim DIR`. The shim
// is the program's parent, so it alone can wait for it; it writes the program's output to a log that it rotates,
// and records how the program ended. It belongs to a session of its own and shares nothing with the controller but
// an instance's folder, so the controller may be killed, upgraded or restarted at any moment: what it knows of
// an instance is what the folder and the kernel say.
//
//	DIR/key                          digests of secrets are made with it
//	DIR/instances/ID/spec.json       what to run, and on which port (written by the controller)
//	DIR/instances/ID/state.json      what became of it (written by the shim)
//	DIR/instances/ID/lock            locked by the shim for its whole life
//	DIR/instances/ID/stop            the instance is to end, and by when
//	DIR/instances/ID/ready           the last command check succeeded
//	DIR/revisions/SERVICE/REV/record.json, artifact/, logs/ID/
//
// The logs lie with the revision, because they outlive the instance.
//
// Two questions decide everything, and neither is answered by a process number alone, since the kernel gives those
// out again. Does the shim live? The kernel knows who holds the lock. Does the program live? Boot id, number
// and start time must all agree, and it must not be a zombie.
package process
