// Package secret finds the values that settings only point to: in files, by commands, and in the environment of naru serve.
//
// Find is asked at each start of an instance and by whoever wants to know whether a start could succeed. What it finds is
// handed to the program and let go of, but for what commands have printed for a start that is about to come (Early). What is
// kept is a digest by a key of the state folder, by which a value that was changed is told from one that was not, and by which
// nobody can guess it.
package secret
