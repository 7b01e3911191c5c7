// Package docker runs instances as containers of the Docker engine of this machine.
//
// The engine is the containers' parent, so they outlive the controller; what there is, is what the engine says. A file per
// instance remembers what the engine cannot: which exits came before, that the instance is to end, and its port, which is
// nobody else's while the engine is away.
//
//	DIR/server                       who we are, for the label naru.server: another naru's containers are not ours
//	DIR/key                          digests of secrets are made with it
//	DIR/instances/ID.json            earlier exits, the port, and the order to stop
//	DIR/revisions/SERVICE/REV/record.json, logs/ID.log
//
// A revision is an image by its ID, not by its tag, which may move; a tag of naru's own keeps it from being pruned. There is
// one owner of restarts, naru: the engine's restart policy is "no". A start is always a new container. The logs of the
// one before, and of one that is stopped, are kept in a file, so no container that has ended is left lying about.
//
// The engine is asked for the first time when a revision is prepared that runs in containers. Until then this room does
// nothing, so a machine without Docker does not notice it; only a sweep has a look for containers of a folder that was lost, and says
// nothing when there is no engine.
package docker
